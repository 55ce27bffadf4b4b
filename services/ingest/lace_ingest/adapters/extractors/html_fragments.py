"""Reads the HTML that stands inside Markdown: its paragraphs, lists and tables, its tags left out."""

from __future__ import annotations

from html.parser import HTMLParser

from lace_ingest.domain.pieces import Grid, Heading, Item, Listing, Piece, Program, Prose

_BLOCKS = """
p div section article header footer main aside ul ol dl dt dd table tr caption blockquote figure figcaption
details summary hr br h1 h2 h3 h4 h5 h6 li pre center
"""
_BREAKING = frozenset(_BLOCKS.split())
_SKIPPED = frozenset(("script", "style", "template", "head"))


def read_fragment(html: str, line: int) -> list[Piece]:
    """The pieces of an HTML fragment, all at the same source line."""
    reader = _Reader(line)
    reader.feed(html)
    reader.close()
    reader.end_text()
    reader.end_list()
    return reader.pieces


def plain(html: str) -> str:
    """What an inline tag stands for: a space for a line break, nothing otherwise."""
    return " " if html.lower().startswith("<br") else ""


class _Reader(HTMLParser):
    def __init__(self, line: int) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[Piece] = []
        self._line = line
        self._text: list[str] = []
        self._items: list[Item] = []
        self._rows: list[list[str]] | None = None
        self._has_head = False
        self._caption = ""
        self._skip = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skip = tag
        elif tag == "table":
            self.end_text()
            self.end_list()
            self._rows, self._has_head, self._caption = [], False, ""
        elif self._rows is not None:
            self._start_in_table(tag)
        elif tag in _BREAKING:
            self.end_text(tag)

    def _start_in_table(self, tag: str) -> None:
        assert self._rows is not None
        if tag == "tr":
            self._rows.append([])
        if tag == "th" and len(self._rows) == 1:
            self._has_head = True
        if tag in ("td", "th", "caption"):
            self._text = []
        elif tag in _BREAKING:
            self._text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skip:
            self._skip = ""
        elif self._rows is not None:
            self._end_in_table(tag)
        elif tag in _BREAKING:
            self.end_text(tag)
            if tag in ("ul", "ol"):
                self.end_list()

    def _end_in_table(self, tag: str) -> None:
        assert self._rows is not None
        if tag in ("td", "th") and self._rows:
            self._rows[-1].append("".join(self._text))
            self._text = []
        elif tag == "caption":
            self._caption = "".join(self._text)
            self._text = []
        elif tag == "table":
            rows = [tuple(row) for row in self._rows]
            header = rows.pop(0) if rows and (self._has_head or len(rows) > 1) else ()
            self.pieces.append(Grid(header, tuple(rows), self._caption, line=self._line))
            self._rows, self._text = None, []

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self._text.append(data)

    def end_text(self, tag: str = "") -> None:
        """Ends the paragraph, item, heading or program under way."""
        text = "".join(self._text)
        self._text = []
        if not text.strip():
            return
        if tag == "li":
            self._items.append(Item(text))
            return
        self.end_list()
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.pieces.append(Heading(int(tag[1]), text, line=self._line))
        elif tag == "pre":
            self.pieces.append(Program(text, line=self._line))
        else:
            self.pieces.append(Prose(text, line=self._line))

    def end_list(self) -> None:
        """Ends the list under way."""
        if self._items:
            self.pieces.append(Listing(tuple(self._items), line=self._line))
            self._items = []
