"""Differences as they are read in a terminal: signs and brackets say what colours only repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from lace.ingest.v1 import diffs_pb2 as pb
from lace_cli.printable import printable, visible
from lace_proto.json import to_python

if TYPE_CHECKING:
    from lace.ingest.v1 import ingest_pb2
    from lace_cli.comparison import BundleComparison, SourceComparison

_SIGNS = {
    pb.DIFF_CHANGE_ADDED: "+",
    pb.DIFF_CHANGE_REMOVED: "-",
    pb.DIFF_CHANGE_CHANGED: "~",
    pb.DIFF_CHANGE_MOVED: ">",
    pb.DIFF_CHANGE_UNCHANGED: " ",
}
_COLOURS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "~": typer.colors.YELLOW, ">": typer.colors.CYAN}
_STANDING_COLOURS = {
    "stands": None,
    "moved": typer.colors.CYAN,
    "changed": typer.colors.YELLOW,
    "gone": typer.colors.RED,
}


def lines_of(comparison: SourceComparison) -> Iterator[str]:
    """Two sources: what they are, the counts, then what was asked for."""
    before, after = comparison.before, comparison.after
    yield typer.style(f"{named(before)} → {named(after)}", bold=True)
    yield from summary_lines(comparison.summary)
    yield from _passages(comparison.passages)
    yield from _units(comparison.units)
    yield from impact_lines(comparison.citations)


def bundle_lines(comparison: BundleComparison) -> Iterator[str]:
    """Two versions of a bundle: its sources, then what was asked for of those that were replaced."""
    name = printable(comparison.bundle)
    yield typer.style(f"{name}@{comparison.before} → {name}@{comparison.after}", bold=True)
    yield f"  sources    {counted(comparison.counts)}"
    for change in comparison.sources:
        yield from _source(change)
    for compared in comparison.comparisons:
        yield ""
        yield from lines_of(compared)


def named(source: ingest_pb2.Source) -> str:
    """A source as people know it."""
    return f"{printable(source.filename)} v{source.version or 1} ({source.source_id})"


def summary_lines(summary: pb.DiffSummary) -> Iterator[str]:
    """The counts that there are."""
    if summary.HasField("paragraphs"):
        yield f"  text       {counted(summary.paragraphs)}"
    if summary.HasField("units"):
        yield f"  units      {counted(summary.units)}"
    if summary.HasField("citations"):
        found = summary.citations
        told = [(found.stands, "stand"), (found.moved, "moved"), (found.changed, "changed"), (found.gone, "gone")]
        said = ", ".join(f"{count} {name}" for count, name in told if count) or "none"
        more = " and more" if found.incomplete else ""
        touched = f"; documents touched: {found.artifacts}{more}" if found.artifacts else ""
        yield f"  citations  {said}{more}{touched}"


def counted(counts: pb.ChangeCounts) -> str:
    """`2 changed, 1 added, 40 unchanged`."""
    names = ("changed", "added", "removed", "moved", "unchanged")
    return ", ".join(f"{getattr(counts, name)} {name}" for name in names if getattr(counts, name)) or "none"


def impact_lines(citations: Iterable[pb.CitationImpact]) -> Iterator[str]:
    """How each citation stands: the document and section, what they say, the quote, and what stands there now."""
    for impact in citations:
        citation = impact.citation
        standing: str = to_python(impact)["standing"]
        where = " › ".join(printable(title) for title in (citation.artifact_title, citation.node_title) if title)
        yield typer.style(f"{standing:<8} {where}  ({citation.artifact_id})", fg=_STANDING_COLOURS[standing])
        for part in citation.parts:
            yield f"    says   {printable(part.text)}"
        yield f"    quotes {printable(citation.evidence.quote)}"
        if standing == "changed":
            yield f"    now    {printable(impact.text)}  ({impact.similarity / 10:g} % alike)"
        elif standing == "moved":
            yield f"    now in {impact.unit_id}"


def _source(change: pb.SourceChange) -> Iterator[str]:
    sign = _SIGNS[change.change]
    both = ((change.before, change.HasField("before")), (change.after, change.HasField("after")))
    sides = [named(side) for side, is_there in both if is_there]
    same = change.change == pb.DIFF_CHANGE_UNCHANGED
    yield _coloured(sign, f"{sign} {sides[0] if same else ' → '.join(sides)}")
    if change.HasField("summary"):
        yield from (f"  {line}" for line in summary_lines(change.summary))
    if change.error_code:
        yield f"      not compared: {change.error_code}"


def _passages(passages: Iterable[pb.Passage]) -> Iterator[str]:
    for passage in passages:
        if passage.skipped:
            yield typer.style(f"@@ {passage.skipped} unchanged @@", dim=True)
            continue
        sign = _SIGNS[passage.change]
        mark = "# " if passage.kind == "heading" else ""
        if passage.words:
            yield _coloured(sign, sign) + f" {mark}{_words(passage.words)}"
        else:
            yield _coloured(sign, f"{sign} {mark}{visible(passage.after or passage.before)}")


def _units(units: Iterable[pb.UnitChange]) -> Iterator[str]:
    for change in units:
        sign = _SIGNS[change.change]
        shown = change.after if change.HasField("after") else change.before
        ids = " → ".join(unit.unit_id for unit in (change.before, change.after) if unit.unit_id)
        path = " › ".join(map(printable, shown.heading_path))
        fields = f"  ({', '.join(change.fields)}{', moved' if change.moved else ''})" if change.fields else ""
        alike = f"  {change.similarity / 10:g} % alike" if change.change == pb.DIFF_CHANGE_CHANGED else ""
        yield _coloured(sign, f"{sign} {ids}  {path}{fields}{alike}")
        if change.words and not change.cells:
            yield f"    {_words(change.words)}"
        elif not change.cells:
            yield f"    {printable(shown.text)}"
        for cell in change.cells:
            row = (cell.after_row if cell.after_row >= 0 else cell.before_row) + 1
            told = " → ".join(printable(side) or "(empty)" for side in _sides(cell))
            yield f"    {_SIGNS[cell.change]} row {row}, {printable(cell.column) or 'no head'}: {told}"


def _sides(cell: pb.CellChange) -> list[str]:
    if cell.change == pb.DIFF_CHANGE_ADDED:
        return [cell.after]
    return [cell.before] if cell.change == pb.DIFF_CHANGE_REMOVED else [cell.before, cell.after]


def _words(words: Iterable[pb.WordChange]) -> str:
    """In brackets, as `git diff --word-diff` has them."""
    shown = []
    for word in words:
        text = visible(word.text)
        if word.change == pb.DIFF_CHANGE_REMOVED:
            text = _coloured("-", f"[-{text}-]")
        elif word.change == pb.DIFF_CHANGE_ADDED:
            text = _coloured("+", f"{{+{text}+}}")
        shown.append(text)
    return "".join(shown)


def _coloured(sign: str, text: str) -> str:
    return typer.style(text, fg=_COLOURS[sign]) if sign in _COLOURS else text
