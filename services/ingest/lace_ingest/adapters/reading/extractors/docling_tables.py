"""Makes a table of docling's cells: its stacked heads as one for each column, merged cells where they begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from lace_ingest.domain.reading.anchors import without_noncharacters
from lace_ingest.domain.reading.pieces import Grid


def read_table(item: Any, document: Any, placed: Callable[[str], str], page: int) -> Grid:
    """A TableItem; `placed` puts the anchors of its boxes into the first of its texts."""
    data = item.data
    rows = [[""] * data.num_cols for _ in range(data.num_rows)]
    is_head = [False] * data.num_rows
    row_heads: Counter[int] = Counter()
    for cell in data.table_cells:
        _fill(rows, cell)
        for at in range(cell.start_row_offset_idx, min(cell.end_row_offset_idx, data.num_rows)):
            is_head[at] = is_head[at] or bool(cell.column_header)
            row_heads[cell.start_col_offset_idx] += bool(cell.row_header)
    heads = next((at for at, head in enumerate(is_head) if not head), len(rows))
    header = [_stacked([row[at] for row in rows[:heads]]) for at in range(data.num_cols)] if heads else []
    body = [tuple(row) for row in rows[heads:]]
    columns = tuple(at for at, count in sorted(row_heads.items()) if 2 * count > len(body))
    caption = placed(without_noncharacters(item.caption_text(document)))
    return Grid(tuple(header), tuple(body), caption, page, head_columns=columns)


def _fill(rows: list[list[str]], cell: Any) -> None:
    """A head that spans cells stands in all of them, another cell in the first."""
    text = without_noncharacters(cell.text)
    is_head = cell.column_header or cell.row_header
    for at in range(cell.start_row_offset_idx, min(cell.end_row_offset_idx, len(rows))):
        for column in range(cell.start_col_offset_idx, min(cell.end_col_offset_idx, len(rows[at]))):
            is_first = (at, column) == (cell.start_row_offset_idx, cell.start_col_offset_idx)
            if is_head or is_first:
                rows[at][column] = text


def _stacked(parts: list[str]) -> str:
    return " ".join(dict.fromkeys(part for part in parts if part))
