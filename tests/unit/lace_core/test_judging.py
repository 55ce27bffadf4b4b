"""The judge: what it is asked, that it can only lower, and what its silence comes to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.contracts import Fact, JudgeInput, Judgement, JudgeVerdict
from lace_core.judging import MOST_CHARACTERS, MOST_SENTENCES, judge_input, lowered, questions
from lace_core.planning import Grounds
from lace_core.verification.verdicts import ABSTAINED, Verdict
from lace_core.writing import SentenceVerdict

_FACT = Fact(
    fact_id="F1",
    kind="sentence",
    text="The pump failed.",
    source="a.md",
    heading_path=(),
    page=0,
    unit="unt_1",
    position=0,
    score=0,
)
_GROUNDS = {"F1": Grounds(fact=_FACT, pieces=())}
_WORDS = [verdict.word for verdict in Verdict]


def _verdict(name: str, verdict: str) -> SentenceVerdict:
    return SentenceVerdict(sentence_id=name, text=name, fact_ids=("F1",), verdict=verdict, reasons=("own: x",))


def _judged(name: str, verdict: Any) -> JudgeVerdict:
    return JudgeVerdict(sentence_id=name, verdict=verdict, reason="because")


def _asked(*names: str) -> JudgeInput:
    return judge_input([_verdict(name, "supported") for name in names], _GROUNDS)


def test_the_judge_sees_only_what_stands() -> None:
    asked = judge_input([_verdict("a", "supported"), _verdict("b", "partially")], _GROUNDS)
    assert [(s.sentence_id, s.quotes) for s in asked.sentences] == [("a", ("The pump failed.",))]


@pytest.mark.parametrize("own", _WORDS)
@pytest.mark.parametrize("judge", _WORDS)
def test_a_judge_can_only_lower(own: str, judge: str) -> None:
    (found,) = lowered([_verdict("a", own)], _asked("a"), Judgement(verdicts=(_judged("a", judge),)), "llc_1")
    assert found.verdict == min(own, judge, key=_WORDS.index)
    assert found.reasons == ("own: x", f"judge: {judge} (because)")
    layer = found.layers[-1]
    assert (layer.layer, layer.verdict, layer.finding, layer.call_id) == ("judge", judge, "because", "llc_1")


def test_of_two_judgements_the_worse_counts_and_strangers_are_ignored() -> None:
    judgement = Judgement(verdicts=(_judged("a", "unsupported"), _judged("a", "supported"), _judged("z", "supported")))
    found = lowered([_verdict("a", "supported"), _verdict("z", "supported")], _asked("a"), judgement)
    assert [verdict.verdict for verdict in found] == ["unsupported", "supported"]
    assert [verdict.stands for verdict in found] == [False, True]
    assert found[1].layers == ()


@pytest.mark.parametrize("judgement", [None, Judgement(verdicts=()), Judgement(verdicts=(_judged("z", "supported"),))])
@pytest.mark.parametrize(("abstention", "verdict"), [("keep", "supported"), ("review", "partially")])
def test_silence_is_an_abstention_and_the_setting_says_what_it_comes_to(
    judgement: Judgement | None, abstention: Any, verdict: str
) -> None:
    (found,) = lowered([_verdict("a", "supported")], _asked("a"), judgement, "llc_1", abstention)
    assert found.verdict == verdict
    assert (found.layers[-1].layer, found.layers[-1].verdict) == ("judge", ABSTAINED)


@given(st.lists(st.integers(1, 9000), max_size=90))
def test_questions_are_bounded_and_hold_everything_once(sizes: list[int]) -> None:
    verdicts = [_verdict(f"{place}-{'x' * size}", "supported") for place, size in enumerate(sizes)]
    asked = judge_input(verdicts, _GROUNDS)
    made = list(questions(asked))
    assert [sentence for each in made for sentence in each.sentences] == list(asked.sentences)
    for each in made:
        size = sum(len(s.text) + sum(map(len, s.quotes)) for s in each.sentences)
        assert 1 <= len(each.sentences) <= MOST_SENTENCES
        assert size <= MOST_CHARACTERS or len(each.sentences) == 1
