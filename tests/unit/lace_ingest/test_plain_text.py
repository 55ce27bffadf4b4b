"""Plain text: structure as people write it by hand."""

from __future__ import annotations

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.plain_text import extract
from lace_ingest.adapters.reading.extractors.text_tables import read_table
from lace_ingest.domain.extraction_warnings import WarningCode
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.anchors import anchor
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Program, Prose, Reading


def read(text: str) -> Reading:
    return extract(text.encode(), ExtractionLimits())


def headings(text: str) -> list[tuple[int, str]]:
    return [(piece.level, piece.text) for piece in read(text).pieces if isinstance(piece, Heading)]


def test_paragraphs_are_parted_by_blank_lines_and_their_lines_joined() -> None:
    assert read("one\ntwo\n\n\nthree\n").pieces == (Prose("one two", line=1), Prose("three", line=5))


def test_underlined_headings_nest_in_the_order_of_their_styles() -> None:
    assert headings("Top\n===\n\nx\n\nSub\n---\n\ny\n\nNext\n====\n\nz\n") == [(1, "Top"), (2, "Sub"), (1, "Next")]


def test_a_heading_between_two_rules_is_one() -> None:
    assert headings("=====\nTitle\n=====\n\nx\n\nPart\n====\n\ny\n") == [(1, "Title"), (2, "Part")]


def test_numbered_headings_nest_by_their_numbers() -> None:
    text = "1. First\n\nText one.\n\n1.1 Deep\n\nText two.\n\n2. Second\n\nText three.\n"
    assert headings(text) == [(1, "1. First"), (2, "1.1 Deep"), (1, "2. Second")]


def test_capitals_above_numbers_are_the_higher_level() -> None:
    text = "MEETING OF 20 JUNE\n\nPresent: all.\n\n1. Design\n\nText.\n\nMEETING OF 4 JULY\n\n2. Cost\n\nText.\n"
    assert headings(text) == [(1, "MEETING OF 20 JUNE"), (2, "1. Design"), (1, "MEETING OF 4 JULY"), (2, "2. Cost")]


def test_capitals_at_the_top_are_the_title() -> None:
    reading = read("WATER BOARD\nMINUTES\n\nText.\n")
    assert (reading.title, reading.pieces) == ("WATER BOARD: MINUTES", (Prose("Text.", line=4),))


def test_numbered_lines_after_one_another_are_items_not_headings() -> None:
    assert headings("1. First\n\n2. Second\n\nText.\n") == [(1, "2. Second")]


def test_lists_follow_their_introduction() -> None:
    assert read("It has:\n- one\n  more one\n  * deep\n- two\n").pieces == (
        Prose("It has:", line=1),
        Listing((Item("one more one"), Item("deep", 1), Item("two")), line=2),
    )


def test_numbered_items_keep_their_numbers() -> None:
    assert read("1. a\n2) b\n(c) d\n").pieces == (
        Listing((Item("a", 0, "1."), Item("b", 0, "2)"), Item("d", 0, "(c)")), line=1),
    )


def test_a_dash_that_wrapping_moved_to_a_line_start_is_no_item() -> None:
    assert read("It rose\n- as expected - by ten\nper cent.\n").pieces == (
        Prose("It rose - as expected - by ten per cent.", line=1),
    )


def test_named_fields_are_a_table_and_metadata() -> None:
    reading = read("Title: A report\nDate: 3 March 2024\nAuthor: Jo Bloggs,\n   Second Person\n\nText.\n")
    assert reading.title == "A report"
    assert reading.pieces[0] == Grid(
        ("Field", "Value"),
        (("Title", "A report"), ("Date", "3 March 2024"), ("Author", "Jo Bloggs, Second Person")),
        line=1,
    )


def test_entries_of_a_record_are_paragraphs_of_their_own() -> None:
    assert read("10:05 Opened by\nthe chair.\n10:20 Closed.\n").pieces == (
        Prose("10:05 Opened by the chair.", line=1),
        Prose("10:20 Closed.", line=3),
    )


def test_lines_that_were_never_wrapped_are_paragraphs() -> None:
    long = "word " * 40
    assert len(read(f"{long}\n{long}\n").pieces) == 2


def test_code_after_two_colons_keeps_its_shape() -> None:
    pieces = read("Do this::\n\n    def f():\n\n        return 1\n\nThen rest.\n").pieces
    assert pieces[0] == Prose("Do this:", line=1)
    assert pieces[1] == Program("def f():\n\n    return 1", line=3)
    assert pieces[2] == Prose("Then rest.", line=7)


