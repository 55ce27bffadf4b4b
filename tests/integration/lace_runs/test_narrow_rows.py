"""What rows no longer hold is found where it stands now, also for runs from before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from lace_core.canonical import canonical_json
from lace_platform.clock import utc_now
from lace_runs.adapters.boundary import GroupCommit
from lace_runs.app.ports import Boundary
from lace_runs.domain.events import event_id_of
from lace_runs.domain.runs import Checkpoint, Run, RunState, StepRecord
from tests.doubles.runs_world import World

CLAIM = "UPDATE runs.runs SET worker_id = 'wrk_1', epoch = 1, state = 'running' WHERE run_id = :run_id"


async def _rows(world: World, sql: str, **values: Any) -> Any:
    async with world.system.transaction() as tx:
        found = await tx.execute(sql, values)
        await tx.commit()
    return found.all()


async def _run(world: World, run_id: str) -> Run:
    async with world.open(world.tenant_id) as work:
        return await work.runs.get(world.tenant_id, run_id)


async def test_settings_stand_once_for_all_runs_that_have_them(world: World) -> None:
    first, second = await world.start("noop10"), await world.start("noop10")
    other = await world.start("noop10", {"runs.deadline_s": 77})
    sql = "SELECT settings_hash FROM runs.settings_snapshots WHERE tenant_id = :tenant_id"
    kept = await _rows(world, sql, tenant_id=world.tenant_id)
    assert {row.settings_hash for row in kept} == {first.settings_hash, other.settings_hash}
    assert len(kept) == 2
    assert (await _run(world, second.run_id)).settings == (await _run(world, first.run_id)).settings
    assert (await _run(world, other.run_id)).settings["runs.deadline_s"] == 77


async def test_a_run_from_before_keeps_the_settings_in_its_row(world: World) -> None:
    run = await world.start("noop10")
    old = canonical_json({**run.settings, "runs.deadline_s": 55}).decode()
    await _rows(
        world,
        "UPDATE runs.runs SET settings = CAST(:old AS jsonb), effective_settings_hash = 'old' WHERE run_id = :run_id",
        old=old, run_id=run.run_id,
    )  # fmt: skip
    assert (await _run(world, run.run_id)).settings["runs.deadline_s"] == 55
    async with world.worker():
        assert (await world.until(run.run_id, "succeeded", "failed")).steps_done == 10


async def test_a_runs_row_keeps_of_what_was_asked_what_says_something(world: World) -> None:
    run = await world.start("outline", title="The bridge")
    [kept] = await _rows(world, "SELECT request FROM runs.runs WHERE run_id = :run_id", run_id=run.run_id)
    assert kept.request["title"] == "The bridge"
    assert not {"", 0} & {value for value in kept.request.values() if not isinstance(value, list)}
    assert [] not in kept.request.values()
    assert (await _run(world, run.run_id)).request == run.request


async def test_an_events_id_is_made_of_its_run_and_its_place(world: World) -> None:
    run = await world.start("noop10")
    async with world.worker():
        await world.until(run.run_id, "succeeded")
    events = await world.events(run.run_id)
    assert [event.event_id for event in events] == [event_id_of(run.run_id, n + 1) for n in range(len(events))]


@pytest.fixture
async def log(world: World) -> AsyncIterator[GroupCommit]:
    commit = GroupCommit(world.system, dict)
    await commit.start()
    yield commit
    await commit.close()


def _boundary(run: Run, state: str, digest: str, **values: Any) -> Boundary:
    step = StepRecord("noop1", "noop1", "", 1, state, utc_now(), output_hash=digest)
    done = [Checkpoint("noop1", "Nothing", digest, "{}")] if state == "succeeded" else []
    return Boundary(tenant_id=run.tenant_id, run_id=run.run_id, epoch=1, steps=[step], checkpoints=done, **values)


async def test_rows_that_may_be_there_are_replaced_and_new_ones_are_added(world: World, log: GroupCommit) -> None:
    run = await world.start("noop10")
    await _rows(world, CLAIM, run_id=run.run_id)
    await log.commit(_boundary(run, "running", ""))
    await log.commit(_boundary(run, "succeeded", "1" * 64, again=True))
    await log.commit(_boundary(run, "succeeded", "2" * 64, again=True))
    steps = await _rows(world, "SELECT status, output_hash FROM runs.step_runs WHERE run_id = :r", r=run.run_id)
    kept = await _rows(world, "SELECT output_hash FROM runs.run_checkpoints WHERE run_id = :r", r=run.run_id)
    assert (steps, kept) == ([("succeeded", "2" * 64)], [("2" * 64,)])


@pytest.mark.parametrize(("state", "left"), [(RunState.FAILED, 1), (RunState.CANCELLED, 1), (None, 2)])
async def test_what_failed_lets_go_of_its_artifact_and_of_no_other(
    world: World, log: GroupCommit, state: RunState | None, left: int
) -> None:
    run = await world.start("outline", title="The bridge")
    await _rows(world, CLAIM, run_id=run.run_id)
    for artifact_id, owner in ((run.artifact_id, run.run_id), (f"{run.artifact_id}_2", "run_other")):
        await _rows(
            world,
            "INSERT INTO runs.artifact_locks (tenant_id, artifact_id, lock_owner, lock_type, acquired_at, "
            "heartbeat_at, expires_at) "
            "VALUES (:tenant_id, :artifact_id, :owner, 'write', now(), now(), now() + interval '1 hour')",
            tenant_id=run.tenant_id, artifact_id=artifact_id, owner=owner,
        )  # fmt: skip
    await log.commit(Boundary(tenant_id=run.tenant_id, run_id=run.run_id, epoch=1, state=state))
    sql = "SELECT lock_owner FROM runs.artifact_locks WHERE tenant_id = :tenant_id"
    assert len(await _rows(world, sql, tenant_id=run.tenant_id)) == left
