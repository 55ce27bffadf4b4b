"""The pieces of a unit that are embedded: whole sentences, bounded, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lace_ingest.domain.documents import Span
from lace_ingest.domain.vectors import WINDOW_CHARACTERS, UnitText, halves_of, pieces_of


def unit(text: str, *ends: int, heading_path: tuple[str, ...] = ()) -> UnitText:
    starts = (0, *ends[:-1])
    return UnitText("unt_1", 0, text, heading_path, tuple(map(Span, starts, ends)))


def test_a_short_unit_is_one_piece_below_its_headings() -> None:
    assert pieces_of(unit("The bridge is old.", 18)) == ["The bridge is old."]
    assert pieces_of(unit("Old.", 4, heading_path=("Report", "Bridge"))) == ["Report. Bridge. Old."]
    assert pieces_of(unit("Old.")) == ["Old."]


def test_sentences_stay_whole_where_they_fit() -> None:
    sentence = "x" * 199 + " "
    text = sentence * 5
    pieces = pieces_of(unit(text, 200, 400, 600, 800, 1000))
    assert [len(piece) for piece in pieces] == [399, 399, 199]


def test_digits_and_signs_fill_a_piece_sooner_than_words() -> None:
    assert len(pieces_of(unit("7 " * 240, 480))) == 2
    assert len(pieces_of(unit("橋" * 450, 450))) == 3


@given(
    st.text(alphabet="ab 1橋.\n", min_size=1, max_size=3000).filter(str.strip),
    st.lists(st.integers(1, 3000), max_size=6),
)
def test_nothing_is_lost_and_no_piece_is_too_long(text: str, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(text)) for cut in cuts} | {len(text)})
    pieces = pieces_of(unit(text, *ends))
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(len(piece) <= WINDOW_CHARACTERS for piece in pieces)


@given(st.text(min_size=1, max_size=80))
def test_halves_hold_the_whole(text: str) -> None:
    halves = halves_of(text)
    if halves is not None:
        assert all(halves)
        assert "".join("".join(halves).split()) == "".join(text.split())
    else:
        assert len(text.split()) <= 1