def test_fences_are_code_across_blank_lines() -> None:
    assert read("```py\na\n\nb\n```\n").pieces == (Program("a\n\nb", "py", line=1),)


def test_terms_stand_before_their_definitions() -> None:
    assert read("Leakage\n    Water that is lost.\n").pieces == (Prose("Leakage: Water that is lost.", line=1),)


def test_notes_of_restructured_text_are_notes() -> None:
    text = (
        "Use ``a`` and ``b`` [1]_ of ``c`` [#]_ and more [#]_::\n\n    code\n\n"
        ".. [1] The first\n   goes on.\n.. [#] One without a name.\n.. [#] Another.\n"
    )
    prose, _, *notes = read(text).pieces
    assert prose == Prose(f"Use a and b{anchor('1')} of c{anchor('#1')} and more{anchor('#2')}:", line=1)
    assert notes == [
        Note("1", "1", "The first goes on.", line=5),
        Note("#1", "1", "One without a name.", line=7),
        Note("#2", "2", "Another.", line=8),
    ]


def test_a_word_that_a_line_end_parts_is_whole_again() -> None:
    text = "The pumps run with-\nout rest, a well-known fact, and a well-\nknown one without doubt.\n"
    assert read(text).pieces[0] == Prose(
        "The pumps run without rest, a well-known fact, and a well-known one without doubt.", line=1
    )


def test_marks_of_restructured_text_are_dropped_where_it_is_used() -> None:
    text = "Use ``setup.py`` and `the docs <http://e.org>`_ of ``pip`` [#a]_, not ``x``::\n\n    code\n"
    assert read(text).pieces[0] == Prose(f"Use setup.py and the docs of pip{anchor('#a')}, not x:", line=1)


def test_the_same_marks_stay_in_other_text() -> None:
    assert read("The `a`_ and *b* stay.\n").pieces == (Prose("The `a`_ and *b* stay.", line=1),)


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        (["a|b", "1|2"], [("a", "b"), ("1", "2")]),
        (["| a | b |", "|---|---|", "| 1 | 2 |"], [("a", "b"), ("1", "2")]),
        (["Name    Count", "One       12", "Two        3"], [("Name", "Count"), ("One", "12"), ("Two", "3")]),
        (["Name  Count", "----  -----", "One      12"], [("Name", "Count"), ("One", "12")]),
        (["==== ===", "Name No", "==== ===", "One  1", "==== ==="], [("Name", "No"), ("One", "1")]),
        (["Topic            Share (%)", "Road closures    41.5", "Noise at night   23.3"],
         [("Topic", "Share (%)"), ("Road closures", "41.5"), ("Noise at night", "23.3")]),
        (["just some prose that", "goes on for a while", "and on and on and on"], []),
        (["one line"], []),
        (["a | b", "no bar here"], []),
    ],
)  # fmt: skip
def test_tables_in_text(lines: list[str], rows: list[tuple[str, ...]]) -> None:
    assert read_table(lines) == rows


@pytest.mark.parametrize(
    ("data", "text", "warned"),
    [
        ("caf\u00e9".encode(), "café", False),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café", False),
        ("café".encode("utf-16"), "café", False),
        ("café".encode("utf-32"), "café", False),
        (b"caf\xe9 \x80", "café €", True),
    ],
)
def test_encodings(data: bytes, text: str, warned: bool) -> None:
    reading = extract(data, ExtractionLimits())
    assert reading.pieces == (Prose(text, line=1),)
    assert bool(reading.warnings) is warned


def test_a_damaged_utf8_text_is_not_taken_for_another_encoding() -> None:
    reading = extract("é".encode() * 50 + b" \xff end", ExtractionLimits())
    assert [warning.code for warning in reading.warnings] == [WarningCode.ENCODING_DAMAGED]
    assert reading.warnings[0].message == "1 places in the text are not UTF-8 and were replaced."
    assert reading.extractability == 982
    assert isinstance(reading.pieces[0], Prose)
    assert reading.pieces[0].text.startswith("é" * 50)


@pytest.mark.parametrize("data", [b"a\x00b", bytes(range(1, 32)) * 20, b"\xff\xfea"])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(LaceError) as refused:
        extract(data, ExtractionLimits())
    assert refused.value.reason is Reason.SOURCE_UNREADABLE
