"""Runs from request to end on a real database: order, checkpoints, commands, fencing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.ir import cited_parts
from lace_runs.app.ports import Boundary
from lace_runs.domain.runs import Run, RunState, Trigger
from lace_runs.domain.verdicts import WantedVerdicts
from tests.doubles.runs_world import RuleModel, World


def _types(events: list[Any]) -> list[str]:
    return [event.draft.event_type for event in events]


def _result(run: Run) -> Mapping[str, Any]:
    assert run.result is not None, run.error_message
    return run.result


async def test_noop_run_succeeds_with_gapless_events(world: World) -> None:
    run = await world.start("noop10")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    events = await world.events(run.run_id)
    assert done.state is RunState.SUCCEEDED
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert _types(events)[:2] == ["pipeline.run.requested", "pipeline.run.started"]
    assert _types(events)[-1] == "pipeline.run.completed"
    assert _types(events).count("pipeline.step.completed") == 10
    assert (done.steps_done, done.steps_total) == (10, 10)


async def test_generate_commits_a_cited_document(world: World) -> None:
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.error_message == ""
    assert _result(done)["sentences"] == _result(done)["cited_sentences"] == 8  # four, and four in the summary
    async with world.open(world.tenant_id) as work:
        record = await work.artifacts.get(world.tenant_id, run.artifact_id)
        document = await work.artifacts.document(world.tenant_id, run.artifact_id, record.head_revision_id)
    assert [node.title for _, node in document.walk()] == ["The bridge", "Cost", "Safety"]
    assert document.root.constraints.must_cite is True
    quotes = {e.quote for node in document.nodes for e in node.evidence}
    assert "No crack was found in the main girders." in quotes


async def test_unsupported_sentences_stay_out_and_are_kept_for_review(world: World) -> None:
    world.model = RuleModel(lie="The bridge cost 9.9 million pounds in 2021.")
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    async with world.open(world.tenant_id) as work:
        document = await work.artifacts.document(world.tenant_id, run.artifact_id, _result(done)["revision_id"])
        verdicts = await work.artifacts.verdicts(world.tenant_id, WantedVerdicts(run.artifact_id), 0, 100)
    texts = {part.text for node in document.nodes for block in node.blocks for part in cited_parts(block)}
    assert world.model.lie not in texts
    kept_out = [row for _, row in verdicts if not row["in_document"]]
    assert {row["text"] for row in kept_out} == {world.model.lie}
    assert {row["verdict"] for row in kept_out} <= {"contradicted", "unsupported"}
    assert any(w["code"] == "SENTENCES_KEPT_OUT" for w in done.warnings)


async def test_outline_then_generate_fills_the_same_artifact(world: World) -> None:
    planned = await world.start("outline", title="The bridge")
    async with world.worker():
        await world.until(planned.run_id, "succeeded")
        async with world.open(world.tenant_id) as work:
            from lace_core.settings import resolve
            from lace_platform.clock import utc_now
            from lace_runs.app import runs
            from lace_runs.app.ports import Resolved
            from lace_runs.domain.runs import Request

            values = {**resolve([]).values, "compile.targets": []}
            start = runs.Start("generate", Request(title="The bridge"), planned.artifact_id)
            run = await runs.start_run(work, world.caller(), start, Resolved(values, "", ""), utc_now())
            await work.commit()
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.error_message == ""
    assert _result(done)["sentences"] == 8


async def test_retryable_failures_are_tried_again_and_others_are_not(world: World) -> None:
    world.model = RuleModel(
        fail_first=[LaceError(Reason.PROVIDER_UNAVAILABLE, "away", retryable=True, retry_after=0.01)]
    )
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        assert (await world.until(run.run_id, "succeeded", "failed")).state is RunState.SUCCEEDED
    assert world.model.asked[:2] == ["intent", "intent"]
    world.model = RuleModel(fail_first=[LaceError(Reason.PROVIDER_CREDENTIALS, "no key")])
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        failed = await world.until(run.run_id, "succeeded", "failed")
    assert (failed.state, failed.error_code) == (RunState.FAILED, "PROVIDER_CREDENTIALS")
    assert world.model.asked == ["intent"]


async def test_pause_survives_the_worker_and_resume_goes_on(world: World) -> None:
    world.model = RuleModel(delay_s=0.05)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "running")
        await world.control(run.run_id, Trigger.PAUSE)
        await world.until(run.run_id, "paused")
    asked = list(world.model.asked)
    async with world.worker():
        await asyncio.sleep(0.7)
        assert (await world.get(run.run_id)).state is RunState.PAUSED
        await world.control(run.run_id, Trigger.RESUME)
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    assert len(world.model.asked) == len(set(world.model.asked)), "a step was done twice"
    assert world.model.asked[: len(asked)] == asked
    types = _types(await world.events(run.run_id))
    for kind in ("pause.requested", "paused", "resume.requested", "resumed", "completed"):
        assert f"pipeline.run.{kind}" in types


async def test_cancel_stops_a_step_at_once(world: World) -> None:
    world.model = RuleModel(delay_s=30)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        async with asyncio.timeout(10):
            while not world.model.asked:
                await asyncio.sleep(0.02)
        await world.control(run.run_id, Trigger.CANCEL)
        done = await world.until(run.run_id, "cancelled", seconds=3)
    assert done.ended_at is not None
    with pytest.raises(LaceError) as refused:
        await world.control(run.run_id, Trigger.PAUSE)
    assert refused.value.reason is Reason.RUN_TRANSITION_ILLEGAL


async def test_restart_of_a_finished_run_is_a_new_run_that_keeps_earlier_results(world: World) -> None:
    world.model = RuleModel()
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
        before = len(world.model.asked)
        new = await world.control(run.run_id, Trigger.RESTART, "outline")
        done = await world.until(new.run_id, "succeeded", "failed")
    assert new.run_id != run.run_id
    assert done.restarted_from_run_id == run.run_id
    assert done.error_message == ""
    assert "intent" not in world.model.asked[before:]
    first, second = _result(await world.get(run.run_id)), _result(done)
    assert first["content_hash"] == second["content_hash"]
    assert first["ir_hash"] != second["ir_hash"]


async def test_what_failed_can_be_restarted_at_once(world: World) -> None:
    world.model = RuleModel(fail_first=[LaceError(Reason.PROVIDER_OUTPUT_TRUNCATED, "cut")])
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "failed")
        new = await world.control(run.run_id, Trigger.RESTART)
        done = await world.until(new.run_id, "succeeded", "failed")
    assert (done.error_code, done.state) == ("", RunState.SUCCEEDED)
    assert done.artifact_id == run.artifact_id


async def test_restart_of_a_live_run_goes_back_within_the_same_run(world: World) -> None:
    world.model = RuleModel(delay_s=0.05)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        async with asyncio.timeout(10):
            while "outline" not in world.model.asked:
                await asyncio.sleep(0.01)
        await world.control(run.run_id, Trigger.RESTART, "intent")
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (done.state, done.attempt) == (RunState.SUCCEEDED, 2)
    assert world.model.asked.count("intent") == 2


async def test_another_worker_goes_on_after_the_first_has_died(world: World) -> None:
    world.model = RuleModel(delay_s=0.1)
    run = await world.start("generate", title="The bridge")
    async with world.worker(lease_ms=500) as (lease, worker):
        await world.until(run.run_id, "running")
        lease._stopped.set()  # as if killed: the lease is not renewed, nothing is given back
        for _, task in worker._held.values():
            task.cancel()
        assert worker._loop is not None
        worker._loop.cancel()
        asked = list(world.model.asked)
        async with world.worker(lease_ms=500):
            done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    assert len(asked) - 1 <= len(set(asked))
    repeated = len(world.model.asked) - len(set(world.model.asked))
    assert repeated <= 4, "only steps that were under way may be repeated"


async def test_a_fenced_worker_cannot_write(world: World) -> None:
    run = await world.start("noop10")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    from lace_runs.adapters.boundary import GroupCommit

    commit = GroupCommit(world.system, dict)
    await commit.start()
    try:
        with pytest.raises(LaceError) as fenced:
            await commit.commit(Boundary(tenant_id=world.tenant_id, run_id=run.run_id, epoch=0, steps_done=99))
    finally:
        await commit.close()
    assert fenced.value.reason is Reason.RUN_FENCED
    assert (await world.get(run.run_id)).steps_done == 10


async def test_many_runs_share_commits_and_all_end(world: World) -> None:
    started = [await world.start("noop10") for _ in range(30)]
    async with world.worker():
        for run in started:
            assert (await world.until(run.run_id, "succeeded", "failed")).state is RunState.SUCCEEDED
    for run in started:
        events = await world.events(run.run_id)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
