"""What is quoted of a unit, and which words of it are marked; and what a misspelt word is taken for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_ingest.domain.documents import Span, Unit, UnitKind
from lace_ingest.domain.retrieval.passages import best_passage, matching, words_of
from lace_ingest.domain.retrieval.spelling import best_guess, distance

WORDS = st.text("abcd", max_size=8)


def unit(*sentences: str) -> Unit:
    spans, text = [], ""
    for sentence in sentences:
        spans.append(Span(len(text), len(text) + len(sentence)))
        text += sentence + " "
    return Unit("u", 0, UnitKind.PARAGRAPH, text, "h", tuple(spans))


def quoted(made: Unit, *asked: str) -> tuple[str, list[str]]:
    lexemes = {word: frozenset((word.rstrip("s"),)) for word in words_of(made.text)}
    passage = best_passage(made, matching(lexemes, frozenset(asked)))
    assert all(passage.span.start <= one.start < one.end <= passage.span.end for one in passage.matches)
    return (
        made.text[passage.span.start : passage.span.end],
        [made.text[match.start : match.end] for match in passage.matches],
    )


def test_the_span_with_most_of_the_words_is_quoted() -> None:
    made = unit("A bridge.", "The Bridges cost 10.5 pounds, bridges did.", "It cost more.")
    expected = ("The Bridges cost 10.5 pounds, bridges did.", ["Bridges", "cost", "10.5", "bridges"])
    assert quoted(made, "bridge", "cost", "10.5") == expected


def test_a_word_of_every_span_points_nowhere_and_the_first_of_equals_is_taken() -> None:
    made = unit("Water is wet.", "Water flows.", "Water and water, water.", "Water flows again.")
    assert quoted(made, "water", "flow")[0] == "Water flows."
    assert quoted(made, "fire") == ("Water is wet.", [])


def test_a_unit_without_spans_is_quoted_whole() -> None:
    made = Unit("u", 0, UnitKind.CODE, "x = foo_bar(1)", "h", ())
    assert quoted(made, "foo_bar") == ("x = foo_bar(1)", ["foo_bar"])


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [("", "", 0), ("abc", "abc", 0), ("python", "pyhton", 1), ("generatr", "generator", 1), ("ca", "abc", 3)],
)
def test_edits_are_counted(first: str, second: str, edits: int) -> None:
    assert distance(first, second) == edits


@given(WORDS, WORDS)
def test_distance_is_the_same_both_ways_and_nothing_only_between_equals(first: str, second: str) -> None:
    assert distance(first, second) == distance(second, first) <= max(len(first), len(second))
    assert (distance(first, second) == 0) == (first == second)


def test_the_nearest_then_the_most_frequent_then_the_first_is_meant() -> None:
    assert best_guess("brige", {"bridg": 5, "brig": 9, "brine": 9, "zebra": 99}) == "brig"
    assert best_guess("generatr", {"generat": 1, "generous": 50}) == "generat"
    assert best_guess("brige", {"brig": 0}) is None
    assert best_guess("tree", {"true": 3, "trees": 3}) == "trees"
    assert best_guess("elephant", {"bridg": 5}) is None


def test_a_word_with_another_first_letter_is_never_meant() -> None:
    assert best_guess("biden", {"widen": 9}) is None
    assert best_guess("transpar", {"transfer": 9}) is None
    assert best_guess("transparent", {"transparant": 1, "transferent": 9}) == "transparant"
