"""What documents say of themselves: one name for one meaning, dates as dates."""

from __future__ import annotations

import pytest

from lace_ingest.domain.extraction_warnings import named_pages
from lace_ingest.domain.metadata import named_metadata
from lace_ingest.domain.reading.anchors import anchor


def test_names_of_one_meaning_are_one_name() -> None:
    found = named_metadata([("Authors", " A\nB "), ("Date", "2024"), ("Tags", "x, y"), ("Lang", "de"), ("Odd", "")])
    assert found == {"author": "A B", "created": "2024", "keywords": "x, y", "language": "de"}


def test_the_first_value_counts_and_values_are_bounded() -> None:
    found = named_metadata(
        [("author", "first"), ("by", "second"), ("x", "v" * 2000), *((str(n), "v") for n in range(99))]
    )
    assert found["author"] == "first"
    assert len(found["x"]) == 1000
    assert len(found) == 64


def test_an_anchor_is_no_part_of_a_value() -> None:
    assert named_metadata([("title", f"A title{anchor('1')}")]) == {"title": "A title"}


@pytest.mark.parametrize(
    ("told", "date"),
    [
        ("D:20240301", "2024-03-01"),
        ("D:202403", "2024-03"),
        ("D:20240301120000Z", "2024-03-01T12:00:00Z"),
        ("D:20240301120000+01'00'", "2024-03-01T12:00:00+01:00"),
        ("D:20240301120000-05'30", "2024-03-01T12:00:00-05:30"),
        ("D:202403011200", "2024-03-01T12:00:00"),
        ("2024-03-01T09:00:00Z", "2024-03-01T09:00:00Z"),
        ("2024", "2024"),
        ("last spring", "last spring"),
    ],
)
def test_dates_of_pdf_are_written_as_iso_8601(told: str, date: str) -> None:
    assert named_metadata([("CreationDate", told)]) == {"created": date}


@pytest.mark.parametrize(
    ("pages", "named"),
    [
        ([3], "3"),
        ([1, 2, 3, 7], "1-3, 7"),
        ([2, 1, 2], "1-2"),
        (list(range(1, 40, 2)), "1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, …"),
    ],
)
def test_pages_are_named_in_runs(pages: list[int], named: str) -> None:
    assert named_pages(pages) == named
