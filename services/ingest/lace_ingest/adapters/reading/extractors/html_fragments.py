"""Reads the HTML that stands inside Markdown: its paragraphs, lists and tables, its tags left out."""

from __future__ import annotations

from html.parser import HTMLParser

from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Piece, Program, Prose

_BLOCKS = """
p div section article header footer main aside ul ol dl dt dd table tr caption blockquote figure figcaption
details summary hr br h1 h2 h3 h4 h5 h6 li pre center
"""
_BREAKING = frozenset(_BLOCKS.split())
_NESTING = 100
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
        self._lists: list[int] = []
        self._is_item = self._is_new = False
        self._row_heads: list[list[int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skip = tag
        elif tag == "table":
            self.end_text()
            self.end_list()
            self._rows, self._has_head, self._caption, self._row_heads = [], False, "", []
        elif self._rows is not None:
            self._start_in_table(tag)
        elif tag in _BREAKING:
            # What stands in an item before an inner list, or before the item's end tag is left out, is the item.
            self.end_text("li" if self._is_item else tag)
            self._start_list(tag, attrs)

    def _start_list(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("ul", "ol") and len(self._lists) < _NESTING:
            start = dict(attrs).get("start") or ""
            self._lists.append((int(start) if start.isdecimal() else 1) if tag == "ol" else 0)
        self._is_new = self._is_new or tag == "li"
        self._is_item = tag == "li" or (self._is_item and tag not in ("ul", "ol"))

    def _start_in_table(self, tag: str) -> None:
        assert self._rows is not None
        if tag == "tr":
            self._rows.append([])
            self._row_heads.append([])
        if tag == "th" and self._rows:
            self._has_head = self._has_head or len(self._rows) == 1
            self._row_heads[-1].append(len(self._rows[-1]))
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
            self.end_text("li" if self._is_item else tag)
            self._is_item = self._is_item and tag != "li"
            if tag in ("ul", "ol"):
                self._end_level()

    def _end_level(self) -> None:
        if self._lists:
            self._lists.pop()
        if not self._lists:
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
            heads = self._row_heads[1:] if header else self._row_heads
            columns = tuple(sorted(set.intersection(*map(set, heads)))) if heads else ()
            self.pieces.append(Grid(header, tuple(rows), self._caption, line=self._line, head_columns=columns))
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
            self._end_item(text)
            return
        self.end_list()
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.pieces.append(Heading(int(tag[1]), text, line=self._line))
        elif tag == "pre":
            self.pieces.append(Program(text, line=self._line))
        else:
            self.pieces.append(Prose(text, line=self._line))

    def _end_item(self, text: str) -> None:
        """A new item, or a further paragraph of the one under way."""
        level = max(len(self._lists) - 1, 0)
        last = self._items[-1] if self._items else None
        if last is not None and last.level == level and not self._is_new:
            self._items[-1] = Item(f"{last.text} {text}", level, last.marker)
            return
        self._is_new = False
        number = self._lists[-1] if self._lists else 0
        if number:
            self._lists[-1] += 1
        self._items.append(Item(text, level, f"{number}." if number else "-"))

    def end_list(self) -> None:
        """Ends the list under way."""
        if self._items:
            self.pieces.append(Listing(tuple(self._items), line=self._line))
            self._items = []
