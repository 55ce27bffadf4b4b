"""Tables: regular, with their heads kept beside each cell."""

from __future__ import annotations

import pytest

from lace_ingest.domain.documents import UnitTable
from lace_ingest.domain.reading.pieces import Grid
from lace_ingest.domain.reading.tables import TablePart, regular_table, table_parts, told_table

TABLE = UnitTable(("Section", "Readings", "Mean (mm)"), (("A", "28", "10.6"), ("B", "", "5.1")), "Wear", (0,))


def test_a_row_is_told_with_its_heads() -> None:
    assert TABLE.told(0) == "Section A. Readings: 28; Mean (mm): 10.6"
    assert TABLE.told(1) == "Section B. Mean (mm): 5.1"


def test_a_head_that_the_cell_repeats_is_not_said_twice() -> None:
    assert UnitTable(("Phase", "Cost"), (("Phase 1", "3"),), "", (0,)).told(0) == "Phase 1. Cost: 3"


def test_a_table_without_heads_tells_its_cells() -> None:
    assert UnitTable(("", ""), (("a", "b"),)).told(0) == "a; b"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((("A", "1"), ("B", "2")), (0,)),
        ((("A", "1"), ("A", "2")), ()),
        ((("A", "1"), ("", "2")), ()),
        ((("A" * 81, "1"), ("B", "2")), ()),
        ((("A",), ("B",)), ()),
    ],
)
def test_the_first_column_names_the_rows_where_it_can(
    rows: tuple[tuple[str, ...], ...], expected: tuple[int, ...]
) -> None:
    found = regular_table(Grid((), rows))
    assert found is not None
    assert found.head_columns == expected


def test_columns_named_by_the_format_are_kept_over_empty_ones() -> None:
    found = regular_table(Grid(("", "A", "B"), (("", "x", "1"), ("", "x", "2")), head_columns=(1,)))
    assert found == UnitTable(("A", "B"), (("x", "1"), ("x", "2")), "", (0,))


def test_every_part_of_a_long_table_has_the_heads() -> None:
    rows = tuple((f"row {at}", "word " * 40) for at in range(60))
    parts = list(table_parts(Grid(("Name", "Text"), rows, "Table 1: Long")))
    assert len(parts) > 1
    assert all(isinstance(part, TablePart) for part in parts)
    tables = [part.table for part in parts if isinstance(part, TablePart)]
    assert {(table.header, table.caption, table.head_columns) for table in tables} == {
        (("Name", "Text"), "Table 1: Long", (0,))
    }
    assert [row[0] for table in tables for row in table.rows] == [row[0] for row in rows]
    assert all(told_table(table)[0].startswith("Name | Text\n") for table in tables)
