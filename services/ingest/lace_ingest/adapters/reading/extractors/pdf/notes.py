"""Joins footnotes to the places that refer to them: by their marks, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lace_ingest.adapters.reading.extractors.pdf.blocks import Block, BlockKind
from lace_ingest.adapters.reading.extractors.pdf.lines import Line

_SUPERSCRIPT = str.maketrans("0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
_SMALLER = 0.95  # than the text: what has a raised mark and is smaller is a note, even if nothing refers to it


class Notes:
    """The notes of a document by page and mark."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._pages: dict[str, list[int]] = {}
        for block in blocks:
            if block.kind is BlockKind.NOTE and block.page not in self._pages.setdefault(block.mark, []):
                self._pages[block.mark].append(block.page)

    def key(self, page: int, mark: str) -> str:
        """The key of the note that a mark on a page means: one on that page, else the next; empty for no note."""
        found = [other for other in self._pages.get(mark, ()) if other >= page]
        return _key(min(found), mark) if found else ""

    def own_key(self, block: Block) -> str:
        """The key of a note; a second one with its mark on its page shares it."""
        return _key(block.page, block.mark)


def _key(page: int, mark: str) -> str:
    return f"{page} {mark}"


def with_true_notes(blocks: Sequence[Block], body_size: float) -> list[Block]:
    """The blocks, those that only look like notes as the paragraphs that they are, their mark a part of them."""
    notes = Notes(blocks)
    wanted = {
        notes.key(block.page, mark) for block in blocks for line in lines_of(block) for _, mark in line.references
    }
    return [
        _as_text(block)
        if block.kind is BlockKind.NOTE
        and not block.is_named
        and notes.own_key(block) not in wanted
        and block.lines[0].size >= _SMALLER * body_size
        else block
        for block in blocks
    ]


def _as_text(block: Block) -> Block:
    first = block.lines[0]
    shown = replace(first, text=f"{block.mark.translate(_SUPERSCRIPT)}{first.text}", note_mark="")
    return replace(block, kind=BlockKind.TEXT, lines=(shown, *block.lines[1:]), mark="")


def lines_of(block: Block) -> list[Line]:
    """All lines of a block in reading order."""
    items = [line for entry in block.entries for line in entry.lines]
    cells = [line for row in block.rows for cell in row for line in cell]
    return [*block.lines, *items, *cells]
