"""Finds tables on pages without tags: lines beside each other that keep to the same columns, row after row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lace_ingest.adapters.reading.extractors.pdf.lines import Line
from lace_ingest.adapters.reading.extractors.pdf.page import Stroke
from lace_ingest.domain.reading.captions import is_caption

_SAME_ROW = 0.35  # of the font size
_ROW_REACH = 2.8  # of the font size: rows farther apart belong to two tables, unless a stroke joins them
_ROW_REACH_RULED = 5.0
_WIDE = 0.28  # of the page's width: two columns as wide as this look like columns of prose
_MIN_FILLED = 0.5

Interval = tuple[float, float]
Cell = tuple[Line, ...]
"""The lines of a cell from the top down."""


def cell_text(cell: Cell) -> str:
    """What a cell says, its lines parted by spaces."""
    return " ".join(line.text for line in cell)


@dataclass(frozen=True)
class FoundTable:
    """A table: the places of its lines in the page's lines, its rows, and how many of them are heads."""

    lines: frozenset[int]
    rows: tuple[tuple[Cell, ...], ...]
    heads: int


@dataclass
class _Row:
    """Lines on one baseline, from left to right, with their places."""

    y: float
    cells: list[tuple[int, Line]]

    @property
    def size(self) -> float:
        return max(line.size for _, line in self.cells)


def find_tables(lines: Sequence[Line], strokes: Sequence[Stroke], width: float) -> list[FoundTable]:
    """The tables of a page in order of their first line; `width` is the page's, in points."""
    rows = _rows(lines)
    found: list[FoundTable] = []
    start = 0
    while start < len(rows):
        end = _region_end(rows, start, strokes)
        table = _read(rows[start:end], strokes, width) if end - start >= 2 else None
        if table is not None:
            found.append(table)
            start = end
        else:
            start += 1
    return found


def _rows(lines: Sequence[Line]) -> list[_Row]:
    """Lines by baseline, from the top of the page down."""
    rows: list[_Row] = []
    for at, line in sorted(enumerate(lines), key=lambda entry: (-entry[1].y, entry[1].x0)):
        if rows and abs(rows[-1].y - line.y) <= _SAME_ROW * line.size:
            rows[-1].cells.append((at, line))
        else:
            rows.append(_Row(line.y, [(at, line)]))
    for row in rows:
        row.cells.sort(key=lambda cell: cell[1].x0)
    return rows


def _region_end(rows: Sequence[_Row], start: int, strokes: Sequence[Stroke]) -> int:
    """Where the table that begins at a row may end: as long as rows keep to the columns and close together."""
    if len(rows[start].cells) < 2 or _is_code(rows[start]):
        return start
    columns = _merge([(line.x0, line.x1) for _, line in rows[start].cells])
    end = last_full = start + 1
    while end < len(rows):
        above, row = rows[end - 1], rows[end]
        ruled = _ruled_between(strokes, above.y, row.y, columns)
        reach = (_ROW_REACH_RULED if ruled else _ROW_REACH) * row.size
        if above.y - row.y > reach or _is_code(row):
            break
        if not _fits(row, columns):
            break
        joined = _merge([*columns, *((line.x0, line.x1) for _, line in row.cells)])
        if len(joined) < 2:
            break
        columns = joined
        end += 1
        if len(row.cells) > 1:
            last_full = end
    return _with_wrapped_tail(rows, last_full, end)


def _with_wrapped_tail(rows: Sequence[_Row], last_full: int, end: int) -> int:
    """Rows of one cell after the last full row belong to it only where they follow as closely as wrapped text."""
    at = last_full
    while at < end and rows[at - 1].y - rows[at].y <= 1.35 * rows[at].size and rows[at].cells[0][1].x0 > 0:
        at += 1
    return at


def _is_code(row: _Row) -> bool:
    return all(line.mono for _, line in row.cells)


def _fits(row: _Row, columns: Sequence[Interval]) -> bool:
    """Whether a row stands below these columns: most of its cells under one each, none of them a caption."""
    if is_caption(row.cells[0][1].text):
        return False
    if len(row.cells) == 1:
        return _keeps_to_one(row.cells[0][1], columns)
    under = sum(1 for _, line in row.cells if any(line.x0 < right and line.x1 > left for left, right in columns))
    return 2 * under >= len(row.cells)


def _keeps_to_one(line: Line, columns: Sequence[Interval]) -> bool:
    return sum(1 for left, right in columns if line.x0 < right and line.x1 > left) <= 1


def _ruled_between(strokes: Sequence[Stroke], above: float, below: float, columns: Sequence[Interval]) -> bool:
    left, right = columns[0][0], columns[-1][1]
    return any(
        stroke.is_horizontal and below < stroke.y0 < above + 2 and stroke.x0 < right and stroke.x1 > left
        for stroke in strokes
    )


