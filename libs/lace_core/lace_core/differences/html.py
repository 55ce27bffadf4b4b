"""The difference of two revisions of a document as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from lace_core.diff import Difference
from lace_core.differences.marks import END, anchor, head, mark, safe, table_row, what
from lace_core.differences.placed import Page, Placed, worth_telling
from lace_core.differences.telling import counted, field_names
from lace_core.differences.words import word_changes


def html_page(page: Page) -> str:
    """The page: its sections are those of the document, its rows what changed in them."""
    title = f"{safe(page.title)}: {safe(page.before or 'nothing')} → {safe(page.after)}"
    body = [f"<p>{safe(counted(page.counts)) or 'Nothing is different.'}</p>"]
    told = worth_telling(page.differences)
    for path, group in groupby(told, key=lambda one: one.path):
        body += _section(path, list(group))
    last = page.first + len(page.differences)
    if page.first or last < page.total:
        body.append(f"<p>Differences {page.first + 1} to {last} of {page.total}.</p>")
    return "\n".join((*head(title), *body, *END))


def _section(path: tuple[str, ...], group: list[Placed]) -> Iterator[str]:
    name = " › ".join(title.strip() or "(without a title)" for title in path) or "The document"
    yield f"<h2>{safe(name)}</h2>"
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{safe(name)}"><table class="sides">'
    yield "<caption>What changed; the later text on the right</caption>"
    yield table_row("th", ("What", "Before", "After"), scope="col")
    for one in group:
        yield _row(one.difference)
    yield "</table></div>"


def _row(difference: Difference) -> str:
    fields = field_names(difference)
    told = f"{what(difference.change)} {difference.subject}" + (f"<br>{safe(fields)}" if fields else "")
    anchored = f'<span id="{anchor(difference.subject_id)}"></span>{told}'
    return table_row("td", (anchored, *_sides(difference)))


def _sides(difference: Difference) -> tuple[str, str]:
    before, after = difference.before_text, difference.after_text
    if difference.change == "added":
        return "", f'<ins dir="auto">{safe(after)}</ins>'
    if difference.change == "removed":
        return f'<del dir="auto">{safe(before)}</del>', ""
    if before == after:
        return f'<span dir="auto">{safe(before)}</span>', f'<span dir="auto">{safe(after)}</span>'
    words = list(word_changes(before, after))
    left = "".join(safe(text) if change == "same" else mark("del", text) for change, text in words if change != "added")
    right = "".join(
        safe(text) if change == "same" else mark("ins", text) for change, text in words if change != "removed"
    )
    return f'<span dir="auto">{left}</span>', f'<span dir="auto">{right}</span>'
