"""What a step leaves, and when: logs that leave together, boundaries that let go, answers that were lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from lace_core.canonical import sha256_hex
from lace_platform.clock import utc_now
from lace_runs.adapters.boundary import GroupCommit
from lace_runs.app.ports import Boundary
from lace_runs.app.provenance import AGENT, TOPIC
from lace_runs.domain.events import EventDraft
from lace_runs.domain.runs import Checkpoint, Run, RunState, StepRecord
from tests.doubles.runs_world import World

STEPS = [f"noop{number}" for number in range(1, 11)]
RESULT = "{}"


async def _segments(world: World, run_id: str) -> list[dict[str, Any]]:
    """The payloads of the messages that log the run's steps, in order."""
    async with world.system.transaction() as tx:
        rows = await tx.fetch_all(
            """SELECT payload_json AS payload FROM runs.outbox_events WHERE key = :key AND topic = :topic
               ORDER BY position""",
            {"key": run_id, "topic": TOPIC},
        )
    return [row.payload for row in rows]


async def _holder(world: World, run_id: str) -> tuple[str | None, int]:
    async with world.system.transaction() as tx:
        row = await tx.fetch_one("SELECT worker_id, epoch FROM runs.runs WHERE run_id = :id", {"id": run_id})
    assert row is not None
    return row.worker_id, row.epoch


async def _claimed(world: World, worker: Any, run: Run) -> int:
    """Make the run the lease's, as its worker would; its epoch."""
    async with world.system.transaction() as tx:
        row = await tx.fetch_one(
            "UPDATE runs.runs SET worker_id = :worker, epoch = epoch + 1, state = 'running' WHERE run_id = :id "
            "RETURNING epoch",
            {"worker": worker, "id": run.run_id},
        )
        await tx.commit()
    assert row is not None
    return int(row.epoch)


def _done(run: Run, epoch: int, step: str, **values: Any) -> Boundary:
    """The boundary of a step that is done, whose log has not left."""
    now = utc_now()
    digest = sha256_hex(RESULT.encode())
    record = StepRecord(step, step, "", 1, "succeeded", now, now, digest, metrics={"duration_ms": 0}, log={})
    event = EventDraft("pipeline.step.completed", {"step_completed": {"step": step}}, now, "succeeded", step)
    return Boundary(
        tenant_id=run.tenant_id,
        run_id=run.run_id,
        epoch=epoch,
        steps=[record],
        checkpoints=[Checkpoint(step, "Nothing", digest, RESULT)],
        events=[event],
        **values,
    )


async def test_the_logs_of_a_short_run_leave_as_one_message(world: World) -> None:
    run = await world.start("noop10")
    async with world.worker() as (lease, _):
        await world.until(run.run_id, "succeeded")
        worker_id = lease.worker_id
    [segment] = await _segments(world, run.run_id)
    assert [log["activity_name"] for log in segment["logs"]] == STEPS
    assert segment["common"]["agent"] == f"{AGENT} {worker_id}"
    assert len({log["id"] for log in segment["logs"]}) == 10


async def test_who_takes_a_run_over_sends_the_logs_that_its_holder_had_not_sent(world: World) -> None:
    run = await world.start("noop10")
    epoch = await _claimed(world, "wrk_dead", run)
    commit = GroupCommit(world.system, dict)
    await commit.start()
    for step in STEPS[:4]:
        await commit.commit(_done(run, epoch, step))
    await commit.close()
    assert await _segments(world, run.run_id) == []
    async with world.worker() as (lease, _):
        await world.until(run.run_id, "succeeded")
        worker_id = lease.worker_id
    by_agent: dict[str, list[str]] = {}
    for segment in await _segments(world, run.run_id):
        by_agent.setdefault(segment["common"]["agent"], []).extend(log["activity_name"] for log in segment["logs"])
    assert by_agent == {AGENT: STEPS[:4], f"{AGENT} {worker_id}": STEPS[4:]}


async def test_the_last_boundary_lets_go_of_the_run(world: World) -> None:
    run = await world.start("noop10")
    epoch = await _claimed(world, "wrk_one", run)
    commit = GroupCommit(world.system, dict)
    await commit.start()
    await commit.commit(_done(run, epoch, "noop1"))
    assert await _holder(world, run.run_id) == ("wrk_one", epoch)
    await commit.commit(_done(run, epoch, "noop2", state=RunState.SUCCEEDED, ended_at=utc_now()))
    assert await _holder(world, run.run_id) == (None, epoch)
    await commit.close()


class Lossy:
    """A database whose connection is lost once, after it has committed and before it has answered."""

    def __init__(self, world: World) -> None:
        self._system = world.system
        self.answers_to_lose = 1

    def transaction(self) -> Any:
        return self._system.transaction()

    async def notify(self, channels: Sequence[str]) -> None:
        await self._system.notify(channels)

    async def execute_now(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        rows = await self._system.execute_now(sql, parameters)
        if "UPDATE runs.runs" in sql and self.answers_to_lose:
            self.answers_to_lose -= 1
            raise psycopg.OperationalError("the connection is lost")
        return rows


async def test_a_boundary_whose_answer_was_lost_counts_once(world: World) -> None:
    runs = [await world.start("noop10") for _ in range(2)]
    epochs = [await _claimed(world, "wrk_one", run) for run in runs]
    lossy = Lossy(world)
    commit = GroupCommit(lossy, dict)  # type: ignore[arg-type]
    await commit.start()
    for run, epoch in zip(runs, epochs, strict=True):
        await commit.commit(_done(run, epoch, "noop1"))
    await commit.close()
    assert lossy.answers_to_lose == 0
    for run in runs:
        events = await world.events(run.run_id)
        assert [event.sequence for event in events] == [1, 2]


async def test_parts_of_one_run_do_not_get_into_another(world: World) -> None:
    runs = [await world.start("noop10") for _ in range(3)]
    epochs = [await _claimed(world, "wrk_one", run) for run in runs]
    commit = GroupCommit(world.system, dict)
    boundaries = [_done(run, epoch, f"noop{n}") for n, (run, epoch) in enumerate(zip(runs, epochs, strict=True), 1)]
    # All of them wait when the first commit begins.
    tasks = [asyncio.ensure_future(commit.commit(boundary)) for boundary in boundaries]
    await asyncio.sleep(0)
    await commit.start()
    await asyncio.gather(*tasks)
    await commit.close()
    for number, run in enumerate(runs, 1):
        async with world.open(world.tenant_id) as work:
            done = await work.runs.checkpoints(world.tenant_id, run.run_id)
        assert list(done) == [f"noop{number}"]
        assert [event.draft.step_id for event in await world.events(run.run_id)] == ["", f"noop{number}"]
