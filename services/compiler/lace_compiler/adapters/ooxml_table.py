"""Tables of a docx: column widths from the texts, a header row that is repeated on every page."""

from __future__ import annotations

from collections.abc import Sequence

from lace_compiler.adapters.ooxml_element import Element, paragraph, run, val, w
from lace_compiler.adapters.table_layout import TableLayout, breadth, columns_of, table_layout
from lace_compiler.domain.document import FigureView, TableView

# The width of the text in twentieths of a point, and of that what one letter of a fitted column takes.
_TEXT_WIDTH = 9014
_LETTER_WIDTH = 130
_CELL_PADDING = 250


def table(block: TableView, marks: Sequence[Sequence[Element]]) -> Element:
    """The table without its caption; `marks` are the citation runs of each row, set in its last cell."""
    layout = table_layout(columns_of(block))
    widths = _widths(layout.weights, columns_of(block))
    rows = [_row(block.header, widths, layout, (), header=True)]
    rows += [
        _row(row.cells, widths, layout, of_row, header=False) for row, of_row in zip(block.rows, marks, strict=True)
    ]
    if layout.whole:
        _keep_together(rows)
    grid = w("tblGrid", *(w("gridCol", w=width) for width in widths))
    return w("tbl", _properties(block.caption), grid, *rows)


def figure_box(block: FigureView) -> Element:
    """The text that stands for a picture, in a frame."""
    lines = [paragraph("TableText", run(block.alt, "Emphasis"))]
    if block.uri:
        lines.append(paragraph("TableText", run(block.uri, "Place")))
    for line in lines:
        line[0].insert(1, w("keepNext"))
    properties = w(
        "tblPr", val("tblStyle", "FigureBox"), w("tblW", w=5000, type="pct"), w("tblCellMar", *_padding(160))
    )
    # The frame stays with its caption, which follows it.
    cell = w("tc", w("tcPr", w("tcW", w=_TEXT_WIDTH, type="dxa")), *lines)
    return w("tbl", properties, w("tblGrid", w("gridCol", w=_TEXT_WIDTH)), w("tr", cell))


def _keep_together(rows: Sequence[Element]) -> None:
    """On one page: each row stays with the next."""
    for row in rows[:-1]:
        for properties in row.iter(w("pPr").tag):
            properties.insert(1, w("keepNext"))


def _padding(width: int) -> list[Element]:
    return [w(side, w=width, type="dxa") for side in ("top", "left", "bottom", "right")]


def _properties(caption: str) -> Element:
    look = w("tblLook", firstRow=1, lastRow=0, firstColumn=0, lastColumn=0, noHBand=1, noVBand=1)
    description = val("tblCaption", caption) if caption else None
    return w("tblPr", val("tblStyle", "DocumentTable"), w("tblW", w=5000, type="pct"), look, description)


def _widths(weights: Sequence[int], columns: Sequence[Sequence[str]]) -> list[int]:
    """Widths that fill the line: fitted columns by their longest text, the others by their weights."""
    fitted = {
        x: _letters(columns[x]) * _LETTER_WIDTH + _CELL_PADDING for x, weight in enumerate(weights) if weight == 0
    }
    left, total = _TEXT_WIDTH - sum(fitted.values()), sum(weights) or 1
    return [fitted.get(x, left * weight // total) for x, weight in enumerate(weights)]


def _letters(column: Sequence[str]) -> int:
    """Those of the longest text, with room for each bold word of the head in whatever type the reader's machine has."""
    return max(*map(len, column), *map(breadth, column[0].split() or [""]))


def _row(
    cells: Sequence[str], widths: Sequence[int], layout: TableLayout, marks: Sequence[Element], *, header: bool
) -> Element:
    row = w("tr", w("trPr", w("cantSplit"), w("tblHeader") if header else None))
    for x, text in enumerate(cells):
        content = [run(text, "Strong" if header else "", _type_size(layout.size))]
        if x + 1 == len(cells):
            content += marks
        align = [val("jc", "right")] if layout.numeric[x] else []
        width = w("tcPr", w("tcW", w=widths[x], type="dxa"))
        row.append(w("tc", width, paragraph("TableText", *content, properties=align)))
    return row


def _type_size(points: float) -> list[Element]:
    """Nothing for the size that the style has; half points otherwise."""
    return [] if points > 9 else [val("sz", int(points * 2)), val("szCs", int(points * 2))]
