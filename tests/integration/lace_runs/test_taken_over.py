"""Workers in processes of their own that are stopped, killed or hang: their runs go on elsewhere, they write no more.

All three at once, as what takes time is waiting for their leases to end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lace_runs.domain.runs import Run, RunState
from tests.doubles.runs_world import World

ROOT = Path(__file__).parents[3]
FAULTS = ("stop", "kill", "hang")
ELSEWHERE_S = 4.0
# Its connection is gone with the transaction that it was stopped in, or the run is fenced.
LOST = ("run_lost", "run_broke")


class WorkerProcess:
    """A worker that comes to grief, and what it said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def until(self, key: str, *values: Any) -> dict[str, Any]:
        """The next line that has the key, with one of these values where any are given."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while line := await self.process.stdout.readline():
                said = json.loads(line)
                self.lines.append(said)
                if key in said and (not values or said[key] in values):
                    return dict(said)
        raise AssertionError(f"the worker ended without a word of {key} {values}: {self.lines}")

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                await asyncio.wait_for(self.process.communicate(), 10)
            finally:
                if self.process.returncode is None:
                    self.process.kill()
                    await self.process.wait()


@asynccontextmanager
async def _worker(postgres: Any, tenant_id: str, fault: str) -> AsyncIterator[WorkerProcess]:
    told = {"dsn": postgres.admin_dsn, "role_secret": postgres.role_secret, "tenant_id": tenant_id, "fault": fault}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.doubles.worker_process", json.dumps(told), cwd=ROOT, stdin=pipe, stdout=pipe
    )
    worker = WorkerProcess(process)
    try:
        await worker.until("ready")
        yield worker
    finally:
        await worker.end()


async def _held_by(worker: WorkerProcess, world: World) -> Run:
    run = await world.start("generate", title="The bridge")
    assert worker.process.stdin is not None
    worker.process.stdin.write(b"go\n")
    taken = await worker.until("event", "run_taken")
    assert taken["run_id"] == run.run_id
    return run


@pytest.mark.slow
async def test_runs_of_stopped_killed_and_hanging_workers_go_on_elsewhere(world: World, postgres: Any) -> None:
    async with (
        _worker(postgres, world.tenant_id, FAULTS[0]) as stopped,
        _worker(postgres, world.tenant_id, FAULTS[1]) as killed,
        _worker(postgres, world.tenant_id, FAULTS[2]) as hanging,
    ):
        runs, faults = {}, {}
        for worker in (stopped, killed, hanging):  # one after the other: each takes one run and no other
            runs[worker] = await _held_by(worker, world)
            faults[worker] = (await worker.until("fault"))["at"]
        async with world.worker():
            for run in runs.values():
                done = await world.until(run.run_id, "succeeded", "failed")
                assert (done.state, done.error_code) == (RunState.SUCCEEDED, "")
            for worker, run in runs.items():
                [_, again] = await _started(world, run)
                assert again.occurred_at.timestamp() - faults[worker] < ELSEWHERE_S, "not taken over in time"
            told = {run.run_id: len(await world.events(run.run_id)) for run in runs.values()}

            stopped.process.send_signal(signal.SIGCONT)
            await stopped.until("event", *LOST)
            await hanging.until("event", *LOST)
            for worker, run in runs.items():
                await _assert_done_once(world, postgres, run)
                assert len(await world.events(run.run_id)) == told[run.run_id], f"{worker.lines} wrote after its loss"


async def _started(world: World, run: Run) -> list[Any]:
    events = await world.events(run.run_id)
    return [event.draft for event in events if event.draft.event_type == "pipeline.run.started"]


async def _assert_done_once(world: World, postgres: Any, run: Run) -> None:
    events = await world.events(run.run_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    kinds = Counter((event.draft.event_type, event.draft.step_id) for event in events)
    done = {key: count for key, count in kinds.items() if key[0].endswith(".completed")}
    assert set(done.values()) == {1}, "a step was done twice"
    async with await psycopg.AsyncConnection.connect(postgres.admin_dsn) as admin:
        rows = await admin.execute(
            "SELECT status, count(*) FROM runs.artifact_revisions WHERE artifact_id = %s GROUP BY status",
            [run.artifact_id],
        )
        assert await rows.fetchall() == [("committed", 1)]
