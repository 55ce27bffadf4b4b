"""Sentences on a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lace_cli.lines import broken

SENTENCE = "  The recommended tenders had a combined price of 22.44 million pounds, less than was allowed for."


def test_a_sentence_is_broken_between_words_and_goes_on_indented() -> None:
    assert broken(SENTENCE, 4, 60) == [
        "  The recommended tenders had a combined price of 22.44",
        "    million pounds, less than was allowed for.",
    ]


def test_a_program_and_a_wide_terminal_get_one_line() -> None:
    assert broken(SENTENCE, 4, 0) == broken(SENTENCE, 4, 200) == [SENTENCE]


@given(st.lists(st.text("abc-–", min_size=1, max_size=60), min_size=1, max_size=12), st.integers(40, 120))
def test_no_word_is_lost(words: list[str], width: int) -> None:
    told = broken(" ".join(words), 2, width)
    assert " ".join(told).split() == words
    assert all(len(line) <= width or " " not in line.strip() for line in told)
