"""Words of a table stay whole where their column can hold them, and short tables stay on one page."""

from __future__ import annotations

import pytest

from lace_compiler.adapters.ooxml_table import table
from lace_compiler.adapters.table_layout import breadth, table_layout
from lace_compiler.domain.document import RowView, TableView

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

DECISIONS = [
    ["Number", *(f"D-{n:02}" for n in range(1, 12))],
    ["Date", *["23 November 2021"] * 11],
    ["Decision", *["Replace the trunk main and the pumping station in one programme"] * 11],
    ["Taken by", *["Programme director", "Chief engineer"] * 5, "Board"],
    ["Document", *["Procurement and budget report"] * 11],
]


def test_words_that_fit_their_column_are_left_whole() -> None:
    layout = table_layout(DECISIONS)
    for column, room in zip(DECISIONS, layout.room, strict=True):
        words = {word for cell in column for word in cell.split()}
        assert max(map(breadth, words)) <= room


def test_a_word_that_no_column_holds_is_broken() -> None:
    layout = table_layout([["Id", "a"], ["Hash", "0123456789abcdef" * 4], *[["Text", "some words of a text " * 5]] * 4])
    assert breadth("0123456789abcdef" * 4) > layout.room[1]


def test_capitals_are_broader() -> None:
    assert breadth("WORD") > breadth("lord")
    assert breadth("") == 0


@pytest.mark.parametrize(("rows", "whole"), [(3, True), (16, True), (18, False), (400, False)])
def test_only_short_tables_are_kept_whole(rows: int, whole: bool) -> None:
    assert table_layout([["Item", *["pipe"] * rows], ["Cost", *["1.0"] * rows]]).whole is whole


def test_a_few_high_rows_are_no_short_table() -> None:
    assert not table_layout([["Item", "pipe"], ["Text", "many words " * 400]]).whole


def test_columns_of_word_files_hold_the_bold_words_of_their_heads() -> None:
    head, *rows = zip(*DECISIONS, strict=True)
    view = TableView(1, "", head, tuple(map(RowView, rows)))
    widths = [int(column.attrib[f"{W}w"]) for column in table(view, [()] * len(rows)).iter(f"{W}gridCol")]
    assert sum(widths) <= 9014
    assert widths[0] - 250 >= breadth("Number") * 130
