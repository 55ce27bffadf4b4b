"""Answers that break their contract, through the pipelines that ask: refused with a code and a pointer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core import contracts
from lace_core.contracts import Written, WrittenParagraph, WrittenSentence
from lace_core.ir import cited_parts
from lace_runs.app import artifacts
from lace_runs.domain.runs import Run, RunState
from tests.doubles.runs_world import SOURCE, TEXTS, World

FIRST = TEXTS["Cost"].split(". ")[0] + "."
ONE_TRY = {"runs.step_attempts": 1, "runs.judge": True}


def paragraph(*sentences: WrittenSentence) -> str:
    blocks = (WrittenParagraph(sentences=sentences),)
    return msgspec.json.encode(Written(blocks=blocks, summary="")).decode()


async def run_with(world: World, contract: str, answer: str, pipeline_id: str = "generate") -> Run:
    """A run whose model gives this one answer under a contract, and keeps the rules under all others."""
    rules = world.model.answer

    def told(asked: contracts.Contract, question: Any) -> str:
        return answer if asked.name == contract else rules(asked, question)

    world.model.answer = told  # type: ignore[assignment, method-assign]
    request: dict[str, Any] = {"title": "The bridge"} if pipeline_id == "generate" else {}
    started = await world.start(pipeline_id, settings=ONE_TRY, source_ids=(SOURCE.source_id,), **request)
    async with world.worker():
        return await world.until(started.run_id, "succeeded", "failed")


@pytest.mark.parametrize(
    ("contract", "pipeline_id", "answer", "found"),
    [
        ("lace.write.v1", "generate", "Certainly! Here it is.", "NOT_JSON"),
        ("lace.write.v1", "generate", '{"blocks": 7, "summary": ""}', "at /blocks: SCHEMA"),
        ("lace.extract_facts.v1", "facts", "[]", "SCHEMA"),
        ("lace.extract_facts.v1", "facts", '{"facts": [', "NOT_JSON"),
    ],
)  # fmt: skip
async def test_what_is_not_of_the_contract_ends_the_step(
    world: World, contract: str, pipeline_id: str, answer: str, found: str
) -> None:
    done = await run_with(world, contract, answer, pipeline_id)
    assert (done.state, done.error_code) == (RunState.FAILED, "PROVIDER_OUTPUT_INVALID")
    assert found in done.error_message
    assert contract in done.error_message


async def test_a_fact_that_was_not_given_refuses_the_section(world: World) -> None:
    done = await run_with(world, "lace.write.v1", paragraph(WrittenSentence(text=FIRST, fact_ids=("F999",))))
    assert (done.state, done.error_code) == (RunState.FAILED, "PROVIDER_OUTPUT_INVALID")


async def test_a_sentence_of_a_section_without_a_fact_is_kept_out(world: World) -> None:
    bare, cited = WrittenSentence(text=FIRST, fact_ids=()), WrittenSentence(text=FIRST, fact_ids=("F1", "F1"))
    rules = world.model.sentences
    world.model.sentences = lambda facts: iter([bare, cited] if facts[0].fact_id == "F1" else rules(facts))  # type: ignore[method-assign]
    started = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(started.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED, done.error_message
    async with world.open(world.tenant_id) as work:
        document = (await artifacts.show(work, world.tenant_id, done.artifact_id)).document
    said = [part for node in document.nodes for block in node.blocks for part in cited_parts(block)]
    mine = [part for part in said if part.text == FIRST and part.evidence_ids]
    assert mine
    assert all(len(set(part.evidence_ids)) == len(part.evidence_ids) for part in mine)  # one fact, cited once
    assert all(part.evidence_ids for part in said)


@pytest.mark.slow
async def test_a_million_sentences_are_refused_before_they_are_read(world: World) -> None:
    answer = paragraph(*[WrittenSentence(text=FIRST, fact_ids=("F1",))] * 1_000_000)
    done = await run_with(world, "lace.write.v1", answer)
    assert (done.state, done.error_code) == (RunState.FAILED, "PROVIDER_OUTPUT_INVALID")
    assert "TOO_LONG: there are 73000060 characters, and 4000000 are allowed" in done.error_message
