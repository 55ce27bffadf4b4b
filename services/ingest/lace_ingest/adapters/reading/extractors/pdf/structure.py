"""Reads a tagged page by its structure tree, which says what is a heading, a list, a table and its cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lace_ingest.adapters.reading.extractors.pdf.blocks import Block, BlockKind, Entry
from lace_ingest.adapters.reading.extractors.pdf.lines import Line, read_lines
from lace_ingest.adapters.reading.extractors.pdf.page import UNTAGGED, Element, Glyph, Page
from lace_ingest.adapters.reading.extractors.pdf.tables import Cell

_SKIPPED = frozenset(("TOC", "TOCI", "Artifact", "Index"))
_TEXT = frozenset(("P", "BibEntry", "Lbl", "Aside", "Formula"))
_NOTES = frozenset(("Note", "FENote"))
_BLOCK_LEVEL = frozenset(
    (
        "L",
        "Table",
        "TOC",
        "BlockQuote",
        "Note",
        "FENote",
        "Figure",
        "Caption",
        "P",
        "H",
        "H1",
        "H2",
        "H3",
        "H4",
        "H5",
        "H6",
    )
)
_ENOUGH = 0.6


def covers(page: Page) -> bool:
    """Whether the tags of a page hold most of its text, so that they can be trusted for it."""
    marked = _marks_of_all(page.tree)
    inked = [glyph for glyph in page.glyphs if not glyph.char.isspace()]
    held = sum(1 for glyph in inked if glyph.mark in marked)
    return held > 0 and held >= _ENOUGH * len(inked)


def read_structure(page: Page) -> list[Block]:
    """The blocks of a tagged page in the order of its tree; what is not tagged (running heads, numbers) is left out."""
    return list(_Reader(page).read(page.tree))


def artifacts(page: Page) -> list[Line]:
    """The lines of a tagged page that its tags leave out: running heads, page numbers."""
    marked = _marks_of_all(page.tree)
    return read_lines((glyph for glyph in page.glyphs if glyph.mark not in marked), page.number)


def _marks_of_all(elements: Sequence[Element]) -> set[int]:
    marks: set[int] = set()
    stack: list[Element | int] = list(elements)
    while stack:
        item = stack.pop()
        if isinstance(item, int):
            marks.add(item)
        elif item.role != "Artifact":
            stack.extend(item.children)
    return marks


@dataclass(frozen=True)
class _Row:
    """The cells of a row, the places of those that are heads, and whether all of it is a head."""

    cells: tuple[Cell, ...]
    heads: tuple[int, ...]
    is_head: bool


class _Reader:
    def __init__(self, page: Page) -> None:
        self._page = page.number
        self._right = max([glyph.x1 for glyph in page.glyphs if not glyph.char.isspace()], default=0.0)
        self._glyphs: dict[int, list[Glyph]] = {}
        for glyph in page.glyphs:
            if glyph.mark != UNTAGGED:
                self._glyphs.setdefault(glyph.mark, []).append(glyph)

    def read(self, elements: Sequence[Element | int], depth: int = 0) -> Iterator[Block]:
        """Blocks of elements and of loose marks between them; `depth` counts sections, for headings without level."""
        loose: list[Element | int] = []
        for item in elements:
            if isinstance(item, int) or (
                item.role in ("Span", "Link", "Reference", "Em", "Strong") and _is_inline(item)
            ):
                loose.append(item)
                continue
            yield from self._runs(loose)
            loose = []
            yield from self._element(item, depth)
        yield from self._runs(loose)

    def _element(self, element: Element, depth: int) -> Iterator[Block]:
        role = element.role
        if role in _SKIPPED:
            return
        if role in ("H", "Title") or (len(role) == 2 and role[0] == "H" and role[1].isdigit()):
            yield from self._text(
                element, BlockKind.HEADING, level=int(role[1:]) if role[1:].isdigit() else max(depth, 1)
            )
        elif role == "Caption":
            yield from self._text(element, BlockKind.CAPTION)
        elif role == "L":
            yield from self._list(element)
        elif role == "Table":
            yield from self._table(element)
        elif role == "BlockQuote":
            for block in self.read(element.children, depth):
                yield replace(block, kind=BlockKind.QUOTE) if block.kind in (BlockKind.TEXT, BlockKind.RUN) else block
        elif role in _NOTES:
            yield from self._note(element)
        elif role in _TEXT or role == "Code":
            yield from self._text(element, BlockKind.TEXT)
        else:
            yield from self.read(element.children, depth + (role == "Sect"))

    def _text(self, element: Element, kind: BlockKind, level: int = 0) -> Iterator[Block]:
        """One element as one block; notes, lists and tables inside it follow it."""
        inline, inner = _parted(element)
        lines = self._lines(inline)
        if lines:
            is_code = (
                kind is BlockKind.TEXT
                and all(line.mono for line in lines)
                and (len(lines) > 1 or element.role == "Code")
            )
            yield Block(
                BlockKind.CODE if is_code else kind,
                self._page,
                lines,
                level,
                begins_before=element.begins_before,
                goes_on=element.goes_on,
            )
        for other in inner:
            yield from self._element(other, 0)

    def _note(self, element: Element) -> Iterator[Block]:
        """A note with its mark: that of its label, else the raised one with which it begins."""
        labels = [part for part in _flat(element) if part.role == "Lbl"]
        mark = "".join(line.text or line.note_mark for line in self._lines(labels[:1])).strip("[](). ")
        rest = replace(element, children=_without(element.children, labels[:1]))
        for block in self._text(rest, BlockKind.TEXT):
            is_note = block.kind is BlockKind.TEXT
            own = mark or (block.lines[0].note_mark if block.lines else "")
            yield replace(block, kind=BlockKind.NOTE, mark=own, is_named=True) if is_note else block

    def _runs(self, loose: Sequence[Element | int]) -> Iterator[Block]:
        """Text without a block of its own, one block for each change of its look, wide gap or early end of a line."""
        group: list[Line] = []
        for line in self._lines(loose):
            if group and (_differs(group[-1], line) or self._ends_early(group[-1], line)):
                yield Block(BlockKind.RUN, self._page, tuple(group))
                group = []
            group.append(line)
        if group:
            yield Block(BlockKind.RUN, self._page, tuple(group))

    def _ends_early(self, last: Line, line: Line) -> bool:
        """Whether there was room for the next line's first word, so that the line end was meant."""
        word = line.text.split(" ", 1)[0]
        return line.text[:1].isupper() and last.x1 + (len(word) + 1) * line.character_width < 0.95 * self._right

    def _list(self, element: Element) -> Iterator[Block]:
        entries: list[Entry] = []
        after: list[Block] = []
        self._entries(element, 0, entries, after)
        if entries:
            yield Block(
                BlockKind.LIST,
                self._page,
                entries=tuple(entries),
                begins_before=element.begins_before,
                goes_on=element.goes_on,
            )
        yield from after

    def _entries(self, element: Element, level: int, entries: list[Entry], after: list[Block]) -> None:
        for item in element.children:
            if isinstance(item, int) or item.role == "Caption":
                continue
            if item.role == "L":
                self._entries(item, level + 1, entries, after)
                continue
            marker = ""
            inline: list[Element | int] = []
            nested: list[Element] = []
            for part in _parts_of_item(item):
                if isinstance(part, Element) and part.role == "Lbl":
                    marker = "".join(line.text for line in self._lines([part]))
                elif isinstance(part, Element) and part.role in ("L", "Table", "Figure"):
                    nested.append(part)
                else:
                    inline.append(part)
            lines = self._lines(inline)
            if lines:
                entries.append(Entry(lines, level, marker))
            for part in nested:
                if part.role == "L":
                    self._entries(part, level + 1, entries, after)
                else:
                    after.extend(self._element(part, 0))

    def _table(self, element: Element) -> Iterator[Block]:
        rows: list[_Row] = []
        captions: list[Element] = []
        pending: dict[int, tuple[int, Cell]] = {}
        self._rows(element, rows, captions, pending, in_head=False)
        for caption in captions:
            yield from self._element(caption, 0)
        if not rows:
            return
        heads = 0
        while heads < len(rows) and rows[heads].is_head:
            heads += 1
        yield Block(
            BlockKind.TABLE,
            self._page,
            rows=tuple(row.cells for row in rows),
            heads=heads,
            head_columns=_head_columns(rows[heads:]),
            begins_before=element.begins_before,
            goes_on=element.goes_on,
        )

    def _rows(
        self,
        element: Element,
        rows: list[_Row],
        captions: list[Element],
        pending: dict[int, tuple[int, Cell]],
        *,
        in_head: bool,
    ) -> None:
        """Rows with whether each is a head; `pending` holds cells that reach down from rows above."""
        for item in element.children:
            if isinstance(item, int):
                continue
            if item.role == "TR":
                rows.append(self._row(item, pending, in_head=in_head))
            elif item.role == "Caption":
                captions.append(item)
            else:
                self._rows(item, rows, captions, pending, in_head=item.role == "THead")

    def _row(self, element: Element, pending: dict[int, tuple[int, Cell]], *, in_head: bool) -> _Row:
        cells: list[Cell] = []
        heads: list[int] = []
        roles: list[str] = []
        for cell in element.children:
            if isinstance(cell, int):
                continue
            _fill_from_above(cells, pending)
            lines = self._lines([cell])
            roles.append(cell.role)
            for at in range(cell.column_span):
                if cell.row_span > 1:
                    pending[len(cells)] = (cell.row_span - 1, lines)
                if cell.role == "TH":
                    heads.append(len(cells))
                cells.append(lines if at == 0 or cell.role == "TH" else ())
        _fill_from_above(cells, pending)
        is_head = in_head or (bool(roles) and all(role == "TH" for role in roles))
        return _Row(tuple(cells), tuple(heads), is_head)

    def _lines(self, items: Sequence[Element | int]) -> tuple[Line, ...]:
        glyphs: list[Glyph] = []
        stack: list[Element | int] = list(reversed(items))
        while stack:
            item = stack.pop()
            if isinstance(item, int):
                glyphs.extend(self._glyphs.get(item, ()))
            elif item.role not in _SKIPPED:
                stack.extend(reversed(item.children))
        return tuple(read_lines(glyphs, self._page))


