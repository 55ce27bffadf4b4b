"""Makes a table regular, tells which of its columns name the rows, and cuts it into parts that keep their heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lace_ingest.domain.documents import Span, UnitTable
from lace_ingest.domain.reading.anchors import take_anchors
from lace_ingest.domain.reading.pieces import Grid
from lace_ingest.domain.reading.text import normalise

TABLE_CHARS = 6000
ROW_CHARS = 20_000
CELL_SEPARATOR = " | "
_NAME_CHARS = 80

Row = tuple[str, ...]


@dataclass(frozen=True)
class TablePart:
    """Rows of a table with its heads and caption, and the keys of the anchors that stood in them."""

    table: UnitTable
    keys: tuple[str, ...] = ()


def table_parts(piece: Grid) -> Iterator[TablePart | str]:
    """The table in parts of bounded length; a row whose cells hold whole texts comes as those texts."""
    table = regular_table(piece)
    if table is None:
        return
    keys = _keys_by_row(piece)
    size = start = len(CELL_SEPARATOR.join(table.header))
    rows: list[Row] = []
    held = list(keys[0])
    for row, own, raw in zip(table.rows, keys[1:], _body(piece), strict=True):
        cost = sum(map(len, row)) + len(CELL_SEPARATOR) * len(row)
        if cost > ROW_CHARS:
            yield from raw
            continue
        if rows and size + cost > TABLE_CHARS:
            yield TablePart(replace(table, rows=tuple(rows)), tuple(held))
            rows, held, size = [], [], start
        rows.append(row)
        held.extend(own)
        size += cost
    if rows:
        yield TablePart(replace(table, rows=tuple(rows)), tuple(held))


def told_table(table: UnitTable) -> tuple[str, tuple[Span, ...]]:
    """The text of a table, its heads on the first line, and the span of each row."""
    head = CELL_SEPARATOR.join(table.header) if any(table.header) else ""
    lines = [head] if head else []
    length = len(head) + 1 if head else 0
    spans: list[Span] = []
    for row in table.rows:
        line = CELL_SEPARATOR.join(row)
        spans.append(Span(length, length + len(line)))
        lines.append(line)
        length += len(line) + 1
    return "\n".join(lines), tuple(spans)


def regular_table(piece: Grid) -> UnitTable | None:
    """The table with normalised cells and rows of equal length; empty rows and columns left out, None where all is."""
    header = _texts(piece.header)
    rows = [_texts(row) for row in _body(piece)]
    width = max([len(header), *map(len, rows)], default=0)
    padded = [row + ("",) * (width - len(row)) for row in (header, *rows)]
    used = [at for at in range(width) if any(row[at] for row in padded)]
    if not rows or not used:
        return None
    head, *body = [tuple(row[at] for at in used) for row in padded]
    told = tuple(used.index(at) for at in piece.head_columns if at in used)
    return UnitTable(head, tuple(body), take_anchors(normalise(piece.caption))[0], told or _naming_columns(body))


def _body(piece: Grid) -> list[Row]:
    return [row for row in piece.rows if any(_texts(row))]


def _texts(row: Row) -> Row:
    return tuple(take_anchors(normalise(cell))[0] for cell in row)


def _keys_by_row(piece: Grid) -> list[list[str]]:
    """The keys in caption and heads, then those of each row."""
    first = (piece.caption, *piece.header)
    return [[key for cell in cells for _, key in take_anchors(cell)[1]] for cells in (first, *_body(piece))]


def _naming_columns(rows: Sequence[Row]) -> tuple[int, ...]:
    """The first column where each of its cells is there, short, and unlike the others: it names the rows."""
    names = [row[0] for row in rows]
    is_naming = len(rows[0]) > 1 and all(0 < len(name) <= _NAME_CHARS for name in names)
    return (0,) if is_naming and len(set(names)) == len(names) else ()
