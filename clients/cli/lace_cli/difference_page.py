"""Differences as one HTML page that needs nothing else: to read, to hear and to print.

What changed is said by words, signs and lines under and through the text; colours only repeat it. All foreign text
is escaped, and the page's own policy lets nothing run or load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from lace.ingest.v1 import diffs_pb2 as pb
from lace_cli.comparison import BundleComparison
from lace_cli.difference_text import counted, named
from lace_core.differences.marks import END, anchor, head, mark, safe, table_row, what
from lace_proto.json import to_python

if TYPE_CHECKING:
    from lace_cli.comparison import SourceComparison

_NAMES = {
    pb.DIFF_CHANGE_ADDED: "added",
    pb.DIFF_CHANGE_REMOVED: "removed",
    pb.DIFF_CHANGE_CHANGED: "changed",
    pb.DIFF_CHANGE_MOVED: "moved",
    pb.DIFF_CHANGE_UNCHANGED: "unchanged",
}


def page_of(comparison: SourceComparison | BundleComparison, url: str) -> str:
    """The whole page; documents link to the API at `url`."""
    body: list[str] = []
    if isinstance(comparison, BundleComparison):
        name = safe(comparison.bundle)
        title = f"{name}: version {comparison.before} to version {comparison.after}"
        body += _bundle(comparison)
        for compared in comparison.comparisons:
            body.append(f'<section id="{anchor(compared.after.source_id)}">')
            body.append(f"<h2>{safe(named(compared.before))} → {safe(named(compared.after))}</h2>")
            body += [*_source(compared, url, 3), "</section>"]
    else:
        title = f"{safe(named(comparison.before))} → {safe(named(comparison.after))}"
        body += _source(comparison, url, 2)
    return "\n".join((*head(title), *body, *END))


def _bundle(comparison: BundleComparison) -> Iterator[str]:
    yield f"<p>Sources: {counted(comparison.counts)}.</p>"
    yield '<div class="wide" tabindex="0" role="region" aria-label="Sources"><table>'
    yield "<caption>Sources</caption>"
    yield table_row("th", ("What", "Before", "After", "Text", "Units"), scope="col")
    for change in comparison.sources:
        compared = any(one.after.source_id == change.after.source_id for one in comparison.comparisons)
        after = safe(named(change.after)) if change.HasField("after") else ""
        if compared:
            after = f'<a href="#{anchor(change.after.source_id)}">{after}</a>'
        has_counts = change.HasField("summary")
        text = counted(change.summary.paragraphs) if has_counts else safe(change.error_code)
        units = counted(change.summary.units) if has_counts else ""
        before = safe(named(change.before)) if change.HasField("before") else ""
        yield table_row("td", (_what(change.change), before, after, text, units))
    yield "</table></div>"


def _source(comparison: SourceComparison, url: str, level: int) -> Iterator[str]:
    summary = comparison.summary
    yield "<dl>"
    for name, there, counts in (
        ("Text", summary.HasField("paragraphs"), summary.paragraphs),
        ("Units", summary.HasField("units"), summary.units),
    ):
        if there:
            yield f"<div><dt>{name}</dt><dd>{counted(counts)}</dd></div>"
    if summary.HasField("citations"):
        yield f"<div><dt>Citations</dt><dd>{_standings(summary.citations)}</dd></div>"
    yield "</dl>"
    if comparison.citations:
        yield from _impact(comparison, url, level)
    if comparison.passages:
        yield from _text_section(comparison, level)
    if comparison.units:
        yield from _units(comparison, level)


def _standings(counts: pb.ImpactCounts) -> str:
    told = ((counts.changed, "changed"), (counts.gone, "gone"), (counts.moved, "moved"), (counts.stands, "stand"))
    said = ", ".join(f"{count} {name}" for count, name in told if count) or "none"
    more = " and more" if counts.incomplete else ""
    return f"{said}{more}; documents touched: {counts.artifacts}{more}"


def _impact(comparison: SourceComparison, url: str, level: int) -> Iterator[str]:
    told = {ident for change in comparison.units for ident in (change.before.unit_id, change.after.unit_id)}
    yield f"<h{level}>What it touches</h{level}>"
    yield '<div class="wide" tabindex="0" role="region" aria-label="Citations"><table>'
    yield "<caption>Citations of the earlier source, and how each stands in the later one</caption>"
    yield table_row("th", ("Standing", "Document", "What it says", "Quote", "What stands there now"), scope="col")
    for impact in comparison.citations:
        citation = impact.citation
        standing: str = to_python(impact)["standing"]
        address = f"{url}/v1/artifacts/{citation.artifact_id}"
        title = safe(citation.artifact_title or citation.artifact_id)
        document = f'<a href="{escape(address)}">{title}</a><br>{safe(citation.node_title)}'
        says = "".join(f'<p dir="auto">{safe(part.text)}</p>' for part in citation.parts)
        quote = _linked(f"“{safe(citation.evidence.quote)}”", citation.evidence.unit_id, told)
        yield table_row("td", (standing, document, says, quote, _linked(_now(impact, standing), impact.unit_id, told)))
    yield "</table></div>"


def _now(impact: pb.CitationImpact, standing: str) -> str:
    if standing == "gone":
        return "nothing like it"
    if standing == "changed":
        return f"“{safe(impact.text)}” ({impact.similarity / 10:g} % alike)"
    return "the same, elsewhere" if standing == "moved" else "the same"


def _linked(shown: str, unit_id: str, told: set[str]) -> str:
    """To the unit, where the page tells of it."""
    return f'<a href="#{anchor(unit_id)}">{shown}</a>' if unit_id and unit_id in told else shown


def _text_section(comparison: SourceComparison, level: int) -> Iterator[str]:
    yield f"<h{level}>Text</h{level}>"
    yield '<div class="wide" tabindex="0" role="region" aria-label="Text"><table class="sides">'
    yield "<caption>Paragraph by paragraph; the later text on the right</caption>"
    yield table_row("th", ("What", "Before", "After"), scope="col")
    for passage in comparison.passages:
        if passage.skipped:
            yield f'<tr class="skipped"><td colspan="3">{passage.skipped} unchanged</td></tr>'
            continue
        tag = "strong" if passage.kind == "heading" else "span"
        before, after = _sides(passage)
        cells = [f'<{tag} dir="auto">{side}</{tag}>' if side else "" for side in (before, after)]
        yield table_row("td", (_what(passage.change), *cells))
    yield "</table></div>"


def _sides(passage: pb.Passage) -> tuple[str, str]:
    if passage.words:
        return _words(passage.words, pb.DIFF_CHANGE_REMOVED), _words(passage.words, pb.DIFF_CHANGE_ADDED)
    before, after = safe(passage.before), safe(passage.after)
    if passage.change == pb.DIFF_CHANGE_REMOVED:
        return f"<del>{before}</del>", ""
    return (before, after) if passage.change != pb.DIFF_CHANGE_ADDED else ("", f"<ins>{after}</ins>")


def _units(comparison: SourceComparison, level: int) -> Iterator[str]:
    yield f"<h{level}>Units</h{level}>"
    yield '<div class="wide" tabindex="0" role="region" aria-label="Units"><table>'
    yield "<caption>What was read out of the sources, unit by unit</caption>"
    yield table_row("th", ("What", "Where", "Text"), scope="col")
    for change in comparison.units:
        shown = change.after if change.HasField("after") else change.before
        ids = [unit.unit_id for unit in (change.before, change.after) if unit.unit_id]
        anchors = "".join(f'<span id="{anchor(ident)}"></span>' for ident in dict.fromkeys(ids))
        where = [" › ".join(map(safe, shown.heading_path)), f"page {shown.page}" if shown.page else "", _kinds(change)]
        what = _what(change.change) + ("<br>and moved" if change.moved and change.fields else "")
        yield table_row("td", (what, anchors + "<br>".join(filter(None, where)), _content(change)))
    yield "</table></div>"


def _kinds(change: pb.UnitChange) -> str:
    if not change.fields:
        return ""
    fields = ", ".join(field.replace("_", " ") for field in change.fields)
    return f"{fields} differ; {change.similarity / 10:g} % alike"


def _content(change: pb.UnitChange) -> str:
    if change.cells:
        rows = [table_row("th", ("What", "Row", "Column", "Before", "After"), scope="col")]
        for cell in change.cells:
            row = str((cell.after_row if cell.after_row >= 0 else cell.before_row) + 1)
            told = (safe(cell.column), mark("del", cell.before), mark("ins", cell.after))
            rows.append(table_row("td", (_what(cell.change), row, *told)))
        return f"<table><caption>Cells</caption>{''.join(rows)}</table>"
    if change.words:
        return f'<span dir="auto">{_words(change.words)}</span>'
    shown = change.after if change.HasField("after") else change.before
    text = safe(shown.text)
    tag = {pb.DIFF_CHANGE_ADDED: "ins", pb.DIFF_CHANGE_REMOVED: "del"}.get(change.change, "span")
    return f'<{tag} dir="auto">{text}</{tag}>'


def _words(words: Iterable[pb.WordChange], side: pb.DiffChange.ValueType | None = None) -> str:
    """Both sides in one text, or one of them."""
    shown = []
    for word in words:
        if word.change == pb.DIFF_CHANGE_UNCHANGED:
            shown.append(safe(word.text))
        elif side in (None, word.change):
            shown.append(mark("ins" if word.change == pb.DIFF_CHANGE_ADDED else "del", word.text))
    return "".join(shown)


def _what(change: pb.DiffChange.ValueType) -> str:
    return what(_NAMES[change])
