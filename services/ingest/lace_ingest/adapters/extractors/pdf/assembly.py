"""Turns the blocks of all pages into pieces: what crosses a page is joined, what only its look tells is decided."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lace_ingest.adapters.extractors.pdf.blocks import Block, BlockKind, Entry
from lace_ingest.adapters.extractors.pdf.code import lay_out
from lace_ingest.adapters.extractors.pdf.joining import Joiner
from lace_ingest.adapters.extractors.pdf.lines import Line
from lace_ingest.domain.documents import UnitKind
from lace_ingest.domain.pieces import Grid, Heading, Item, Listing, Piece, Program, Prose

_END_OF_SENTENCE = re.compile(r"[.!?:;\u3002\uff01\uff1f][\"'\u2019\u201d)\]]*$")
_NUMBER_MARK = re.compile(r"^\(?(?:\d{1,3}|[a-zA-Z]|[ivxlcIVXLC]{1,6})[.)]?$")
_LOOK_BACK = 8
_PROSE_KINDS = {BlockKind.QUOTE: UnitKind.QUOTE, BlockKind.CAPTION: UnitKind.CAPTION}


def assemble_pieces(blocks: Sequence[Block], joiner: Joiner) -> list[Piece]:
    """The pieces of a document in reading order."""
    return [piece for block in join_pages(blocks) if (piece := _piece(block, joiner)) is not None]


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
        if before.page == block.page or before.page + 1 < block.page:
            return None
        if not _is_aside(before, block):
            return at if _may_go_on(before, block) and _crosses(before, block) else None
    return None


def _may_go_on(before: Block, block: Block) -> bool:
    """Whether two blocks are of one kind, or the second may be the rest of an item."""
    return before.kind is block.kind or (before.kind is BlockKind.LIST and block.kind is BlockKind.TEXT)


def _is_aside(before: Block, block: Block) -> bool:
    """Whether the earlier block is a footnote: it has a mark, or is smaller than the text that may go on after it."""
    if before.kind is not BlockKind.TEXT or not before.lines:
        return False
    lines = [*block.lines, *(line for entry in block.entries for line in entry.lines)]
    return before.lines[0].is_note or (bool(lines) and before.lines[-1].size < 0.93 * lines[0].size)


def _crosses(before: Block, after: Block) -> bool:
    if before.goes_on or after.begins_before:
        return before.goes_on and after.begins_before
    if before.kind is BlockKind.TABLE:
        return (
            len(before.rows[0]) == len(after.rows[0])
            and before.rows[: before.heads] == after.rows[: before.heads] != ()
        )
    if before.kind is BlockKind.LIST:
        if after.kind is BlockKind.TEXT:
            return before.page + 1 == after.page and _is_rest_of(before.entries[-1].lines, after.lines)
        return before.page + 1 == after.page and _same_markers(before, after)
    if before.kind is BlockKind.CODE:
        return before.page + 1 == after.page
    return before.kind is BlockKind.TEXT and _is_rest_of(before.lines, after.lines)


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
    if before.heads and rows[: before.heads] == before.rows[: before.heads]:
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


def _piece(block: Block, joiner: Joiner) -> Piece | None:
    match block.kind:
        case BlockKind.HEADING:
            return Heading(max(block.level, 1), _text(block, joiner), page=block.page)
        case BlockKind.LIST:
            items = tuple(_item(entry, joiner) for entry in block.entries)
            return Listing(items, page=block.page)
        case BlockKind.TABLE:
            return Grid(_header(block), block.rows[block.heads :], page=block.page)
        case BlockKind.CODE:
            return Program(lay_out(block.lines), page=block.page)
        case _:
            return Prose(_text(block, joiner), _PROSE_KINDS.get(block.kind, UnitKind.PARAGRAPH), page=block.page)


def _text(block: Block, joiner: Joiner) -> str:
    return joiner.join([line.text for line in block.lines])


def _item(entry: Entry, joiner: Joiner) -> Item:
    mark = entry.marker.strip()
    return Item(
        joiner.join([line.text for line in entry.lines]), entry.level, mark if _NUMBER_MARK.match(mark) else "-"
    )


def _header(block: Block) -> tuple[str, ...]:
    """One head for each column out of stacked ones."""
    if not block.heads:
        return ()
    width = max(len(row) for row in block.rows[: block.heads])
    heads: list[str] = []
    for at in range(width):
        parts: list[str] = []
        for row in block.rows[: block.heads]:
            text = row[at] if at < len(row) else ""
            if text and text not in parts:
                parts.append(text)
        heads.append(" ".join(parts))
    return tuple(heads)