def _merge(intervals: Sequence[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for left, right in sorted(intervals):
        if merged and left < merged[-1][1] + 1.0:
            merged[-1] = (merged[-1][0], max(right, merged[-1][1]))
        else:
            merged.append((left, right))
    return merged


def _read(rows: Sequence[_Row], strokes: Sequence[Stroke], width: float) -> FoundTable | None:
    columns = _columns(rows, strokes)
    full = [row for row in rows if len(row.cells) > 1]
    if len(columns) < 2 or len(full) < 2 or not _is_row_major(rows, columns):
        return None
    if len(columns) == 2 and _looks_like_prose(rows, columns, width):
        return None
    grouped = _logical_rows(rows, columns, strokes)
    cells = [_cells(group, columns) for group in grouped]
    filled = sum(1 for row in cells for cell in row if cell)
    ruled = any(stroke.is_horizontal and rows[-1].y - 12 < stroke.y0 < rows[0].y + 18 for stroke in strokes)
    if len(cells) < (2 if ruled else 3) or filled < _MIN_FILLED * len(cells) * len(columns):
        return None
    places = frozenset(at for row in rows for at, _ in row.cells)
    return FoundTable(places, tuple(cells), _heads(grouped, cells, strokes))


def _columns(rows: Sequence[_Row], strokes: Sequence[Stroke]) -> list[Interval]:
    """Columns between vertical strokes where there are such, else by the rows with the usual number of cells."""
    ruled = _between_strokes(rows, strokes)
    if ruled:
        return ruled
    counts = Counter(len(row.cells) for row in rows if len(row.cells) > 1)
    if not counts:
        return []
    usual = max(counts, key=lambda count: (counts[count], count))
    intervals = [(line.x0, line.x1) for row in rows if len(row.cells) >= usual for _, line in row.cells]
    columns = _merge(intervals)
    if len(columns) < usual:
        return []
    rest = [(line.x0, line.x1) for row in rows if len(row.cells) < usual for _, line in row.cells]
    return _merge([*columns, *(one for one in rest if sum(1 for c in columns if one[0] < c[1] and one[1] > c[0]) == 1)])


def _between_strokes(rows: Sequence[_Row], strokes: Sequence[Stroke]) -> list[Interval]:
    top, bottom = rows[0].y, rows[-1].y
    places = sorted(
        stroke.x0 for stroke in strokes if not stroke.is_horizontal and stroke.y0 < top and stroke.y1 > bottom
    )
    edges: list[float] = []
    for place in places:
        if not edges or place - edges[-1] > 6:
            edges.append(place)
    if len(edges) < 3:
        return []
    lines = [line for row in rows for _, line in row.cells]
    inside = sum(1 for line in lines if edges[0] - 2 <= (line.x0 + line.x1) / 2 <= edges[-1] + 2)
    return list(pairwise(edges)) if inside == len(lines) else []


def _column_of(line: Line, columns: Sequence[Interval]) -> int:
    def overlap(at: int) -> tuple[float, float]:
        left, right = columns[at]
        shared = min(line.x1, right) - max(line.x0, left)
        return shared, -abs((line.x0 + line.x1) / 2 - (left + right) / 2)

    return max(range(len(columns)), key=overlap)


def _is_row_major(rows: Sequence[_Row], columns: Sequence[Interval]) -> bool:
    """Whether the content runs through the cells of each row: columns of prose are written one after the other."""
    order = sorted((at, number, _column_of(line, columns)) for number, row in enumerate(rows) for at, line in row.cells)
    steps = sum(1 for a, b in pairwise(order) if b[2] > a[2] and abs(b[1] - a[1]) <= 3)
    return steps >= 0.6 * sum(1 for row in rows if len(row.cells) > 1) / 1.5


def _looks_like_prose(rows: Sequence[_Row], columns: Sequence[Interval], width: float) -> bool:
    wide = all(right - left > _WIDE * width for left, right in columns)
    lines = [line for row in rows for _, line in row.cells]
    return wide and sum(len(line.text) for line in lines) / len(lines) > 35


def _logical_rows(rows: Sequence[_Row], columns: Sequence[Interval], strokes: Sequence[Stroke]) -> list[list[_Row]]:
    """Baselines that make one row of the table: parted by strokes, else by larger gaps, else by the first column."""
    gaps = [above.y - below.y for above, below in pairwise(rows)]
    span = (columns[0][0], columns[-1][1])
    ruled = [_ruled_between(strokes, above.y, below.y, [span]) for above, below in pairwise(rows)]
    if sum(ruled) >= max(3, 0.5 * len(rows) / 3):
        breaks = ruled
    else:
        breaks = [ruled[at] or _breaks(gap, gaps, rows[at + 1], columns) for at, gap in enumerate(gaps)]
    grouped: list[list[_Row]] = [[rows[0]]]
    for row, is_break in zip(rows[1:], breaks, strict=True):
        if is_break:
            grouped.append([row])
        else:
            grouped[-1].append(row)
    return grouped


def _breaks(gap: float, gaps: Sequence[float], row: _Row, columns: Sequence[Interval]) -> bool:
    size = row.size
    leading = max(min(gaps), 0.9 * size)
    if max(gaps) > 1.25 * leading and leading <= 1.5 * size:
        return gap > 1.2 * leading
    if leading > 1.5 * size:
        return True  # every row is one line, with space around it
    return _column_of(row.cells[0][1], columns) == 0


def _cells(group: Sequence[_Row], columns: Sequence[Interval]) -> tuple[Cell, ...]:
    cells: list[list[Line]] = [[] for _ in columns]
    for row in group:
        for _, line in row.cells:
            cells[_column_of(line, columns)].append(line)
    return tuple(map(tuple, cells))


def _heads(grouped: Sequence[Sequence[_Row]], cells: Sequence[tuple[Cell, ...]], strokes: Sequence[Stroke]) -> int:
    """1 where the first row is set apart by its look, by a stroke, or by words above numbers; else 0."""
    if len(grouped) < 2:
        return 0
    first, second = (
        [line for row in grouped[0] for _, line in row.cells],
        [line for row in grouped[1] for _, line in row.cells],
    )
    bold = all(line.bold for line in first) and not all(line.bold for line in second)
    ruled = _ruled_between(strokes, grouped[0][-1].y, grouped[1][0].y, [(first[0].x0, first[-1].x1)])
    numeric = [sum(1 for cell in row if any(map(str.isdigit, cell_text(cell)))) for row in cells]
    words_above = numeric[0] == 0 and sum(numeric[1:]) > 0
    return int(bold or ruled or words_above or all(cell for cell in cells[0]))
