"""How a table fits on paper, decided from the lengths of its texts, the same for docx and pdf."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isqrt

from lace_compiler.domain import wording
from lace_compiler.domain.document import TableView

# Letters in a full line of table text at the largest size.
_LINE = 104
_LARGEST = 9.2
_SHORT = 16
_WIDEST = 14
# Lines of a table that is kept on one page: some two fifths of it, so that no page is left half empty.
_WHOLE = 18
_BROAD = frozenset("mw@%&–—…")
_NUMBER = re.compile(r"[-+−±~≈<>≤≥]?\d[\d.,' \u00a0\u202f]*[%‰]?")


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Per column: its share of the width (0: as wide as its text), the letters that fit, whether it holds numbers.

    `size` is the type size in points; `whole` says that it is too short to be parted by the end of a page.
    """

    size: float
    weights: tuple[int, ...]
    room: tuple[int, ...]
    numeric: tuple[bool, ...]
    whole: bool


def narrow_parts(table: TableView) -> list[TableView]:
    """The table, or where it has more columns than a page can show several, each with the first column repeated."""
    if len(table.header) <= _WIDEST:
        return [table]
    return [_part(table, first) for first in range(1, len(table.header), _WIDEST - 1)]


def _part(table: TableView, first: int) -> TableView:
    last = min(first + _WIDEST - 1, len(table.header))
    name = f"({wording.COLUMNS} {first + 1}–{last})"
    rows = tuple(replace(row, cells=(row.cells[0], *row.cells[first:last])) for row in table.rows)
    header = (table.header[0], *table.header[first:last])
    return replace(table, caption=f"{table.caption} {name}".strip(), header=header, rows=rows)


def columns_of(table: TableView) -> list[list[str]]:
    """The texts of each column, its head first."""
    return [[head, *(row.cells[x] for row in table.rows)] for x, head in enumerate(table.header)]


def table_layout(columns: Sequence[Sequence[str]]) -> TableLayout:
    """The layout of columns given with their header as the first cell."""
    size = _LARGEST if len(columns) <= 6 else 8.2 if len(columns) <= 9 else 7.0
    line = int(_LINE * _LARGEST / size)
    longest = [max(map(len, column), default=0) for column in columns]
    short = [length <= _SHORT for length in longest]
    taken = sum(length + 3 for length, fits in zip(longest, short, strict=True) if fits)
    # Short columns take what they need where enough is left for the long ones.
    fitted = any(short) and not all(short) and taken <= line // 2
    weights = tuple(0 if fitted and s else _weight(column) for s, column in zip(short, columns, strict=True))
    left, total = line - (taken if fitted else 0), sum(weights) or 1
    room = tuple(2 * _SHORT if w == 0 else max(3, left * w // total - 3) for w in weights)
    numeric = (False, *(_is_numeric(column[1:]) for column in columns[1:]))
    return TableLayout(size, weights, room, numeric, _lines(columns, room) <= _WHOLE)


def breadth(word: str) -> int:
    """How many letters of a text the word is as wide as, at the most: bold, and capitals wider than the others."""
    return -(-sum(17 if letter.isupper() or letter in _BROAD else 12 for letter in word) // 10)


def _lines(columns: Sequence[Sequence[str]], room: Sequence[int]) -> int:
    """Lines of all rows, each as high as its fullest cell."""
    rows = zip(*columns, strict=True)
    return sum(max(-(-breadth(cell) // fits) for cell, fits in zip(row, room, strict=True)) or 1 for row in rows)


def _weight(column: Sequence[str]) -> int:
    """Grows with the square root of the text, so that short columns keep room for their words."""
    longest_word = max((len(word) for text in column for word in text.split(" ")), default=0)
    average = sum(map(len, column)) // max(1, len(column))
    return max(4, min(longest_word, 18), min(isqrt(average * 12), 60))


def _is_numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)
