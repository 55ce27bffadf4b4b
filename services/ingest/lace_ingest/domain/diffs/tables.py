"""Which cells of a table are different: columns by their heads, rows by what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lace_ingest.domain.diffs.changes import MIRRORED, Change
from lace_ingest.domain.diffs.pairing import paired
from lace_ingest.domain.diffs.sequences import align
from lace_ingest.domain.diffs.tokens import Vocabulary
from lace_ingest.domain.documents import UnitTable

LEAST_ALIKE_ROWS = 300
_SEPARATOR = "\x1f"
_Places = list[tuple[int, int]]


@dataclass(frozen=True)
class CellChange:
    """A cell that was added, removed or changed; rows count from 0 and are -1 where there is none."""

    change: Change
    before_row: int
    after_row: int
    column: str
    before: str
    after: str


def diff_tables(before: UnitTable, after: UnitTable) -> tuple[CellChange, ...]:
    """The cells that are different, row by row; the way back is the same with the names exchanged."""
    if (before.header, before.rows) > (after.header, after.rows):
        return way_back(diff_tables(after, before))
    columns = _columns(before, after)
    return _in_order(_cells(before, after, columns, _rows(before, after, columns)))


def way_back(cells: Iterable[CellChange]) -> tuple[CellChange, ...]:
    """The same cells, seen from the other table."""
    return _in_order(_back(cell) for cell in cells)


def _columns(before: UnitTable, after: UnitTable) -> _Places:
    """Columns of the same head in the same order, and between them renamed ones, where there are as many."""
    found: _Places = []
    for stretch in align(before.header, after.header):
        old, new = range(*stretch.before), range(*stretch.after)
        if stretch.equal or len(old) == len(new):
            found.extend(zip(old, new, strict=True))
    return found


def _rows(before: UnitTable, after: UnitTable, columns: _Places) -> _Places:
    """Equal rows, then between them those that are alike, judged by the columns that are in both tables."""
    old = [_SEPARATOR.join(row[left] for left, _ in columns) for row in before.rows]
    new = [_SEPARATOR.join(row[right] for _, right in columns) for row in after.rows]
    vocabulary = Vocabulary()
    found: _Places = []
    for stretch in align(old, new):
        if stretch.equal:
            found.extend(zip(range(*stretch.before), range(*stretch.after), strict=True))
            continue
        left = [vocabulary.encode(row) for row in old[slice(*stretch.before)]]
        right = [vocabulary.encode(row) for row in new[slice(*stretch.after)]]
        pairs = paired(left, right, LEAST_ALIKE_ROWS)
        found.extend((stretch.before[0] + one, stretch.after[0] + other) for one, other in pairs)
    return found


def _cells(before: UnitTable, after: UnitTable, columns: _Places, rows: _Places) -> Iterator[CellChange]:
    for old, new in rows:
        for left, right in columns:
            was, now = before.rows[old][left], after.rows[new][right]
            if was != now:
                yield CellChange(Change.CHANGED, old, new, after.header[right] or before.header[left], was, now)
        yield from _of_row(Change.REMOVED, before, old, {left for left, _ in columns}, new)
        yield from _of_row(Change.ADDED, after, new, {right for _, right in columns}, old)
    for old in sorted(set(range(len(before.rows))) - {old for old, _ in rows}):
        yield from _of_row(Change.REMOVED, before, old, set(), -1)
    for new in sorted(set(range(len(after.rows))) - {new for _, new in rows}):
        yield from _of_row(Change.ADDED, after, new, set(), -1)


def _of_row(change: Change, table: UnitTable, row: int, known: set[int], other: int) -> Iterator[CellChange]:
    """The cells of a row in columns that the other table has not."""
    for place, (column, text) in enumerate(zip(table.header, table.rows[row], strict=True)):
        if place in known or not text:
            continue
        if change is Change.REMOVED:
            yield CellChange(change, row, other, column, text, "")
        else:
            yield CellChange(change, other, row, column, "", text)


def _back(cell: CellChange) -> CellChange:
    turned = replace(cell, change=MIRRORED.get(cell.change, cell.change), before=cell.after, after=cell.before)
    return replace(turned, before_row=cell.after_row, after_row=cell.before_row)


def _in_order(cells: Iterable[CellChange]) -> tuple[CellChange, ...]:
    """By row, what is gone before what came."""

    def place(cell: CellChange) -> tuple[int, int, bool]:
        return max(cell.after_row, cell.before_row), cell.before_row, cell.change is Change.ADDED

    return tuple(sorted(cells, key=place))
