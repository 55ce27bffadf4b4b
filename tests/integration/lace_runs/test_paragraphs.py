"""A paragraph by its specification: written, verified, edited, and made again out of what is stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from lace_core import contracts
from lace_core.contracts import ParagraphInput, ParagraphText, WrittenSentence
from lace_core.errors import LaceError, Reason
from lace_core.policies.parsing import parse
from lace_core.policies.resolving import resolve
from lace_core.policies.settings import under
from lace_core.settings import resolve as resolve_settings
from lace_runs.domain.paragraphs.states import ParagraphState
from lace_runs.domain.runs import RunState, Trigger
from tests.doubles.paragraphs_world import COST, PAID, TESTED, Paragraphs
from tests.doubles.runs_world import World

LIE = "The bridge cost 9.9 million pounds in 2021."
VAGUE = "The bridge cost the council a great many millions of pounds."


@pytest.fixture
def paragraphs(world: World) -> Paragraphs:
    return Paragraphs(world)


async def test_a_paragraph_is_written_out_of_its_facts_alone(paragraphs: Paragraphs) -> None:
    asked: list[ParagraphInput] = []
    rule = paragraphs.world.model.paragraph

    def watched(given: ParagraphInput) -> ParagraphText:
        asked.append(given)
        return rule(given)

    paragraphs.world.model.paragraph = watched  # type: ignore[assignment, method-assign]
    made = await paragraphs.create()
    assert (made.state, made.text_version) == (ParagraphState.DRAFT, 0)
    done = await paragraphs.generate(made)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert done.result is not None
    assert done.result["paragraph"] == {
        "paragraph_id": made.paragraph_id, "text_version": 1, "state": "verified", "standing": 2, "withheld": 0,
        "review_items": 0,
    }  # fmt: skip
    assert [fact.fact_id for fact in asked[0].facts] == ["fct_cost", "fct_paid"]
    shown = await paragraphs.show(made)
    assert shown.text is not None
    assert shown.paragraph.state is ParagraphState.VERIFIED
    assert [(s.text, [link.fact_id for link in s.links]) for s in shown.text.standing] == [
        (COST, ["fct_cost"]), (PAID, ["fct_paid"])
    ]  # fmt: skip
    assert all(s.layers and s.links[0].evidence.quote == s.text for s in shown.text.standing)
    assert shown.text.making.call_id
    assert shown.text.making.input_hash


async def test_a_sentence_that_does_not_stand_is_never_content(paragraphs: Paragraphs) -> None:
    paragraphs.world.model.lie = LIE
    made = await paragraphs.create()
    done = await paragraphs.generate(made)
    assert (await paragraphs.show(made)).paragraph.state is ParagraphState.PARTIAL
    assert await paragraphs.texts(made) == ([COST, PAID], [LIE])
    assert [warning["code"] for warning in done.warnings] == ["SENTENCES_KEPT_OUT"]
    shown = await paragraphs.show(made, scopes=frozenset({"artifacts:read"}))
    assert not shown.may_review


async def test_the_cause_of_a_failed_run_is_the_paragraphs(paragraphs: Paragraphs) -> None:
    def stray(asked: ParagraphInput) -> ParagraphText:
        return ParagraphText(sentences=(WrittenSentence(text=TESTED, fact_ids=("fct_tested",)),))

    made = await paragraphs.create()
    await paragraphs.generate(made)
    paragraphs.world.model.paragraph = stray  # type: ignore[method-assign]
    done = await paragraphs.generate(made, {"runs.step_attempts": 1})
    assert (done.state, done.error_code) == (RunState.FAILED, "PROVIDER_OUTPUT_INVALID")
    shown = await paragraphs.show(made)
    assert shown.paragraph.state is ParagraphState.FAILED
    assert (shown.paragraph.error_code, shown.paragraph.run_id) == (done.error_code, done.run_id)
    assert "/sentences/0/fact_ids/0: FACT_NOT_ALLOWED" in shown.paragraph.error_message == done.error_message
    assert await paragraphs.texts(made) == ([COST, PAID], [])  # the text of before


async def test_a_cancelled_run_is_a_cause_too_and_only_once(paragraphs: Paragraphs) -> None:
    world = paragraphs.world
    world.model.delay_s = 30
    made = await paragraphs.create()
    run = await paragraphs.start(made)
    assert (await paragraphs.show(made)).paragraph.state is ParagraphState.GENERATING
    async with world.worker():
        await world.until_started(run.run_id)
        await world.control(run.run_id, Trigger.CANCEL)
        await world.until(run.run_id, "cancelled")
    shown = await paragraphs.show(made)
    assert (shown.paragraph.state, shown.paragraph.error_code) == (ParagraphState.FAILED, "RUN_CANCELLED")
    assert shown.paragraph.version == 3  # made, taken by the run, ended with it


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
async def test_a_run_that_was_taken_over_ends_its_paragraph_once(paragraphs: Paragraphs, fails: bool) -> None:
    world = paragraphs.world
    made = await paragraphs.create()
    world.model.delay_s = 30
    run = await paragraphs.start(made, settings={"runs.step_attempts": 1})
    async with world.worker(lease_ms=400) as (lease, _):
        await world.until_started(run.run_id)
        await lease.close()  # as if the process had died
        world.model.delay_s = 0
        if fails:
            world.model.fail_first = [LaceError(Reason.PROVIDER_REFUSED, "No.")]
        async with world.worker(lease_ms=400):
            done = await world.until(run.run_id, "succeeded", "failed")
    shown = await paragraphs.show(made)
    state = ParagraphState.FAILED if fails else ParagraphState.VERIFIED
    assert (done.epoch, done.error_code) == (2, "PROVIDER_REFUSED" if fails else "")
    assert (shown.paragraph.state, shown.paragraph.error_code) == (state, done.error_code)
    assert (shown.paragraph.texts, shown.paragraph.version) == (0 if fails else 1, 3)


@pytest.mark.parametrize(
    ("sentences", "found"),
    [
        ([WrittenSentence(text=COST, fact_ids=())], "/sentences/0/fact_ids: SENTENCE_WITHOUT_FACT"),
        ([WrittenSentence(text=COST, fact_ids=("fct_nowhere",))], "/sentences/0/fact_ids/0: FACT_NOT_ALLOWED"),
        ([WrittenSentence(text=TESTED, fact_ids=("fct_tested",))], "/sentences/0/fact_ids/0: FACT_NOT_ALLOWED"),
        ([WrittenSentence(text=COST, fact_ids=("fct_cost",) * 2)], "/sentences/0/fact_ids/1: FACT_REPEATED"),
        ([WrittenSentence(text=COST, fact_ids=("fct_cost",))] * 2, "/sentences/1/text: SENTENCE_REPEATED"),
        ([WrittenSentence(text=" ", fact_ids=("fct_cost",))], "/sentences/0/text: SENTENCE_EMPTY"),
        ([WrittenSentence(text=COST, fact_ids=("fct_cost",))] * 9, "/sentences: TOO_MANY_SENTENCES"),
        pytest.param(
            [WrittenSentence(text=COST, fact_ids=("fct_cost",))] * 1_000_000,
            ": TOO_LONG",
            marks=pytest.mark.slow,
        ),
        ("{not json", ": NOT_JSON"),
        ('{"sentences": [{"text": 1, "fact_ids": []}]}', "/sentences/0/text: SCHEMA"),
        ('{"sentences": [], "more": 1}', "SCHEMA"),
    ],
)
async def test_an_answer_that_breaks_the_contract_is_refused_with_a_pointer(
    paragraphs: Paragraphs, sentences: Any, found: str
) -> None:
    def broken(contract: contracts.Contract, asked: Any) -> str:
        if isinstance(sentences, str):
            return sentences
        return msgspec.json.encode(ParagraphText(sentences=tuple(sentences))).decode()

    paragraphs.world.model.answer = broken  # type: ignore[method-assign]
    made = await paragraphs.create()
    done = await paragraphs.generate(made, {"runs.step_attempts": 1})
    assert (done.state, done.error_code) == (RunState.FAILED, "PROVIDER_OUTPUT_INVALID")
    assert found in done.error_message
    assert (await paragraphs.show(made)).text is None


async def test_a_text_is_made_again_with_the_model_away(paragraphs: Paragraphs) -> None:
    paragraphs.world.model.lie = LIE
    made = await paragraphs.create()
    await paragraphs.generate(made, {"runs.judge": True})
    paragraphs.world.model.answer = _away  # type: ignore[method-assign, assignment]
    paragraphs.world.facts.facts.clear()
    rebuilt = await paragraphs.rebuild(made)
    assert rebuilt.same
    assert rebuilt.differences == ()
    kinds = [artefact.kind for artefact in rebuilt.artefacts]
    assert kinds == ["specification", "facts", "input", "prompt", "answer", "judgement", "verifier"]
    assert rebuilt.artefacts[2].sha256 == rebuilt.text.making.input_hash


def _away(*_: Any) -> str:
    raise LaceError(Reason.PROVIDER_UNAVAILABLE, "The model is away.")


async def test_a_persons_text_is_made_again_too(paragraphs: Paragraphs) -> None:
    made = await paragraphs.create()
    await paragraphs.edit(made, (COST, ("fct_cost",)), (PAID, ("fct_paid",)))
    paragraphs.world.facts.facts.clear()
    rebuilt = await paragraphs.rebuild(made)
    assert rebuilt.same
    assert [artefact.kind for artefact in rebuilt.artefacts] == ["sentences", "verifier"]


async def test_what_was_altered_in_the_database_is_not_the_same_any_more(paragraphs: Paragraphs) -> None:
    made = await paragraphs.create()
    await paragraphs.generate(made)
    changed = "UPDATE runs.paragraph_sentences SET text = :text WHERE paragraph_id = :id AND position = 1"
    assert await paragraphs.world.sql(changed, text=LIE, id=made.paragraph_id) == 1
    rebuilt = await paragraphs.rebuild(made)
    assert rebuilt.differences == ("/sentences/1",)
    assert not rebuilt.same
    with pytest.raises(LaceError) as refused:
        await paragraphs.show(made)
    assert refused.value.reason is Reason.IR_CORRUPT


async def test_a_persons_sentences_are_held_against_their_facts(paragraphs: Paragraphs) -> None:
    made = await paragraphs.create()
    shown = await paragraphs.edit(made, (COST, ("fct_cost",)), (VAGUE, ("fct_cost", "fct_paid")))
    assert shown.text is not None
    assert shown.paragraph.state is ParagraphState.PARTIAL
    assert await paragraphs.texts(made) == ([COST], [VAGUE])
    with pytest.raises(LaceError) as refused:
        await paragraphs.edit(made, (COST, ("fct_cost",)), (LIE, ("fct_cost",)))
    assert refused.value.reason is Reason.PARAGRAPH_NOT_SUPPORTED
    assert [(d.field, d.description.partition(":")[0]) for d in refused.value.details] == [
        ("/sentences/1/text", "SENTENCE_CONTRADICTED")
    ]
    with pytest.raises(LaceError) as stray:
        await paragraphs.edit(made, (TESTED, ("fct_tested",)))
    assert stray.value.details[0].field == "/sentences/0/fact_ids/0"
    assert await paragraphs.texts(made) == ([COST], [VAGUE])


@pytest.mark.slow
async def test_verifying_again_asks_the_judge_and_only_lowers(paragraphs: Paragraphs) -> None:
    made = await paragraphs.create()
    await paragraphs.edit(made, (COST, ("fct_cost",)), (PAID, ("fct_paid",)))

    def strict(asked: contracts.JudgeInput) -> contracts.Judgement:
        verdicts = ("supported", "contradicted")
        return contracts.Judgement(
            verdicts=tuple(
                contracts.JudgeVerdict(sentence_id=s.sentence_id, verdict=v, reason="so")  # type: ignore[arg-type]
                for s, v in zip(asked.sentences, verdicts, strict=True)
            )
        )

    paragraphs.world.model.judge = strict  # type: ignore[method-assign]
    done = await paragraphs.verify(made, {"runs.judge": True})
    assert done.state is RunState.SUCCEEDED, done.error_message
    shown = await paragraphs.show(made)
    assert shown.text is not None
    assert (shown.paragraph.state, shown.text.making.origin) == (ParagraphState.PARTIAL, "person")
    assert await paragraphs.texts(made) == ([COST], [PAID])
    assert (await paragraphs.rebuild(made)).same


async def test_a_fact_that_was_retired_is_left_out_and_told(paragraphs: Paragraphs) -> None:
    made = await paragraphs.create(required_fact_ids=("fct_paid",))
    paragraphs.world.facts.state("fct_paid", "unt_cost", PAID, state="retired")
    done = await paragraphs.generate(made)
    assert [warning["code"] for warning in done.warnings] == ["FACT_RETIRED", "FACT_NOT_USED"]
    assert await paragraphs.texts(made) == ([COST], [])
    with pytest.raises(LaceError) as refused:
        await paragraphs.create()
    assert (refused.value.reason, refused.value.details[0].field) == (
        Reason.FACT_RETIRED, "/spec/allowed_fact_ids/1"
    )  # fmt: skip


async def test_who_may_not_see_a_source_sees_no_paragraph_of_it(paragraphs: Paragraphs) -> None:
    store = paragraphs.world.facts
    secret = msgspec.structs.replace(store.facts["fct_cost"].source, labels=("secret",))
    store.facts["fct_cost"] = msgspec.structs.replace(store.facts["fct_cost"], source=secret)
    with pytest.raises(LaceError) as refused:
        await paragraphs.create()
    assert refused.value.reason is Reason.PARAGRAPH_NOT_FOUND


async def test_a_paragraph_that_is_written_is_nobody_elses(paragraphs: Paragraphs) -> None:
    made = await paragraphs.create()
    await paragraphs.start(made)
    for act in (paragraphs.start(made), paragraphs.edit(made, (COST, ("fct_cost",)))):
        with pytest.raises(LaceError) as refused:
            await act
        assert refused.value.reason is Reason.PARAGRAPH_TRANSITION_ILLEGAL


@pytest.mark.slow
async def test_a_finished_run_that_is_started_again_takes_its_paragraph(paragraphs: Paragraphs) -> None:
    made = await paragraphs.create()
    first = await paragraphs.generate(made)
    again = await paragraphs.world.control(first.run_id, Trigger.RESTART, "compose")
    async with paragraphs.world.worker():
        done = await paragraphs.world.until(again.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED, done.error_message
    shown = await paragraphs.show(made)
    assert (shown.paragraph.run_id, shown.paragraph.text_version) == (again.run_id, 2)
    assert (await paragraphs.rebuild(made)).same


async def test_the_database_keeps_no_sentence_without_a_fact(paragraphs: Paragraphs) -> None:
    made = await paragraphs.create()
    await paragraphs.generate(made)
    with pytest.raises(IntegrityError, match="paragraph_sentences_need_a_fact"):
        await paragraphs.world.sql(
            "DELETE FROM runs.sentence_fact_links WHERE paragraph_id = :id", id=made.paragraph_id
        )


async def test_a_policy_keeps_phrases_out_and_speaks_to_the_writer(paragraphs: Paragraphs) -> None:
    house = (
        "policy: house\nversion: 1\nconstraints: {forbidden_phrases: [council]}\nhouse_rules: {write: [Be brief.]}\n"
    )
    settings = under(resolve([parse(house)]).policy, resolve_settings([]).values)
    asked: list[ParagraphInput] = []
    rule = paragraphs.world.model.paragraph

    def watched(given: ParagraphInput) -> ParagraphText:
        asked.append(given)
        return rule(given)

    paragraphs.world.model.paragraph = watched  # type: ignore[assignment, method-assign]
    made = await paragraphs.create()
    done = await paragraphs.generate(made, settings)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert (asked[0].house_rules, asked[0].forbidden_phrases) == (("Be brief.",), ("council",))
    assert await paragraphs.texts(made) == ([COST], [PAID])
    assert (await paragraphs.rebuild(made)).same
