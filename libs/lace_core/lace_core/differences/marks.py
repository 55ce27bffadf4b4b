"""What the HTML pages of differences share: one page that needs nothing else, to read, to hear and to print.

What changed is said by words, signs and lines under and through the text; colours only repeat it. All foreign text
is escaped, and the page's own policy lets nothing run or load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from lace_core.differences.printable import printable, visible
from lace_core.differences.style import STYLE

SIGNS = {"added": "+", "removed": "−", "changed": "~", "moved": "→", "unchanged": ""}
END = ("</main>", "</body>", "</html>", "")


def head(title: str) -> Iterator[str]:
    """The beginning of a page; `title` is escaped already."""
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Changes: {title}</title>"
    yield f"<style>{STYLE}</style>"
    yield "</head>"
    yield "<body>"
    yield "<main>"
    yield f"<h1>{title}</h1>"
    yield '<p class="key"><del>struck through</del> was removed, <ins>underlined</ins> was added.</p>'


def mark(tag: str, text: str) -> str:
    """Said aloud as well: many readers pass over the meaning of ins and del."""
    said = "added" if tag == "ins" else "removed"
    return f'<{tag}><span class="said"> {said}: </span>{safe(text)}</{tag}>' if text else ""


def what(change: str) -> str:
    """A change by its sign and its name."""
    return f'<span class="{change}">{f"{SIGNS[change]} {change}".strip()}</span>'


def table_row(tag: str, cells: Iterable[str], scope: str = "") -> str:
    """A row of cells, td or th."""
    mark = f' scope="{scope}"' if scope else ""
    return f"<tr>{''.join(f'<{tag}{mark}>{cell}</{tag}>' for cell in cells)}</tr>"


def safe(text: str) -> str:
    """Foreign text as it may stand in a page."""
    return escape(visible(text))


def anchor(ident: str) -> str:
    """An id as the page's own."""
    return escape(printable(ident).replace(" ", "-"))
