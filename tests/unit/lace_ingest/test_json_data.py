"""JSON: keys as headings, records as tables, prose as prose, and hostile input refused in time."""

from __future__ import annotations

import json

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.json_data import extract, humanise
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Piece, Prose


def read(value: object) -> tuple[Piece, ...]:
    return extract(json.dumps(value).encode(), ExtractionLimits()).pieces


LONG = "This is a sentence of some length that is repeated to be long. " * 4


def test_scalars_are_a_table_of_fields_and_longer_parts_follow_under_their_keys() -> None:
    assert read({"name": "X", "ok": True, "text": LONG, "count": 3, "gone": None}) == (
        Grid(("Field", "Value"), (("Name", "X"), ("Ok", "true"), ("Count", "3"), ("Gone", ""))),
        Heading(1, "Text"),
        Prose(LONG),
    )


def test_numbers_keep_their_lexemes() -> None:
    pieces = extract(b'{"a": 1.50, "b": 1e3, "c": 12345678901234567890123}', ExtractionLimits()).pieces
    assert pieces == (Grid(("Field", "Value"), (("A", "1.50"), ("B", "1e3"), ("C", "12345678901234567890123"))),)


def test_like_records_are_a_table() -> None:
    assert read([{"year": 2020, "cost": 1.5}, {"year": 2021, "cost": 2.5, "note": "high"}]) == (
        Grid(("Year", "Cost", "Note"), (("2020", "1.5", ""), ("2021", "2.5", "high"))),
    )


def test_a_column_of_sentences_is_prose_under_each_records_name() -> None:
    value = {
        "risks": [
            {"id": "R1", "title": "Flood", "score": 3, "outcome": "The river rose and the work had to stop."},
            {"id": "R2", "title": "Frost", "score": 5, "outcome": "The winter was mild and nothing had to be done."},
        ]
    }
    assert read(value) == (
        Heading(1, "Risks"),
        Grid(("Id", "Title", "Score"), (("R1", "Flood", "3"), ("R2", "Frost", "5"))),
        Heading(2, "Flood"),
        Prose("The river rose and the work had to stop."),
        Heading(2, "Frost"),
        Prose("The winter was mild and nothing had to be done."),
    )


def test_several_prose_members_stand_under_their_keys() -> None:
    records = [{"id": number, "score": 1, "cause": LONG, "effect": LONG} for number in (1, 2)]
    headings = [piece.text for piece in read(records) if isinstance(piece, Heading)]
    assert headings == ["1", "Cause", "Effect", "2", "Cause", "Effect"]


def test_inner_objects_are_columns_where_there_is_room() -> None:
    [table] = read([{"id": 1, "at": {"x": 1, "y": 2}}, {"id": 2, "at": {"x": 3, "y": 4}}])
    assert table == Grid(("Id", "At x", "At y"), (("1", "1", "2"), ("2", "3", "4")))


def test_inner_objects_are_cells_where_the_table_is_wide() -> None:
    record = {f"k{number}": number for number in range(9)} | {"at": {"x": 1, "y": 2}}
    [table] = read([record, record])
    assert isinstance(table, Grid)
    assert table.rows[0][-1] == "x 1, y 2"


def test_arrays_of_scalars() -> None:
    assert read({"short": [1, 2], "long": ["word " * 10] * 5}) == (
        Grid(("Field", "Value"), (("Short", "1, 2"),)),
        Heading(1, "Long"),
        Listing((Item("word " * 10),) * 5),
    )


def test_mixed_arrays_are_numbered() -> None:
    assert [piece for piece in read([1, {"a": 2}]) if isinstance(piece, Heading)] == [
        Heading(1, "Item 1"),
        Heading(1, "Item 2"),
    ]


def test_unlike_records_are_read_one_by_one() -> None:
    pieces = read([{"a": 1}, {"b": [{"c": 1}]}])
    assert [piece.text for piece in pieces if isinstance(piece, Heading)] == ["1", "Item 2", "B"]


def test_the_title_is_what_the_object_says_it_is() -> None:
    assert extract(b'{"document": "Risk register"}', ExtractionLimits()).title == "Risk register"
    assert extract(b'{"title": 3}', ExtractionLimits()).title == ""


def test_paragraphs_of_a_string_are_paragraphs() -> None:
    assert read({"text": "One.\n\nTwo."})[1:] == (Prose("One."), Prose("Two."))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("annual_output", "Annual output"),
        ("annualOutputMwh", "Annual Output Mwh"),
        ("x-ray", "X ray"),
        ("_", "_"),
        ("", ""),
    ],
)
def test_keys_read_as_words(key: str, words: str) -> None:
    assert humanise(key) == words


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" * 10_000 + b"]" * 10_000, Reason.SOURCE_LIMIT_EXCEEDED),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, Reason.SOURCE_LIMIT_EXCEEDED),
        (b'{"a": 1, "a": 2}', Reason.SOURCE_UNREADABLE),
        (b'{"a": NaN}', Reason.SOURCE_UNREADABLE),
        (b"[Infinity]", Reason.SOURCE_UNREADABLE),
        (b'{"a": ', Reason.SOURCE_UNREADABLE),
        (b"{'a': 1}", Reason.SOURCE_UNREADABLE),
        (b'{"a": "\xff\x00"}', Reason.SOURCE_UNREADABLE),
        (b"not json", Reason.SOURCE_UNREADABLE),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_json_is_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(LaceError) as refused:
        extract(data, ExtractionLimits())
    assert refused.value.reason is reason


def test_a_key_without_a_letter_is_no_fault() -> None:
    assert read({"": "x", "b": 1}) == (Grid(("Field", "Value"), (("", "x"), ("B", "1"))),)


def test_brackets_in_strings_are_no_nesting() -> None:
    assert read({"a": "[" * 150}) == (Grid(("Field", "Value"), (("A", "[" * 150),)),)
