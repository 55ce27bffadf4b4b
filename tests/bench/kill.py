"""After kill -9 in mid-run: the time to the next step, by the restarted process or another, and what was repeated."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import uvloop

from tests.bench.caller import Caller, calling
from tests.bench.figures import Figure
from tests.bench.load import PIPELINE
from tests.bench.processes import scratch
from tests.bench.server import Places, another_worker, running

_IN_FLIGHT = 50
_LONGEST_S = 60
_UNDER_WAY = "SELECT run_id FROM runs.runs WHERE worker_id = %s AND state = 'running'"
_WORKERS = "SELECT DISTINCT worker_id FROM runs.runs WHERE worker_id IS NOT NULL"
_OLDEST_WORKER = "SELECT worker_id FROM runs.workers ORDER BY started_at LIMIT 1"
_NEXT_STEPS = """
SELECT run_id, min(started_at) FROM runs.step_runs WHERE run_id = ANY(%s) AND started_at > to_timestamp(%s)
GROUP BY run_id
"""
_LEFT = "SELECT count(*) FROM runs.runs WHERE run_id = ANY(%s) AND state <> 'succeeded'"
_REPEATED = """
SELECT count(*) - count(DISTINCT (run_id, step_id)), count(DISTINCT run_id) FROM runs.step_runs WHERE run_id = ANY(%s)
"""


@dataclass(frozen=True)
class Recovery:
    """Seconds to the next step of each run that was under way, and how many steps of a run were begun twice."""

    seconds: Sequence[float]
    repeated: float
    runs: int


def measure(rounds: int) -> list[Figure]:
    """Each time in an installation of its own."""
    restarts = [_restart() for _ in range(rounds)]
    elsewhere = [_elsewhere() for _ in range(rounds)]
    return [
        Figure("kill -9, restart: ready to the next step of the first run", "s", [min(r.seconds) for r in restarts]),
        Figure("kill -9, restart: ready to the next step of the last run", "s", [max(r.seconds) for r in restarts]),
        Figure("kill -9, restart: steps begun twice, per run under way", "", [r.repeated for r in restarts]),
        Figure("kill -9, another worker: death to the next step, first run", "s", [min(r.seconds) for r in elsewhere]),
        Figure("kill -9, another worker: death to the next step, last run", "s", [max(r.seconds) for r in elsewhere]),
        Figure("kill -9, another worker: steps begun twice, per run under way", "", [r.repeated for r in elsewhere]),
        Figure("Runs under way at the kill", "", [r.runs for r in (*restarts, *elsewhere)], 0),
    ]


def _restart() -> Recovery:
    with scratch() as folder, ExitStack() as stack:
        first = stack.enter_context(running(folder, LACE_RUNS_BENCH_PIPELINES="true"))
        held = uvloop.run(_submit_and_kill(first))
        second = stack.enter_context(running(folder, LACE_RUNS_BENCH_PIPELINES="true"))
        ready = time.time()
        return uvloop.run(_recovery(second.dsn, held, ready, since_ready=True))


def _elsewhere() -> Recovery:
    with scratch() as folder, ExitStack() as stack:
        first = stack.enter_context(running(folder, LACE_RUNS_BENCH_PIPELINES="true"))
        stack.enter_context(another_worker(first, folder, folder / "other"))
        held = uvloop.run(_submit_and_kill(first, workers=2))
        return uvloop.run(_recovery(first.dsn, held, held.at, since_ready=False))


@dataclass(frozen=True)
class Held:
    """The runs that the killed process held, and when it died."""

    runs: Sequence[str]
    at: float


async def _submit_and_kill(places: Places, workers: int = 1) -> Held:
    """Keep submitting; when runs are well under way, kill the first process."""
    async with calling(places) as caller, await psycopg.AsyncConnection.connect(places.dsn, autocommit=True) as db:
        async with asyncio.timeout(_LONGEST_S):
            while (await _one(db, "SELECT count(*) FROM runs.workers WHERE expires_at > now()"))[0] < workers:
                await asyncio.sleep(0.05)
        (worker_id,) = await _one(db, _OLDEST_WORKER)
        submitting = [asyncio.create_task(_submit(caller)) for _ in range(_IN_FLIGHT)]
        try:
            await _until_busy(db, str(worker_id))
            os.kill(places.pid, signal.SIGKILL)
            died = time.time()
        finally:
            for task in submitting:
                task.cancel()
            await asyncio.gather(*submitting, return_exceptions=True)
        rows = await (await db.execute(_UNDER_WAY, (worker_id,))).fetchall()
        if not rows:
            raise RuntimeError("nothing was under way")
        return Held([row[0] for row in rows], died)


async def _submit(caller: Caller) -> None:
    while True:
        await caller.run_to_end(PIPELINE)


async def _until_busy(db: psycopg.AsyncConnection, worker_id: str) -> None:
    async with asyncio.timeout(_LONGEST_S):
        await asyncio.sleep(1)
        while len(await (await db.execute(_UNDER_WAY, (worker_id,))).fetchall()) < _IN_FLIGHT // 5:
            await asyncio.sleep(0.005)


async def _recovery(dsn: str, held: Held, began: float, *, since_ready: bool) -> Recovery:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as db:
        async with asyncio.timeout(_LONGEST_S):
            while (await _one(db, _LEFT, (list(held.runs),)))[0]:
                await asyncio.sleep(0.02)
        steps = await (await db.execute(_NEXT_STEPS, (list(held.runs), held.at))).fetchall()
        repeated, runs = await _one(db, _REPEATED, (list(held.runs),))
    # The worker is at work before the whole installation says that it is ready.
    seconds = [max(0.0, at.timestamp() - began) if since_ready else at.timestamp() - began for _, at in steps]
    return Recovery(seconds, float(repeated) / float(runs), len(held.runs))


async def _one(db: psycopg.AsyncConnection, query: str, parameters: Sequence[object] = ()) -> tuple[int, ...]:
    row = await (await db.execute(query.encode(), parameters)).fetchone()
    assert row is not None
    return row
