"""Turns the blocks of all pages into pieces: what crosses a page is joined, what only its look tells is decided."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lace_ingest.adapters.reading.extractors.joining import Joiner
from lace_ingest.adapters.reading.extractors.pdf.blocks import Block, BlockKind, Entry
from lace_ingest.adapters.reading.extractors.pdf.code import lay_out
from lace_ingest.adapters.reading.extractors.pdf.lines import Line
from lace_ingest.adapters.reading.extractors.pdf.notes import Notes, lines_of, with_true_notes
from lace_ingest.adapters.reading.extractors.pdf.page import Frame
from lace_ingest.adapters.reading.extractors.pdf.tables import Cell, cell_text
from lace_ingest.domain.documents import Box, UnitKind
from lace_ingest.domain.reading.anchors import anchored, without_anchors
from lace_ingest.domain.reading.boxes import BOX_KEY
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Piece, Program, Prose

_END_OF_SENTENCE = re.compile(r"[.!?:;\u3002\uff01\uff1f][\"'\u2019\u201d)\]]*$")
_NUMBER_MARK = re.compile(r"^\(?(?:\d{1,3}|[a-zA-Z]|[ivxlcIVXLC]{1,6})[.)]?$")
_LOOK_BACK = 8
_PROSE_KINDS = {BlockKind.QUOTE: UnitKind.QUOTE, BlockKind.CAPTION: UnitKind.CAPTION}


class Assembler:
    """Makes pieces of blocks; `boxes` are those of all their lines, named by the anchors in the pieces."""

    def __init__(self, joiner: Joiner, frames: Mapping[int, Frame], body_size: float) -> None:
        self.boxes: list[Box] = []
        self._joiner = joiner
        self._frames = frames
        self._body_size = body_size
        self._notes = Notes(())

    def pieces(self, blocks: Sequence[Block]) -> list[Piece]:
        """The pieces of a document in reading order."""
        joined = with_true_notes(join_pages(blocks), self._body_size)
        self._notes = Notes(joined)
        return [self._piece(block) for block in joined]

    def _piece(self, block: Block) -> Piece:
        match block.kind:
            case BlockKind.HEADING:
                return Heading(max(block.level, 1), self._plain(block.lines), page=block.page)
            case BlockKind.LIST:
                return Listing(tuple(map(self._item, block.entries)), page=block.page)
            case BlockKind.TABLE:
                rows = tuple(tuple(map(self._text, row)) for row in block.rows[block.heads :])
                return Grid(self._header(block), rows, page=block.page, head_columns=block.head_columns)
            case BlockKind.CODE:
                places = tuple(map(self._box, block.lines))
                return Program(lay_out(block.lines), page=block.page, boxes=tuple(at for at in places if at >= 0))
            case BlockKind.NOTE:
                key = self._notes.own_key(block)
                return Note(key, block.mark, self._text(block.lines), page=block.page)
            case _:
                kind = _PROSE_KINDS.get(block.kind, UnitKind.PARAGRAPH)
                return Prose(self._text(block.lines), kind, page=block.page)

    def _plain(self, lines: Sequence[Line]) -> str:
        return self._joiner.join([line.text for line in lines])

    def _text(self, lines: Sequence[Line]) -> str:
        """The lines as one text, an anchor where each begins and where it refers to a note."""
        text, places = self._joiner.join_placed([line.text for line in lines])
        ends = [*places[1:], len(text)][: len(places)]
        marks: list[tuple[int, str]] = []
        for line, start, end in zip(lines, places, ends, strict=True):
            box = self._box(line)
            if box >= 0:
                marks.append((start, f"{BOX_KEY}{box}"))
            length = len(line.text.strip())
            for from_end, mark in line.references:
                key = self._notes.key(line.page, mark)
                if key:
                    marks.append((min(max(start + length - from_end, start), end), key))
        return anchored(text, marks)

    def _box(self, line: Line) -> int:
        """The place of a line's box among the boxes; -1 where it is not known where the line stands."""
        frame = self._frames.get(line.page)
        if frame is None or line.high <= line.low:
            return -1
        box = Box(line.page, *(round(edge, 2) for edge in frame.shown(line.x0, line.low, line.x1, line.high)))
        self.boxes.append(box)
        return len(self.boxes) - 1

    def _item(self, entry: Entry) -> Item:
        mark = entry.marker.strip()
        return Item(self._text(entry.lines), entry.level, mark if _NUMBER_MARK.match(mark) else "-")

    def _header(self, block: Block) -> tuple[str, ...]:
        """One head for each column out of stacked ones."""
        width = max((len(row) for row in block.rows[: block.heads]), default=0)
        heads: list[str] = []
        for at in range(width):
            parts: list[str] = []
            for row in block.rows[: block.heads]:
                text = self._text(row[at]) if at < len(row) else ""
                if text and without_anchors(text) not in map(without_anchors, parts):
                    parts.append(text)
            heads.append(" ".join(parts))
        return tuple(heads)


