"""Reads a table with merged cells: every row stands by itself afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from lace_ingest.adapters.reading.extractors.docx.names import attribute, child, is_on, number, tag
from lace_ingest.domain.reading.pieces import Grid, Piece

CellText = Callable[[etree._Element], str]
CellPieces = Callable[[etree._Element], list[Piece]]
_MAX_SPAN = 100


@dataclass(frozen=True)
class _Row:
    cells: tuple[str, ...]
    spans: tuple[int, ...]
    elements: tuple[etree._Element, ...]
    is_head: bool
    is_bold: bool


def read_table(element: etree._Element, cell_text: CellText, cell_pieces: CellPieces) -> list[Piece]:
    """A `w:tbl` as a table, those in its cells behind it; one of a single row or column is a frame around its cells."""
    rows = _rows(element, cell_text)
    if not rows:
        return []
    width = max(len(row.cells) for row in rows)
    cells = [cell for row in rows for cell in row.elements]
    if width == 1 or len(rows) == 1:
        return [piece for cell in cells for piece in cell_pieces(cell)]
    heads = _head_rows(element, rows)
    table = Grid(_merge_heads(rows[:heads], width), tuple(_body_cells(row) for row in rows[heads:]))
    inner = [nested for cell in cells for nested in _descend(cell, "w:tbl")]
    return [table, *(piece for nested in inner for piece in read_table(nested, cell_text, cell_pieces))]


def _rows(element: etree._Element, cell_text: CellText) -> list[_Row]:
    rows: list[_Row] = []
    above: list[str] = []
    for row in _descend(element, "w:tr"):
        properties = child(row, "w:trPr")
        if child(properties, "w:del") is not None:
            continue
        cells: list[str] = [""] * number(attribute(child(properties, "w:gridBefore"), "val"))
        spans = [1] * len(cells)
        elements: list[etree._Element] = []
        for cell in _descend(row, "w:tc"):
            if not _goes_on(cell):
                elements.append(cell)
            text, span = _cell(cell, cell_text, above[len(cells)] if len(cells) < len(above) else "")
            cells.extend([text] * span)
            spans.extend([span] + [0] * (span - 1))
        above = cells
        bold = [is_on(child(run, "w:rPr"), "w:b") for run in row.iter() if tag(run) == "w:r"]
        is_bold = bool(bold) and all(bold)
        rows.append(_Row(tuple(cells), tuple(spans), tuple(elements), is_on(properties, "w:tblHeader"), is_bold))
    return rows


def _cell(cell: etree._Element, cell_text: CellText, above: str) -> tuple[str, int]:
    properties = child(cell, "w:tcPr")
    span = min(max(number(attribute(child(properties, "w:gridSpan"), "val"), 1), 1), _MAX_SPAN)
    return above if _goes_on(cell) else cell_text(cell), span


def _goes_on(cell: etree._Element) -> bool:
    """Whether a cell goes on the one above it."""
    merge = child(child(cell, "w:tcPr"), "w:vMerge")
    return merge is not None and attribute(merge, "val") != "restart"


def _descend(element: etree._Element, name: str) -> list[etree._Element]:
    """Children of that name, also inside content controls, insertions and custom XML."""
    found: list[etree._Element] = []
    for inner in element:
        if tag(inner) == name:
            found.append(inner)
        elif tag(inner) in ("w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo", "w:smartTag"):
            found.extend(_descend(inner, name))
    return found


def _head_rows(element: etree._Element, rows: list[_Row]) -> int:
    """How many rows head the table: those marked so, else the first, unless the table says that it has none."""
    marked = 0
    while marked < len(rows) - 1 and rows[marked].is_head:
        marked += 1
    if marked:
        return marked
    look = child(child(element, "w:tblPr"), "w:tblLook")
    has_none = attribute(look, "firstRow") in ("0", "false") and not rows[0].is_bold
    if has_none:
        return 0
    spans = any(span > 1 for span in rows[0].spans)
    return 2 if spans and len(rows) > 2 and rows[1].is_bold else 1


def _merge_heads(rows: list[_Row], width: int) -> tuple[str, ...]:
    """One head for each column out of stacked ones: "Output" over "2024" is "Output 2024"."""
    heads: list[str] = []
    for at in range(width):
        parts: list[str] = []
        for row in rows:
            text = row.cells[at].strip() if at < len(row.cells) else ""
            if text and text not in parts:
                parts.append(text)
        heads.append(" ".join(parts))
    return tuple(heads)


def _body_cells(row: _Row) -> tuple[str, ...]:
    """The cells of a row; a text across columns stands in the first of them."""
    return tuple(cell if span else "" for cell, span in zip(row.cells, row.spans, strict=True))