def _head_columns(rows: Sequence[_Row]) -> tuple[int, ...]:
    """The columns that are tagged as heads in most rows of the body."""
    counts = Counter(at for row in rows for at in row.heads)
    return tuple(sorted(at for at, count in counts.items() if 2 * count > len(rows)))


def _fill_from_above(cells: list[Cell], pending: dict[int, tuple[int, Cell]]) -> None:
    while len(cells) in pending:
        left, cell = pending.pop(len(cells))
        if left > 1:
            pending[len(cells)] = (left - 1, cell)
        cells.append(cell)


def _flat(element: Element) -> Iterator[Element]:
    for child in element.children:
        if isinstance(child, Element):
            yield child
            yield from _flat(child)


def _without(children: Sequence[Element | int], dropped: Sequence[Element]) -> list[Element | int]:
    kept: list[Element | int] = []
    for child in children:
        if isinstance(child, int):
            kept.append(child)
        elif not any(child is other for other in dropped):
            kept.append(replace(child, children=_without(child.children, dropped)))
    return kept


def _is_inline(element: Element) -> bool:
    return all(
        isinstance(child, int) or (child.role not in _BLOCK_LEVEL and _is_inline(child)) for child in element.children
    )


def _parted(element: Element) -> tuple[list[Element | int], list[Element]]:
    """Inline content, and the blocks that stand inside it (a note, a list in a paragraph)."""
    inline: list[Element | int] = []
    inner: list[Element] = []
    for child in element.children:
        if isinstance(child, int) or (child.role not in _BLOCK_LEVEL and _is_inline(child)):
            inline.append(child)
        elif child.role in _BLOCK_LEVEL and child.role != "P":
            inner.append(child)
        else:
            deeper, further = _parted(child)
            inline.extend(deeper)
            inner.extend(further)
    return inline, inner


def _parts_of_item(item: Element) -> Iterator[Element | int]:
    """The parts of a list item, those of its bodies and paragraphs laid open."""
    for child in item.children:
        if isinstance(child, Element) and child.role in ("LBody", "P", "Div", "NonStruct"):
            yield from _parts_of_item(child)
        else:
            yield child


def _differs(a: Line, b: Line) -> bool:
    return (
        abs(a.size - b.size) > 0.4 or a.bold != b.bold or a.italic != b.italic or a.y - b.y > 2.0 * max(a.size, b.size)
    )
