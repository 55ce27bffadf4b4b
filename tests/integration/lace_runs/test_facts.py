"""Taking facts out of sources as a run: part by part, once each, with what is refused told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lace_core import contracts
from lace_core.errors import LaceError, Reason
from lace_core.ir import Source
from lace_core.pipeline import FACTS
from lace_core.settings import resolve
from lace_runs.app.ports import Resolved
from lace_runs.app.runs import Start, prepare
from lace_runs.app.source_ports import SourceInfo
from lace_runs.domain import steps
from lace_runs.domain.runs import Request, Run, RunState, Trigger
from tests.doubles.runs_world import SOURCE, TEXTS, MemorySources, World

SOURCE_IDS = (SOURCE.source_id,)


async def extract(world: World, *states: str, **more: Any) -> Run:
    run = await world.start("facts", source_ids=more.pop("source_ids", SOURCE_IDS), **more)
    async with world.worker():
        return await world.until(run.run_id, *(states or ("succeeded", "failed")))


async def result(world: World, run: Run) -> dict[str, int]:
    found = (await world.get(run.run_id)).result
    assert found is not None
    return dict(found["facts"])


async def checkpoint(world: World, run: Run, step_id: str) -> steps.FactsKept:
    async with world.open(world.tenant_id) as work:
        found = await work.runs.checkpoint(world.tenant_id, run.run_id, step_id)
    assert found is not None
    kept = steps.decode("FactsKept", found.data)
    assert isinstance(kept, steps.FactsKept)
    return kept


async def test_every_part_is_asked_about_and_what_holds_is_kept(world: World) -> None:
    done = await extract(world)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert await result(world, done) == {"added": 4, "known": 0, "review": 0, "refused": 0}
    assert sorted(stated.quote for stated, _ in world.facts.kept.values()) == sorted(
        f"{sentence.removesuffix('.')}." for text in TEXTS.values() for sentence in text.split(". ")
    )
    assert {call["call_id"] for _, call in world.facts.kept.values()} != {""}
    assert (done.steps_done, done.steps_total) == (3, 3)
    assert await checkpoint(world, done, "facts:src_bridge/1") == steps.FactsKept(
        added=2, known=0, review=0, refused={}
    )


async def test_the_same_again_adds_nothing(world: World) -> None:
    await extract(world)
    assert await result(world, await extract(world)) == {"added": 0, "known": 4, "review": 0, "refused": 0}


async def test_what_no_source_says_is_refused_and_told(world: World) -> None:
    world.model.lie = "The bridge is made of gold."
    done = await extract(world)
    assert done.state is RunState.SUCCEEDED
    assert await result(world, done) == {"added": 4, "known": 0, "review": 0, "refused": 4}
    told = [warning["message"] for warning in done.warnings if warning["code"] == "FACTS_REFUSED"]
    assert told[0].endswith("2 of 4 facts were refused: QUOTE_NOT_IN_SPAN 1, STATEMENT_NOT_SUPPORTED 1.")
    assert not any("gold" in statement for *_, statement in world.facts.kept)


async def test_a_part_that_fails_is_tried_again_and_the_others_are_not(world: World) -> None:
    world.model.fail_first = [LaceError(Reason.PROVIDER_UNAVAILABLE, "Away.", retryable=True)]
    done = await extract(world, settings={"runs.node_parallelism": 1})
    assert done.state is RunState.SUCCEEDED
    assert await result(world, done) == {"added": 4, "known": 0, "review": 0, "refused": 0}


async def test_a_restart_from_a_part_asks_about_that_part_alone(world: World) -> None:
    first = await extract(world)
    run = await world.control(first.run_id, Trigger.RESTART, "facts:src_bridge/2")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    assert await result(world, done) == {"added": 2, "known": 2, "review": 0, "refused": 0}


async def test_a_source_that_is_not_read_is_told_and_does_not_stop_the_others(world: World) -> None:
    world.sources.add("more", {"Piers": "The piers stand on rock. They were built in 1890."})
    world.facts.unread.add("src_more")
    done = await extract(world, source_ids=(*SOURCE_IDS, "src_more"))
    assert done.state is RunState.SUCCEEDED
    assert [warning["code"] for warning in done.warnings] == ["SOURCE_NOT_READY"]
    alone = await extract(world, source_ids=("src_more",))
    assert (alone.state, alone.error_code) == (RunState.FAILED, "SOURCE_NOT_READY")


async def test_a_model_that_breaks_the_contract_ends_the_run_with_a_code(world: World) -> None:
    def broken(asked: contracts.ExtractFactsInput) -> contracts.Intent:
        return contracts.Intent(purpose="", audience="", questions=(), key_terms=())

    world.model.extract_facts = broken  # type: ignore[assignment, method-assign]
    done = await extract(world, settings={"runs.step_attempts": 1})
    assert (done.state, done.error_code) == (RunState.FAILED, "PROVIDER_OUTPUT_INVALID")
    assert world.facts.kept == {}


class _Unread(MemorySources):
    def _info(self, source: Source) -> SourceInfo:
        return replace(super()._info(source), state="pending")


class _Settings:
    async def resolve(self, overrides: Any, policy: str = "") -> Resolved:
        return Resolved(resolve([]).values, "", "")


@pytest.mark.parametrize(
    ("source_ids", "sources", "reason"),
    [
        ((), MemorySources(), Reason.INVALID_ARGUMENT),
        (("src_none",), MemorySources(), Reason.SOURCE_NOT_FOUND),
        (SOURCE_IDS, _Unread(), Reason.SOURCE_NOT_READY),
    ],
)
async def test_what_cannot_be_started_is_refused_at_once(
    source_ids: tuple[str, ...], sources: MemorySources, reason: Reason
) -> None:
    with pytest.raises(LaceError) as found:
        await prepare(Start("facts", Request(source_ids=source_ids)), _Settings(), sources, FACTS)
    assert found.value.reason is reason
