"""Anchors: they go through joining and normalisation, and come out where they stood."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lace_ingest.domain.reading.anchors import anchor, anchored, take_anchors, without_anchors, without_noncharacters
from lace_ingest.domain.reading.text import normalise

TEXT = st.text(alphabet=st.sampled_from("ab c.,é"), max_size=30).map(normalise)


@given(TEXT, st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["1", "@2", "a b"])), max_size=4))
def test_what_was_put_in_comes_out(text: str, marks: list[tuple[int, str]]) -> None:
    within = [(min(at, len(text)), key) for at, key in marks]
    told, found = take_anchors(anchored(text, within))
    assert sorted(key for _, key in found) == sorted(key for _, key in within)
    assert told.replace(" ", "") == text.replace(" ", "")
    assert all(0 <= at <= len(told) for at, _ in found)


def test_a_text_without_anchors_stays_as_it_is() -> None:
    assert take_anchors("plain") == ("plain", ())
    assert without_anchors("plain") == "plain"


def test_a_space_that_only_parted_an_anchor_goes_with_it() -> None:
    assert take_anchors(f"word {anchor('1')}. Next {anchor('2')} one {anchor('3')}") == (
        "word. Next one", ((4, "1"), (10, "2"), (14, "3")),
    )  # fmt: skip


def test_foreign_text_cannot_pass_for_an_anchor() -> None:
    assert without_noncharacters(f"a{anchor('1')}b\ufdef") == "a1b"
    assert take_anchors("a\ufdd0 unclosed") == ("a unclosed", ())
