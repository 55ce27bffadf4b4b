"""The one normalisation: what it drops, spells out and keeps, and that doing it twice changes nothing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_ingest.domain.reading.text import count_words, normalise, normalise_code


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  a \t\n b\u00a0c\u202fd ", "a b c d"),
        ("e\u0301te\u0301", "été"),
        ("co\u00adop\u200berate\ufeff", "cooperate"),
        ("e\ufb03cient \ufb01eld", "efficient field"),
        ("a\x00b\x07c\u202ed", "abcd"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("line one\r\nline two\x85three", "line one line two three"),
    ],
)
def test_prose_is_normalised(raw: str, expected: str) -> None:
    assert normalise(raw) == expected


def test_code_keeps_its_lines_and_inner_spacing() -> None:
    assert normalise_code("\r\n\n  def f( x ):\r\n\treturn x  \n\n\n") == "  def f( x ):\n\treturn x"
    assert normalise_code("one\ftwo\vthree\x85four\u2028five\x1d") == "one\ntwo\nthree\nfour\nfive"
    assert normalise_code("\n \f") == ""


@given(st.text(max_size=300))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "\x00" not in once


@given(st.text(max_size=300))
def test_normalising_code_twice_changes_nothing(text: str) -> None:
    once = normalise_code(text)
    assert normalise_code(once) == once


@pytest.mark.parametrize(
    ("text", "words"),
    [("", 0), ("one", 1), ("well-known facts", 2), ("£28.4 million", 2), ("don\u2019t", 1), ("今日は", 3), ("— …", 0)],
)
def test_words_are_counted(text: str, words: int) -> None:
    assert count_words(text) == words