def join_pages(blocks: Sequence[Block]) -> list[Block]:
    """Blocks that go on after a page break as one, at the page where they begin."""
    joined: list[Block] = []
    for block in blocks:
        # Footnotes and captions may stand between the two halves of a paragraph.
        at = _half(joined, block)
        if at is None:
            joined.append(block)
        else:
            joined[at] = _merged(joined[at], block)
    return joined


def _half(joined: Sequence[Block], block: Block) -> int | None:
    """Where the first half of a block is; None where it begins by itself."""
    for at in range(len(joined) - 1, max(len(joined) - _LOOK_BACK, -1), -1):
        before = joined[at]
        if not _may_follow(before, block):
            return None
        if not _is_aside(before, block):
            return at if _may_go_on(before, block) and _crosses(before, block) else None
    return None


def _may_follow(before: Block, after: Block) -> bool:
    """Whether the second stands on the next page, or in a column behind the first's."""
    return before.page + 1 == after.page or (before.page == after.page and before.column < after.column)


def _may_go_on(before: Block, block: Block) -> bool:
    """Whether two blocks are of one kind, or the second may be the rest of an item."""
    return before.kind is block.kind or (before.kind is BlockKind.LIST and block.kind is BlockKind.TEXT)


def _is_aside(before: Block, block: Block) -> bool:
    """Whether the earlier block is a footnote: it has a mark, or is smaller than the text that may go on after it."""
    if before.kind is BlockKind.NOTE:
        return True
    if before.kind is not BlockKind.TEXT or not before.lines:
        return False
    lines = lines_of(block)
    return bool(lines) and before.lines[-1].size < 0.93 * lines[0].size


def _crosses(before: Block, after: Block) -> bool:
    if before.goes_on or after.begins_before:
        return before.goes_on and after.begins_before
    if before.kind is BlockKind.TABLE:
        return (
            len(before.rows[0]) == len(after.rows[0])
            and _told(before.rows[: before.heads]) == _told(after.rows[: before.heads]) != []
        )
    if before.kind is BlockKind.LIST:
        if after.kind is BlockKind.TEXT:
            return _is_rest_of(before.entries[-1].lines, after.lines)
        return _same_markers(before, after)
    if before.kind is BlockKind.CODE:
        return True
    return before.kind is BlockKind.TEXT and _is_rest_of(before.lines, after.lines)


def _told(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    return [[cell_text(cell) for cell in row] for row in rows]


def _is_rest_of(before: Sequence[Line], after: Sequence[Line]) -> bool:
    """Whether the second lines go on the sentence that the first leave open."""
    if not before or not after:
        return False
    last, first = before[-1], after[0]
    alike = abs(last.size - first.size) < 0.13 * first.size and last.bold == first.bold
    is_open = not _END_OF_SENTENCE.search(last.text)
    return alike and is_open and (first.text[:1].islower() or first.text[:1].isdigit() or last.text[-1:] in "-,\u00ad")


def _same_markers(before: Block, after: Block) -> bool:
    """Whether the second list counts on where the first ended, or has the same bullet."""
    a, b = before.entries[-1].marker, after.entries[0].marker
    numbers = [int(mark.strip("().")) if mark.strip("().").isdigit() else 0 for mark in (a, b)]
    return a == b if not all(numbers) else numbers[1] == numbers[0] + 1


def _merged(before: Block, after: Block) -> Block:
    rows = after.rows
    if before.heads and _told(rows[: before.heads]) == _told(before.rows[: before.heads]):
        rows = rows[before.heads :]
    return replace(
        before,
        lines=before.lines if before.entries else before.lines + after.lines,
        entries=_merged_entries(before.entries, after),
        rows=before.rows + rows,
        goes_on=after.goes_on,
        page=before.page,
    )


def _merged_entries(entries: tuple[Entry, ...], after: Block) -> tuple[Entry, ...]:
    """Items of both halves; one without a marker goes on with the last before it."""
    if entries and after.kind is BlockKind.TEXT:
        return (*entries[:-1], replace(entries[-1], lines=entries[-1].lines + after.lines))
    if entries and after.entries and not after.entries[0].marker and entries[-1].marker:
        last, first = entries[-1], after.entries[0]
        return (*entries[:-1], replace(last, lines=last.lines + first.lines), *after.entries[1:])
    return entries + after.entries
