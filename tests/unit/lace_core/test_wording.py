"""How text is read for comparison: normalisation, statements, asides, turned sentences, cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.verification.clauses import readings
from lace_core.verification.turning import active, turned
from lace_core.verification.wording import cells, flat, number, statements, told, verbatim


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a\u00adb", "ab"),
        ("10² m and 5½", "10^2 m and 5 1/2"),
        ("12\u202f300 or 12 300", "12300 or 12 300"),
        ("in 2022\u00a0500 people", "in 2022 500 people"),
        ("rein-\nforced, well-\nKnown", "reinforced, well- Known"),
        ("5 MW and 5 mW", "5 megaW and 5 milliW"),
        ("100 Mb and 100 MB", "100 Mbit and 100 MB"),
        ("‐‑–—−", "-----"),
    ],
)
def test_flat(text: str, plain: str) -> None:
    assert flat(text) == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rose. It fell.", ["it rose", "it fell"]),
        ("Dr. Smith left. He won.", ["dr. smith left", "he won"]),
        ("It cost 3.5 million. Nobody paid.", ["it cost 3.5 million", "nobody paid"]),
        ("It was approx. 5 m wide.", ["it was approx. 5 m wide"]),
        ("See e.g. the annex.", ["see e.g. the annex"]),
        ("It stopped. then went on.", ["it stopped. then went on"]),
        ("Why? Because.", ["why?", "because"]),
        ("Parts:\n- one\n- two", ["parts:", "one", "two"]),
        ("Never use:\n- one\n- two", ["never use: - one - two"]),
        ("a | b\nc | d", ["a | b", "c | d"]),
        ("1. First\n2. Second", ["first", "second"]),
        ("- 5 °C is cold", ["- 5 °c is cold"]),
        ("", []),
    ],
)
def test_statements(text: str, expected: list[str]) -> None:
    assert [statement.text for statement in statements(text)] == expected


@pytest.mark.parametrize(
    ("lexeme", "value"),
    [
        ("1,250", "1250"),
        ("1.250", "1.25"),
        ("12,5", "12.5"),
        ("0,250", "0.25"),
        ("1,250.50", "1250.5"),
        ("1.250,50", "1.250,50"),
        ("+5", "5"),
        ("-5.0", "-5"),
        ("007", "7"),
        (".5", "0.5"),
        ("100", "100"),
    ],
)
def test_numbers(lexeme: str, value: str) -> None:
    assert number(lexeme) == value


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_flat_text_stays_flat(text: str) -> None:
    once = flat(text)
    assert "  " not in once
    assert "\n" not in once
    assert verbatim(text) == verbatim(text + " ")


def _wordings(text: str) -> set[str]:
    (statement,) = statements(text)
    return {" ".join(keys) for keys in readings(statement.tokens)}


def test_asides_may_be_left_out_and_nothing_else() -> None:
    assert _wordings("The bridge (BR-2), which is old, carries the main.") == {
        "bridge br-2 ,which is old carries main",
        "bridge ,which is old carries main",
        "bridge br-2 carries main",
        "bridge carries main",
    }


@pytest.mark.parametrize(
    "text",
    [
        "The bridge, which was never built, carries the main.",
        "The bridge carries the main, but it leaks.",
        "The sum of wages, rent, and tax was paid.",
        "The bridge in the north carries the main.",
        "The bridge carries the main, as he said.",
    ],
)
def test_what_qualifies_stays(text: str) -> None:
    assert len(_wordings(text)) == 1


def test_what_is_broken_off_says_nothing() -> None:
    assert _wordings("The bridge carries,") == set()


def test_a_time_or_place_may_stand_at_either_end() -> None:
    assert ("board", "sold", "site", "in", "2022") in set(turned(("in", "2022", "board", "sold", "site")))
    assert ("in", "2022", "board", "sold", "site") in set(turned(("board", "sold", "site", "in", "2022")))
    assert list(turned(("board", "said", "it", "sold", "site", "in", "2022"))) == []


def test_passive_sentences_in_the_active() -> None:
    assert list(active(("site", "was", "surveyed", "by", "lantern"))) == [("lantern", "surveyed", "site")]
    assert ("lantern", "surveyed", "site", "in", "2022") in set(
        active(("site", "was", "surveyed", "by", "lantern", "in", "2022"))
    )
    assert list(active(("site", "was", "not", "surveyed", "by", "lantern"))) == []
    assert list(active(("site", "was", "near", "by", "lantern"))) == []


def test_cells_know_their_row_column_and_unit() -> None:
    first, _ = cells("Section | Wall (mm) | Samples (number)\nC | 8.4 | 4")
    assert (first.rows, first.column, first.unit, first.value) == ((("section", "c"),), ("wall",), ("mm",), ("8.4",))
    assert ("wall", "of", "section", "c", "was", "0.0084", "m") in set(told(first))


@pytest.mark.parametrize(
    "table",
    [
        "no table",
        "a | b",
        "Town | Rank\nLeeds | 1 | 2",
        "Town | Rank\nLeeds | 1\nLeeds | 2",
        "Town | Year | Rank\nLeeds | 2020 | 2",
        "Town | Basis | Rank\nLeeds | worst case | 2",
        "Town | 5\nLeeds | 2",
    ],
)
def test_tables_that_are_not_plain_have_no_cells(table: str) -> None:
    assert [cell for cell in cells(table) if cell.column not in (("basis",), ("year",))] == []
