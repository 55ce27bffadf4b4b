"""How long one run takes when nothing else does anything: to its first step, to its end, beside ten serial commits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median, quantiles

import psycopg
import uvloop

from tests.bench.caller import Caller, calling
from tests.bench.figures import Figure
from tests.bench.load import PIPELINE, STEPS
from tests.bench.processes import scratch
from tests.bench.server import Places, running

_RUNS = 100
_PAUSE_S = 0.03  # what a run leaves behind is done when the next begins
_FIRST_STEP = "SELECT min(started_at) FROM runs.step_runs WHERE run_id = %s"


@dataclass(frozen=True)
class Round:
    """Milliseconds, of every run."""

    submitted: Sequence[float]
    first_step: Sequence[float]
    ended: Sequence[float]
    ten_commits: Sequence[float]


def measure(rounds: int) -> list[Figure]:
    """One run after the other by gRPC, each with ten commits of one row behind it on one connection."""
    with scratch() as folder, running(folder, LACE_RUNS_BENCH_PIPELINES="true") as places:
        found = uvloop.run(_measure(places, rounds))
    whole, first = "One run: StartRun to its last event by WatchRun", "One run: StartRun to the start of its first step"
    commits = f"{STEPS} serial commits of one row"
    return [
        Figure("One run: StartRun to its answer, p50", "ms", [median(r.submitted) for r in found]),
        Figure(f"{first}, p50", "ms", [median(r.first_step) for r in found]),
        Figure(f"{first}, p99", "ms", [_p99(r.first_step) for r in found]),
        Figure(f"{whole}, p50", "ms", [median(r.ended) for r in found]),
        Figure(f"{whole}, p99", "ms", [_p99(r.ended) for r in found]),
        Figure(f"{commits}, p50", "ms", [median(r.ten_commits) for r in found]),
        Figure(f"{commits}, p99", "ms", [_p99(r.ten_commits) for r in found]),
        Figure(f"Whole run ÷ {commits}, p50", "", [median(r.ended) / median(r.ten_commits) for r in found]),
    ]


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[98]


async def _measure(places: Places, rounds: int) -> list[Round]:
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(calling(places))
        connection = await stack.enter_async_context(await psycopg.AsyncConnection.connect(places.dsn, autocommit=True))
        await connection.execute("CREATE TABLE public.one_row_each (run_id text NOT NULL, step text NOT NULL)")
        await _round(caller, connection)
        return [await _round(caller, connection) for _ in range(rounds)]


async def _round(caller: Caller, connection: psycopg.AsyncConnection) -> Round:
    found = Round([], [], [], [])
    for _ in range(_RUNS):
        await _one(caller, connection, found)
        await asyncio.sleep(_PAUSE_S)
    return found


async def _one(caller: Caller, connection: psycopg.AsyncConnection, found: Round) -> None:
    at, began = time.time(), time.perf_counter()
    run_id = await caller.start(PIPELINE)
    submitted = time.perf_counter()
    await caller.watch_to_end(run_id)
    ended = time.perf_counter()
    row = await (await connection.execute(_FIRST_STEP, (run_id,))).fetchone()
    assert row is not None
    before = time.perf_counter()
    for number in range(STEPS):
        await connection.execute("INSERT INTO public.one_row_each VALUES (%s, %s)", (run_id, str(number)))
    after = time.perf_counter()
    for times, seconds in (
        (found.submitted, submitted - began),
        (found.first_step, row[0].timestamp() - at),  # the same clock: both processes are on this machine
        (found.ended, ended - began),
        (found.ten_commits, after - before),
    ):
        assert isinstance(times, list)
        times.append(1000 * seconds)
