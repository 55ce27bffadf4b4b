"""Columns of a page: found by their gutter, read one after the other; a table is none."""

from __future__ import annotations

import random

from lace_ingest.adapters.reading.extractors.pdf.blocks import BlockKind
from lace_ingest.adapters.reading.extractors.pdf.columns import regions
from lace_ingest.adapters.reading.extractors.pdf.furniture import PageLines
from lace_ingest.adapters.reading.extractors.pdf.layout import Looks, read_layout
from lace_ingest.adapters.reading.extractors.pdf.lines import Line
from lace_ingest.adapters.reading.extractors.pdf.page import Stroke

WORDS = "words that fill a line of prose {}"


def line(text: str, x: float, y: float) -> Line:
    return Line(text, x, x + len(text) * 5, y, 10, False, False, False, low=y - 2, high=y + 8)


def column(name: str, x: float, count: int, top: float = 700) -> list[Line]:
    return [line(f"{name} {WORDS.format(at)}", x, top - 12 * at) for at in range(count)]


LEFT, RIGHT = column("left", 72, 12), column("right", 320, 12)


def texts(found: list[Line] | tuple[Line, ...]) -> list[str]:
    return [one.text for one in found]


def test_one_column_stays_as_it_is() -> None:
    lines = [
        line("a line of prose that reaches far across the page to the right margin", 72, 700 - 12 * n)
        for n in range(20)
    ]
    assert [texts(region.lines) for region in regions(lines, [])] == [texts(lines)]


def test_two_columns_are_read_one_after_the_other_however_they_are_drawn() -> None:
    by_row = [one for pair in zip(LEFT, RIGHT, strict=True) for one in pair]
    shuffled = random.Random(3).sample(by_row, len(by_row))
    for drawn in (LEFT + RIGHT, RIGHT + LEFT, by_row, shuffled):
        assert [texts(region.lines) for region in regions(drawn, [])] == [texts(LEFT), texts(RIGHT)]


def test_what_runs_across_parts_the_columns_above_from_those_below() -> None:
    title = line("A title that runs across both of the columns of the page", 160, 730)
    middle = line("A figure's caption that runs across both of the columns", 160, 540)
    below = [*column("lower", 72, 8, 500), *column("last", 320, 8, 500)]
    found = regions([*RIGHT, title, *below, middle, *LEFT], [])
    assert [texts(region.lines)[0].split()[0] for region in found] == ["A", "left", "right", "A", "lower", "last"]
    assert [region.column for region in found] == list(range(6))


def test_three_columns_are_three() -> None:
    def narrow(name: str, x: float) -> list[Line]:
        return [line(f"{name} of prose here {at:02}", x, 700 - 12 * at) for at in range(10)]

    one, two, three = narrow("first", 60), narrow("next", 230), narrow("third", 400)
    drawn = [line for row in zip(one, two, three, strict=True) for line in row]
    assert [texts(region.lines) for region in regions(drawn, [])] == [texts(one), texts(two), texts(three)]


def test_a_table_of_short_cells_is_no_pair_of_columns() -> None:
    rows = [line(text, x, 700 - 14 * at) for at in range(12) for text, x in ((f"cell {at}", 72), ("12.5", 320))]
    assert len(regions(rows, [])) == 1


def test_a_ruled_table_of_sentences_is_no_pair_of_columns() -> None:
    by_row = [one for pair in zip(LEFT, RIGHT, strict=True) for one in pair]
    strokes = [Stroke(60, 705 - 36 * at, 560, 705.5 - 36 * at) for at in range(5)]
    assert len(regions(by_row, strokes)) == 1


def test_a_table_within_a_column_is_found_there() -> None:
    cells = [
        line(text, 320 + 70 * at, 700 - 16 * row)
        for row, texts_of_row in enumerate((("Site", "Depth", "Yield"), ("North", "12", "3.4"), ("South", "15", "2.9")))
        for at, text in enumerate(texts_of_row)
    ]
    page = PageLines(1, 612, 792, [*LEFT, *cells, *column("right", 320, 12, 620)], [])
    kinds = [block.kind for block in read_layout(page, Looks(10.0, {10.0: 12.0}))]
    assert kinds == [BlockKind.RUN, BlockKind.TABLE, BlockKind.RUN]
