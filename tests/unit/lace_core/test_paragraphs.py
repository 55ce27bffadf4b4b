"""Paragraphs by specification: what may be asked, what may be answered, and what stands of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core.contract_bounds import MOST_IN_ALL, MOST_ITEMS, excess
from lace_core.contracts import Judgement, JudgeVerdict, ParagraphText, WrittenSentence
from lace_core.ir import Source
from lace_core.judging import Judging
from lace_core.paragraphs import support
from lace_core.paragraphs.facts import StatedFact, allowed_fact, grounds_of_fact, is_intact, paragraph_input
from lace_core.paragraphs.sharing import Taker, shared
from lace_core.paragraphs.spec import ParagraphSpec, problems

TEXT = "The bridge cost 4.2 million pounds. The council paid 3.0 million pounds, not before 2021."
SPANS = ((0, 35), (36, len(TEXT)))
SOURCE = Source(
    source_id="src_1", version="0" * 64, filename="bridge.md", title="The bridge", media_type="text/markdown"
)


def stated(fact_id: str, quote: str, **more: Any) -> StatedFact:
    start = TEXT.index(quote)
    values = {
        "fact_id": fact_id, "statement": quote, "quote": quote, "start": start, "end": start + len(quote),
        "unit_id": "unt_1", "extraction": "x/1", "text": TEXT, "source": SOURCE, "spans": SPANS, **more,
    }  # fmt: skip
    return StatedFact(**values)


COST = allowed_fact(stated("fct_cost", "The bridge cost 4.2 million pounds."))
PAID = allowed_fact(stated("fct_paid", "The council paid 3.0 million pounds"))
FACTS = {"fct_cost": COST, "fct_paid": PAID}


def spec(**more: Any) -> ParagraphSpec:
    return ParagraphSpec(
        **{"title": "Cost", "purpose": "To say it.", "allowed_fact_ids": ("fct_cost", "fct_paid"), **more}
    )


def said(text: str, *fact_ids: str) -> WrittenSentence:
    return WrittenSentence(text=text, fact_ids=fact_ids)


def judged(*sentences: WrittenSentence) -> list[support.SupportedSentence]:
    return support.judged("par_1", "run_1", sentences, FACTS, spec())


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"title": " "}, "/spec/title"),
        ({"purpose": ""}, "/spec/purpose"),
        ({"must_cite": False}, "/spec/must_cite"),
        ({"allowed_fact_ids": ()}, "/spec/allowed_fact_ids"),
        ({"allowed_fact_ids": ("fct_cost", "fct_cost")}, "/spec/allowed_fact_ids/1"),
        ({"required_fact_ids": ("fct_cost", "fct_x")}, "/spec/required_fact_ids/1"),
        ({"required_fact_ids": ("fct_cost", "fct_cost")}, "/spec/required_fact_ids/1"),
        ({"min_sentences": 3, "max_sentences": 2}, "/spec/min_sentences"),
        ({"min_words": 300}, "/spec/min_words"),
        ({"questions": ("What?", "")}, "/spec/questions/1"),
        ({"forbidden_phrases": (" ",)}, "/spec/forbidden_phrases/0"),
        ({"required_fact_ids": ("fct_cost", "fct_paid"), "max_words": 1}, "/spec/max_words"),
    ],
)
def test_what_is_wrong_with_a_specification_is_pointed_to(changes: dict[str, Any], pointer: str) -> None:
    assert [found.field for found in problems(spec(**changes))] == [pointer]
    assert problems(spec()) == []


def test_a_quote_cut_out_of_a_sentence_is_held_to_all_of_it() -> None:
    assert PAID.evidence.quote == "The council paid 3.0 million pounds, not before 2021."
    assert TEXT[PAID.evidence.start : PAID.evidence.end] == PAID.evidence.quote
    whole = allowed_fact(stated("f", "cost 4.2 million pounds. The council", spans=SPANS))
    assert whole.evidence.quote == TEXT
    assert allowed_fact(stated("f", "bridge", spans=())).evidence.quote == TEXT
    assert grounds_of_fact(PAID, 3).fact.text == PAID.evidence.quote


def test_a_fact_whose_quote_is_not_there_is_not_intact() -> None:
    good = stated("f", "The bridge")
    assert is_intact(good)
    assert not is_intact(msgspec.structs.replace(good, quote="A bridge"))
    assert not is_intact(msgspec.structs.replace(good, quote="", end=good.start))


def test_the_model_is_told_the_allowed_facts_and_the_bounds() -> None:
    asked = paragraph_input(spec(required_fact_ids=("fct_paid",), max_words=50), [COST, PAID])
    assert [(fact.fact_id, fact.quote) for fact in asked.facts] == [
        ("fct_cost", COST.evidence.quote), ("fct_paid", PAID.evidence.quote)
    ]  # fmt: skip
    assert (asked.required_fact_ids, asked.max_words, asked.max_sentences) == (("fct_paid",), 50, 8)


@pytest.mark.parametrize(
    ("sentences", "found"),
    [
        ([said("a", "fct_cost")], []),
        ([], []),
        ([said("", "fct_cost")], [("/sentences/0/text", "SENTENCE_EMPTY")]),
        ([said("a\x00", "fct_cost")], [("/sentences/0/text", "SENTENCE_INVALID")]),
        ([said("a" * 2001, "fct_cost")], [("/sentences/0/text", "SENTENCE_INVALID")]),
        ([said("a", "fct_cost"), said(" a ", "fct_paid")], [("/sentences/1/text", "SENTENCE_REPEATED")]),
        ([said("a")], [("/sentences/0/fact_ids", "SENTENCE_WITHOUT_FACT")]),
        ([said("a", "fct_x", "fct_cost")], [("/sentences/0/fact_ids/0", "FACT_NOT_ALLOWED")]),
        ([said("a", "fct_cost", "fct_cost")], [("/sentences/0/fact_ids/1", "FACT_REPEATED")]),
        ([said("a", *["fct_cost"] * 1000)], [("/sentences/0/fact_ids", "FACT_REPEATED")]),
        ([said("a", "fct_cost")] * 9, [("/sentences", "TOO_MANY_SENTENCES")]),
    ],
)
def test_what_makes_an_answer_no_answer(sentences: list[WrittenSentence], found: list[tuple[str, str]]) -> None:
    wrong = support.refusals(sentences, spec())
    assert [(each.field, each.description.partition(":")[0]) for each in wrong] == found


def test_only_what_its_facts_say_stands() -> None:
    verdicts = judged(
        said("The bridge cost 4.2 million pounds.", "fct_cost"),
        said("The bridge cost 4.3 million pounds.", "fct_cost"),
        said("The council paid 3.0 million pounds.", "fct_paid"),
        said("The bridge cost 4.2 million pounds.", "fct_paid"),
    )
    assert [verdict.stands for verdict in verdicts] == [True, False, False, False]
    assert len({verdict.sentence_id for verdict in verdicts}) == 4
    assert all(verdict.links for verdict in verdicts)
    assert support.again(verdicts, spec()) == verdicts
    ruled = support.again(verdicts, spec(forbidden_phrases=("Million Pounds",)))
    assert not any(verdict.stands for verdict in ruled)
    assert ruled[0].layers[-1].layer == "policy"


def test_a_judge_only_lowers() -> None:
    verdicts = judged(said("The bridge cost 4.2 million pounds.", "fct_cost"), said("It shines.", "fct_cost"))
    asked = support.judge_input(verdicts)
    assert [sentence.sentence_id for sentence in asked.sentences] == [verdicts[0].sentence_id]

    def after(word: Any) -> list[bool]:
        told = tuple(JudgeVerdict(sentence_id=v.sentence_id, verdict=word, reason="so") for v in verdicts)
        judging = Judging(asked=asked, judgement=Judgement(verdicts=told), call_id="cal_1", abstention="review")
        return [verdict.stands for verdict in support.lowered(verdicts, judging)]

    assert after("supported") == [True, False]
    assert after("partially") == [False, False]


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"min_sentences": 2}, ["TOO_FEW_SENTENCES"]),
        ({"min_words": 7}, ["TOO_FEW_WORDS"]),
        ({"max_words": 5}, ["TOO_MANY_WORDS"]),
        ({"required_fact_ids": ("fct_cost", "fct_paid")}, ["FACT_NOT_USED"]),
    ],
)
def test_what_stands_is_held_to_the_bounds(changes: dict[str, Any], codes: list[str]) -> None:
    verdicts = judged(said("The bridge cost 4.2 million pounds.", "fct_cost"), said("It shines.", "fct_paid"))
    assert [rule.code for rule in support.unmet(spec(**changes), verdicts)] == codes


def test_a_texts_hash_is_that_of_all_that_it_says() -> None:
    verdicts = judged(said("The bridge cost 4.2 million pounds.", "fct_cost"))
    other = [msgspec.structs.replace(verdicts[0], text="The bridge cost nothing.")]
    read = msgspec.json.decode(support.encode(verdicts), type=tuple[support.SupportedSentence, ...])
    assert support.text_hash(read) == support.text_hash(verdicts) != support.text_hash(other)


def test_each_fact_goes_to_one_section_that_may_use_it() -> None:
    def taker(node_id: str, about: str, *fact_ids: str, units: frozenset[str] = frozenset()) -> Taker:
        return Taker(node_id=node_id, fact_ids=frozenset(fact_ids), about=about, unit_ids=units)

    both = ("fct_cost", "fct_paid")
    by_words = shared([COST, PAID], [taker("a", "What the council paid", *both), taker("b", "Bridge cost", *both)])
    assert {node_id: [f.fact_id for f in facts] for node_id, facts in by_words.items()} == {
        "a": ["fct_paid"], "b": ["fct_cost"]
    }  # fmt: skip
    found = shared([COST], [taker("a", "Bridge cost", *both), taker("b", "x", *both, units=frozenset({"unt_1"}))])
    assert [fact.fact_id for fact in found["b"]] == ["fct_cost"]
    assert shared([COST], [taker("a", "Bridge cost", "fct_paid")]) == {"a": []}


def test_an_answer_of_more_than_anybody_could_read_is_found_at_once() -> None:
    one = said("a", "fct_cost")
    assert excess(ParagraphText(sentences=(one,) * MOST_ITEMS)) is None
    assert excess(ParagraphText(sentences=(one,) * (MOST_ITEMS + 1))) == ("/sentences", MOST_ITEMS + 1)
    wide = said("a", *["f"] * 1000)
    found = excess(ParagraphText(sentences=(wide,) * 30))
    assert found is not None
    assert found.pointer == ""
    assert found.items > MOST_IN_ALL
