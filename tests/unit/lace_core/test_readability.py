"""Readability: syllables of known words, the formulas by hand, and what is said of other languages."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lace_core.suites.readability import score
from lace_core.suites.syllables import syllables

from .written_documents import codes, document, found

# Counted by hand out of words that the rules were not made on.
_WORDS = {
    1: "strait lamp crossed graves scheme prove stopped fourth wrench lakes breathe height through sludge weighed",
    2: "engine harbour planted windows concrete outlet drainage trenches bolted supplies voltage sample hammer "
    "pieces cables meters tunnels bridges little noted",
    3: "remedy consultant vertical operate telephone contractor elected hydraulic pipelines general manager "
    "regular location library variance polymer",
    4: "authority community preliminary geology supervision additional technology excavation corporation temporary",
    5: "characteristic organization opportunity university refrigerator",
}


def test_syllables_are_counted_right_in_at_least_nine_of_ten_words() -> None:
    counted = [(word, count, syllables(word)) for count, words in _WORDS.items() for word in words.split()]
    wrong = [each for each in counted if each[1] != each[2]]
    assert len(wrong) * 10 <= len(counted), wrong


@pytest.mark.parametrize(("word", "count"), [("", 1), ("42", 1), ("the", 1), ("naïve", 1), ("BH-14", 1)])
def test_what_is_no_english_word_has_one_syllable_at_least(word: str, count: int) -> None:
    assert syllables(word) >= count


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        # 12 words, 2 sentences, 13 syllables ("water" has two), no word longer than six letters
        ("flesch_reading_ease", Decimal("109.1")),  # 206.835 - 1.015 * 6 - 84.6 * 13 / 12 = 109.095
        ("flesch_kincaid_grade", Decimal("-0.5")),  # 0.39 * 6 + 11.8 * 13 / 12 - 15.59 = -0.467
        ("lix", Decimal("6.0")),
    ],
)
def test_the_formulas_give_what_they_give_by_hand(formula: str, expected: Decimal) -> None:
    text = ["The main was old and it leaked.", "So the water was lost."]
    assert [sum(map(len, (sentence.split() for sentence in text)))] == [12]
    assert score(formula, text) == expected


def test_lix_counts_words_of_more_than_six_letters() -> None:
    assert score("lix", ["The pumping station failed."]) == Decimal("54.0")  # 4 words + 100 * 2 / 4


def test_bounds_are_held_and_the_heaviest_sentences_told() -> None:
    hard = "Considerable organisational responsibilities necessitated supplementary administrative consultation."
    artifact = document(("One", ["It rains.", hard]))
    result = found("rule: readability, formula: flesch_reading_ease, at_least: 60", artifact)
    assert codes(result) == ["READABILITY"]
    assert result.findings[0].places[0].text == hard
    assert codes(found("rule: readability, formula: flesch_reading_ease, at_most: 60", artifact)) == []


@pytest.mark.parametrize(
    ("formula", "language", "status"),
    [("flesch_reading_ease", "de", "skipped"), ("lix", "sv-SE", "passed"), ("lix", "ja", "skipped")],
)
def test_a_formula_says_where_it_is_not_made_for_a_language(formula: str, language: str, status: str) -> None:
    result = found(f"rule: readability, formula: {formula}", document(("One", ["Hej då."]), language=language))
    assert result.status == status
    assert (status == "passed") or result.message.startswith(f"Not applicable: {formula} is made for ")


def test_no_prose_is_not_applicable() -> None:
    assert found("rule: readability, formula: lix", document(("One", []))).status == "skipped"
