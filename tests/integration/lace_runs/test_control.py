"""Going back to a node, pausing across workers, limits in time, and who may write an artifact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.ids import new_id
from lace_runs.adapters import claims
from lace_runs.adapters.lease import WorkerLease
from lace_runs.app.worker import Worker
from lace_runs.domain.runs import Run, RunState, Trigger
from tests.doubles.runs_world import RuleModel, World


async def _until_asked(world: World, prefix: str, count: int = 1) -> list[str]:
    async with asyncio.timeout(20):
        while len(found := [step for step in world.model.asked if step.startswith(prefix)]) < count:
            await asyncio.sleep(0.01)
    return found


async def _die(world: World, lease: WorkerLease, worker: Worker) -> None:
    """As if killed: nothing is given back, and the time of the lease has passed."""
    lease._stopped.set()
    assert worker._loop is not None
    worker._loop.cancel()
    for _, task in worker._held.values():
        task.cancel()
    await world.sql("UPDATE runs.workers SET expires_at = now() WHERE worker_id = :w", w=lease.worker_id)


async def test_a_live_run_goes_back_to_one_node(world: World) -> None:
    world.model = RuleModel(delay_s=0.05)
    run = await world.start("generate", {"runs.node_parallelism": 1}, title="The bridge")
    async with world.worker():
        first, *_ = await _until_asked(world, "llm:", 2)
        asked = len(world.model.asked)
        await world.control(run.run_id, Trigger.RESTART, first)
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (done.state, done.attempt, done.error_code) == (RunState.SUCCEEDED, 2, "")
    again = [step for step in world.model.asked[asked:] if step in world.model.asked[:asked]]
    assert first in again
    under_way = set(world.model.asked[asked - 1 : asked])
    assert {step for step in again if step.partition(":")[2] != first.partition(":")[2]} <= under_way
    assert not {"intent", "outline"} & set(again)


async def test_a_finished_run_is_done_again_from_one_node(world: World) -> None:
    world.model = RuleModel(fail_first=[])
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
        [node, *_] = sorted(step for step in world.model.asked if step.startswith("llm:"))
        with pytest.raises(LaceError) as unknown:
            await world.control(run.run_id, Trigger.RESTART, "llm:nod_none")
        new = await world.control(run.run_id, Trigger.RESTART, node)
        done = await world.until(new.run_id, "succeeded", "failed")
    assert unknown.value.reason is Reason.STEP_UNKNOWN
    assert (done.state, done.restarted_from_run_id) == (RunState.SUCCEEDED, run.run_id)


async def test_what_was_to_pause_when_its_worker_died_pauses_elsewhere(world: World) -> None:
    world.model = RuleModel(delay_s=30)
    run = await world.start("generate", title="The bridge")
    async with world.worker(lease_ms=60_000) as (lease, worker):
        await _until_asked(world, "intent")
        await world.control(run.run_id, Trigger.PAUSE)
        await world.until(run.run_id, "pausing")
        await _die(world, lease, worker)
        world.model.delay_s = 0
        async with world.worker():
            await world.until(run.run_id, "paused")
            await world.control(run.run_id, Trigger.RESUME)
            done = await world.until(run.run_id, "succeeded", "failed")
    assert done.error_code == ""


async def test_a_command_that_came_too_late_is_closed(world: World) -> None:
    run = await world.start("noop10")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    await world.sql(
        "INSERT INTO runs.run_control_commands (tenant_id, run_id, command_id, command, requested_by, reason, "
        "from_step_id, created_at) VALUES (:t, :r, 'cmd_late', 'cancel', 'prn_test', '', '', now())",
        t=world.tenant_id,
        r=run.run_id,
    )
    async with world.worker():
        async with world.open(world.tenant_id) as work:
            await asyncio.sleep(claims.LOOK_AROUND_S)
            async with asyncio.timeout(10):
                while await work.runs.waiting_commands(world.tenant_id, run.run_id):
                    await asyncio.sleep(0.02)
    assert (await world.get(run.run_id)).state is RunState.SUCCEEDED


async def test_each_kind_of_step_has_its_own_limits(world: World) -> None:
    world.model = RuleModel(delay_s=30)
    limits = {"runs.step_timeouts": {"intent": 1, "outline": 600}, "runs.step_max_attempts": {"intent": 1}}
    run = await world.start("generate", limits, title="The bridge")
    async with world.worker():
        failed = await world.until(run.run_id, "succeeded", "failed")
    assert (failed.error_code, world.model.asked) == ("STEP_TIMEOUT", ["intent"])


async def test_the_deadline_counts_from_the_first_start_whoever_works(world: World) -> None:
    world.model = RuleModel(delay_s=30)
    run = await world.start("generate", {"runs.deadline_s": 60}, title="The bridge")
    async with world.worker() as (lease, worker):
        await world.until(run.run_id, "running")
        await _until_asked(world, "intent")
        await world.until_started(run.run_id)
        await _die(world, lease, worker)
        await world.sql("UPDATE runs.runs SET started_at = now() - interval '1 hour' WHERE run_id = :r", r=run.run_id)
        async with world.worker():
            failed = await world.until(run.run_id, "succeeded", "failed")
    assert failed.error_code == "RUN_DEADLINE_EXCEEDED"


async def _paused_an_hour_ago(world: World, deadline_s: int) -> Run:
    """A run that did a step, and stands paused an hour before it is looked at again."""
    world.model = RuleModel(delay_s=0.05)
    run = await world.start("generate", {"runs.deadline_s": deadline_s}, title="The bridge")
    async with world.worker():
        await _until_asked(world, "intent")
        await world.until_started(run.run_id)
        await world.control(run.run_id, Trigger.PAUSE)
        paused = await world.until(run.run_id, "paused")
    assert paused.paused_at is not None
    await world.sql(
        "UPDATE runs.runs SET started_at = started_at - interval '1 hour', paused_at = paused_at - interval '1 hour' "
        "WHERE run_id = :r",
        r=run.run_id,
    )
    return paused


# Where a worker died on the way from standing to working: not at all, resumed, taken from the queue.
@pytest.mark.parametrize("left_in", ["paused", "resuming", "running"])
async def test_time_paused_is_added_up_once_and_not_counted(world: World, left_in: str) -> None:
    run = await _paused_an_hour_ago(world, deadline_s=60)
    if left_in == "paused":
        await world.control(run.run_id, Trigger.RESUME)
    else:
        await world.sql("UPDATE runs.runs SET state = :s WHERE run_id = :r", s=left_in, r=run.run_id)
    world.model = RuleModel(delay_s=30)
    async with world.worker() as (lease, worker):
        async with asyncio.timeout(20):
            while (went_on := await world.get(run.run_id)).paused_at is not None:
                await asyncio.sleep(0.02)
        await _die(world, lease, worker)
    assert 3_600_000 <= went_on.stood_ms < 3_660_000
    world.model = RuleModel()
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (done.error_code, done.stood_ms) == ("", went_on.stood_ms)


async def test_time_worked_before_a_pause_is_counted_behind_it(world: World) -> None:
    run = await _paused_an_hour_ago(world, deadline_s=60)
    await world.sql(
        "UPDATE runs.runs SET started_at = started_at - interval '2 minutes' WHERE run_id = :r", r=run.run_id
    )
    await world.control(run.run_id, Trigger.RESUME)
    async with world.worker():
        failed = await world.until(run.run_id, "succeeded", "failed")
    assert failed.error_code == "RUN_DEADLINE_EXCEEDED"


async def test_time_paused_before_the_first_step_is_nothing_to_add(world: World) -> None:
    run = await world.start("noop10", {"runs.deadline_s": 60})
    await world.control(run.run_id, Trigger.PAUSE)
    async with world.worker():
        paused = await world.until(run.run_id, "paused")
        await world.control(run.run_id, Trigger.RESUME)
        done = await world.until(run.run_id, "succeeded", "failed")
    assert (paused.paused_at, done.error_code, done.stood_ms) == (None, "", 0)


@asynccontextmanager
async def _holding(world: World, *runs: Run) -> AsyncIterator[WorkerLease]:
    """A worker that has these runs, and whose lease is good."""
    lease = WorkerLease(world.system, world.dsn, world.password, lease_ms=60_000, renewal_ms=10_000)
    await lease.start()
    try:
        for run in runs:
            await world.sql(
                "UPDATE runs.runs SET worker_id = :w, epoch = epoch + 1, state = 'running' WHERE run_id = :r",
                w=lease.worker_id,
                r=run.run_id,
            )
        yield lease
    finally:
        await lease.close()


async def _hold(world: World, artifact_id: str, run: Run, epoch: int) -> None:
    async with world.open(world.tenant_id) as work:
        await work.artifacts.hold(world.tenant_id, artifact_id, run.run_id, epoch)
        await work.commit()


async def test_an_artifact_is_written_by_one_run_under_its_newest_epoch(world: World) -> None:
    mine, other = await world.start("noop10"), await world.start("noop10")
    artifact_id = new_id("art")
    async with _holding(world, mine, other):
        await _hold(world, artifact_id, mine, 1)
        with pytest.raises(LaceError) as locked:
            await _hold(world, artifact_id, other, 1)
        assert (locked.value.reason, locked.value.retryable) == (Reason.ARTIFACT_LOCKED, True)
        assert mine.run_id in locked.value.message
        assert 1 <= (locked.value.retry_after or 0) <= 10
    with pytest.raises(LaceError) as dead:
        await _hold(world, artifact_id, mine, 1)
    assert dead.value.reason is Reason.RUN_FENCED, "its worker's lease is over"
    async with _holding(world, mine, other):  # elsewhere, under the next epoch
        with pytest.raises(LaceError) as fenced:
            await _hold(world, artifact_id, mine, 1)
        assert fenced.value.reason is Reason.RUN_FENCED
        await _hold(world, artifact_id, mine, 2)
        async with world.open(world.tenant_id) as work:  # the old holder's farewell takes nothing from the new one
            await work.artifacts.unlock(world.tenant_id, artifact_id, mine.run_id, 1)
            await work.commit()
        with pytest.raises(LaceError):
            await _hold(world, artifact_id, other, 2)
        await world.sql("UPDATE runs.runs SET state = 'paused' WHERE run_id = :r", r=mine.run_id)
        await _hold(world, artifact_id, other, 2)
