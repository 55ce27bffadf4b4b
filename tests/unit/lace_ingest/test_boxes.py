"""Boxes: which lines a stretch of text takes up, and how lines that touch become one box."""

from __future__ import annotations

import pytest

from lace_ingest.adapters.reading.extractors.pdf.page import Frame
from lace_ingest.domain.documents import Box
from lace_ingest.domain.reading.boxes import joined_boxes, keys_within

LINES = [Box(1, 72, 100 + 12 * at, 300, 110 + 12 * at) for at in range(3)]
ANCHORS = ((0, "@0"), (20, "@1"), (25, "7"), (40, "@2"))


@pytest.mark.parametrize(
    ("start", "end", "keys"),
    [
        (0, 60, ("@0", "@1", "@2", "7")),
        (0, 20, ("@0",)),
        (0, 25, ("@0", "@1", "7")),
        (21, 30, ("@1", "7")),
        (25, 30, ("@1",)),
        (41, 60, ("@2",)),
    ],
)
def test_a_stretch_has_the_boxes_of_its_lines_and_the_notes_in_it(start: int, end: int, keys: tuple[str, ...]) -> None:
    assert keys_within(ANCHORS, start, end) == keys


def test_a_note_that_a_text_begins_with_belongs_to_it() -> None:
    assert keys_within(((0, "1"),), 0, 5) == ("1",)


def test_lines_below_each_other_are_one_box() -> None:
    assert joined_boxes(LINES, ["@0", "@1", "@2"]) == (Box(1, 72, 100, 300, 134),)


def test_another_column_and_another_page_are_other_boxes() -> None:
    boxes = [*LINES, Box(1, 320, 100, 540, 110), Box(2, 72, 100, 300, 110)]
    assert joined_boxes(boxes, ["@0", "@1", "@2", "@3", "@4"]) == (Box(1, 72, 100, 300, 134), boxes[3], boxes[4])


def test_keys_of_notes_and_of_no_box_are_passed_over() -> None:
    assert joined_boxes(LINES, ["7", "@9", "@x", "@1"]) == (LINES[1],)


@pytest.mark.parametrize(
    ("turn", "rotation", "shown"),
    [
        # A page of 600 by 800 points; the box is read at x 100 to 200, y 50 to 60 from the lower left.
        (0, 0, (100, 740, 200, 750)),
        (0, 1, (50, 100, 60, 200)),
        (0, 2, (400, 50, 500, 60)),
        (0, 3, (740, 400, 750, 500)),
        # Text that runs upwards on paper which a viewer turns clockwise is seen upright: 800 wide, 600 high.
        (1, 1, (100, 540, 200, 550)),
        (3, 3, (100, 540, 200, 550)),
        (2, 2, (100, 740, 200, 750)),
    ],
)
def test_places_are_those_that_a_viewer_shows(turn: int, rotation: int, shown: tuple[float, ...]) -> None:
    assert Frame(600, 800, turn, rotation).shown(100, 50, 200, 60) == shown
