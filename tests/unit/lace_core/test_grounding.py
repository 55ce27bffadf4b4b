"""The verifier on hand-made pairs: what it calls supported is supported; what it cannot decide it does not."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.verification.grounding import Verdict, normalise, verify

_GOLDEN = Path(__file__).parents[2] / "golden" / "grounding"
PAIRS: list[dict[str, Any]] = [
    pair | {"file": path.stem}
    for path in sorted(_GOLDEN.glob("*.json"))
    for pair in json.loads(path.read_text())["pairs"]
]
_SUPPORTED = "supported"


def _judged() -> list[tuple[dict[str, Any], str]]:
    return [(pair, verify(pair["sentence"], pair["quotes"]).verdict.word) for pair in PAIRS]


def _upper_bound(trials: int) -> float:
    """The upper end of the 95% Clopper-Pearson interval (one-sided) where no trial failed: 1 - 0.05^(1/n)."""
    return float(1 - 0.05 ** (1 / trials))


def test_the_golden_set_is_big_and_hard_enough() -> None:
    expected = Counter(pair["verdict"] for pair in PAIRS)
    assert set(expected) == {verdict.word for verdict in Verdict}
    assert len(PAIRS) >= 80
    assert len(PAIRS) - expected[_SUPPORTED] >= 60
    assert len({(pair["sentence"], *pair["quotes"]) for pair in PAIRS}) == len(PAIRS)
    assert all(pair["why"] for pair in PAIRS)


def test_nothing_false_is_called_supported(record_property: Any, capsys: pytest.CaptureFixture[str]) -> None:
    judged = _judged()
    against = [(pair, found) for pair, found in judged if pair["verdict"] != _SUPPORTED]
    wrong = [f"{pair['file']}: {pair['why']}: {pair['sentence']}" for pair, found in against if found == _SUPPORTED]
    report = f"{len(wrong)} false supports in {len(against)} pairs; 95% upper bound {_upper_bound(len(against)):.2%}"
    record_property("false_supports", report)
    with capsys.disabled():
        print(f"\n{report}")
    assert wrong == [], report


def test_most_of_what_is_supported_is_called_so(record_property: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = [found for pair, found in _judged() if pair["verdict"] == _SUPPORTED]
    rate = found.count(_SUPPORTED) / len(found)
    report = f"{found.count(_SUPPORTED)} of {len(found)} supported pairs called supported ({rate:.1%})"
    record_property("true_supports", report)
    with capsys.disabled():
        print(f"\n{report}; the others: {dict(Counter(found) - Counter({_SUPPORTED: len(found)}))}")
    assert rate >= 0.8, report


def test_nothing_that_is_supported_is_called_contradicted() -> None:
    assert [p["sentence"] for p, found in _judged() if p["verdict"] == _SUPPORTED and found == "contradicted"] == []


def test_contradictions_are_found_as_such() -> None:
    found = Counter(found for pair, found in _judged() if pair["verdict"] == "contradicted")
    assert found["contradicted"] / found.total() >= 0.9, found


def test_most_verdicts_are_those_given_by_hand() -> None:
    wrong = [f"{p['sentence']} {p['verdict']} {found}" for p, found in _judged() if p["verdict"] != found]
    assert len(wrong) / len(PAIRS) <= 0.12, wrong


@pytest.mark.parametrize("pair", [p for p in PAIRS if p["quotes"]], ids=lambda p: p["sentence"][:60])
def test_the_quote_itself_is_always_supported(pair: dict[str, Any]) -> None:
    for quote in pair["quotes"]:
        assert verify(quote, pair["quotes"]).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("pair", [p for p in PAIRS if p["verdict"] != _SUPPORTED], ids=lambda p: p["sentence"][:60])
def test_other_sources_beside_it_do_not_make_it_true(pair: dict[str, Any]) -> None:
    others = ["The ferry runs twice a day in winter.", "A reading of 12 was not expected, and 5 may be more."]
    for quotes in ([*others, *pair["quotes"]], [*pair["quotes"], *others]):
        assert verify(pair["sentence"], quotes).verdict is not Verdict.SUPPORTED


_PROSE = sorted({quote for pair in PAIRS for quote in pair["quotes"] if " | " not in quote and "\n" not in quote})


@settings(max_examples=120)
@given(st.sampled_from(_PROSE), st.sampled_from(["not", "may", "only", "if", "never", "nearly"]), st.integers(0, 30))
def test_a_word_that_turns_or_narrows_it_is_never_passed_over(quote: str, word: str, place: int) -> None:
    words = quote.split()
    words.insert(place % (len(words) + 1), word)
    assert verify(" ".join(words), [quote]).verdict is not Verdict.SUPPORTED


@settings(max_examples=120)
@given(st.sampled_from([quote for quote in _PROSE if re.search(r"\d", quote)]), st.integers(0, 30), st.integers(1, 9))
def test_no_digit_can_be_changed(quote: str, place: int, by: int) -> None:
    digits = [match.start() for match in re.finditer(r"[0-9]", quote)]
    at = digits[place % len(digits)]
    changed = f"{quote[:at]}{(int(quote[at]) + by) % 10}{quote[at + 1 :]}"
    assert verify(changed, [quote]).verdict is not Verdict.SUPPORTED


def test_the_telling_finding_comes_last() -> None:
    found = verify("The valves could be closed in 1936.", ["The valves could not be closed in 1935."])
    assert found.verdict is Verdict.CONTRADICTED
    assert found.reasons[0] == "quote: not verbatim"
    assert found.reasons[-1] in ("numbers: 1936 is not in the evidence", "negation: differs")


def test_words_and_verdicts_are_the_same_thing() -> None:
    assert [Verdict.of(verdict.word) for verdict in Verdict] == list(Verdict)
    assert min(Verdict) is Verdict.CONTRADICTED
    with pytest.raises(KeyError):
        Verdict.of("maybe")


def test_what_is_normalised_stays_so() -> None:
    once = normalise("“Wall”\u00a0– 5\u202f000 mm, oﬃce")
    assert once == '"wall" - 5000 mm, office'
    assert normalise(once) == once


_texts = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [text for pair in PAIRS for text in (pair["sentence"], *pair["quotes"])]
)


@settings(max_examples=150)
@given(_texts, st.lists(_texts, max_size=3))
def test_any_text_gets_a_verdict_and_the_same_one_again(sentence: str, quotes: list[str]) -> None:
    found = verify(sentence, quotes)
    assert found == verify(sentence, list(quotes))
    assert found.reasons
    if not quotes or not sentence.strip():
        assert found.verdict is Verdict.UNSUPPORTED


@pytest.mark.parametrize(
    "sentence",
    [
        "word " * 20_000,
        "1," * 20_000,
        "a, which " * 3_000,
        "(" * 20_000,
        "it was led by " * 3_000,
        ". " * 20_000,
        "1\n" * 9_000,
    ],
    ids=lambda text: text[:12],
)
def test_long_texts_cost_no_more_than_their_length(sentence: str) -> None:
    began = time.perf_counter()
    verify(sentence, [sentence[1:], "The pump failed."])
    assert time.perf_counter() - began < 5


def _seconds(quotes: Sequence[str]) -> float:
    sentence = "The final cost of the scheme was {} per cent below the first budget that the Board approved in May."
    began = time.process_time()
    for number in range(100):
        verify(sentence.format(number), quotes)
    return (time.process_time() - began) / 100


def test_a_sentence_takes_less_than_a_millisecond() -> None:
    quotes = ["The final cost was 7.9 per cent above the first budget and 1.8 per cent below the revised budget."] * 2
    assert min(_seconds(quotes) for _ in range(5)) < 0.001
