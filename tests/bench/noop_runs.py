"""Runs per second of ten durable steps that do nothing, beside one durable commit per step on one connection."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import psycopg
import uvloop

from tests.bench.caller import Caller, calling
from tests.bench.figures import Figure
from tests.bench.processes import scratch
from tests.bench.server import Places, running

_STEPS = 10
_IN_FLIGHT = 50
_RUNS = 300
_COMMITS = 500
_LONGEST_S = 300


def measure(rounds: int) -> list[Figure]:
    """Both in turn on the same server, so that what slows the disk slows both."""
    with scratch() as folder, running(folder, LACE_RUNS_BENCH_PIPELINES="true") as places:
        found = uvloop.run(_measure(places, rounds))
    what = f"Runs of {_STEPS} steps, {_IN_FLIGHT} in flight, fsync on"
    return [
        Figure(what, "runs/s", [each.runs_per_s for each in found], digits=1),
        Figure(f"{what}, all logs recorded too", "runs/s", [each.recorded_per_s for each in found], digits=1),
        Figure("One row per durable commit, one connection", "commits/s", [e.commits_per_s for e in found], digits=0),
        Figure(f"Runs/s ÷ (commits/s ÷ {_STEPS})", "", [each.share for each in found]),
    ]


@dataclass(frozen=True)
class Round:
    """Runs ended per second, the same until provenance has caught up, and commits per second right behind them."""

    runs_per_s: float
    recorded_per_s: float
    commits_per_s: float

    @property
    def share(self) -> float:
        """Runs per second beside what one connection could do that commits once per step and does nothing else."""
        return self.runs_per_s / (self.commits_per_s / _STEPS)


async def _measure(places: Places, rounds: int) -> list[Round]:
    found = []
    async with (
        calling(places) as caller,
        await psycopg.AsyncConnection.connect(places.dsn, autocommit=True) as connection,
    ):
        await _must_be_durable(connection)
        await connection.execute("CREATE TABLE public.one_row_each (run_id text NOT NULL, step text NOT NULL)")
        await _runs_per_second(caller, _IN_FLIGHT)
        await _settled(connection, _IN_FLIGHT)
        for number in range(1, rounds + 1):
            began = time.perf_counter()
            runs_per_s = await _runs_per_second(caller, _RUNS)
            await _settled(connection, _IN_FLIGHT + number * _RUNS)
            recorded_per_s = _RUNS / (time.perf_counter() - began)
            found.append(Round(runs_per_s, recorded_per_s, await _commits_per_second(connection)))
    return found


async def _settled(connection: psycopg.AsyncConnection, runs: int) -> None:
    """Wait until the logs of so many runs are recorded: behind the runs, and not beside the commits."""
    async with asyncio.timeout(_LONGEST_S):
        while await _recorded(connection) < runs * _STEPS:
            await asyncio.sleep(0.1)


async def _recorded(connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute("SELECT count(*) FROM provenance.transformation_logs")).fetchone()
    assert row is not None
    return int(row[0])


async def _must_be_durable(connection: psycopg.AsyncConnection) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        row = await (await connection.execute(f"SHOW {setting}".encode())).fetchone()
        if row != ("on",):
            raise RuntimeError(f"{setting} is not on: the figures would mean nothing")


async def _runs_per_second(caller: Caller, count: int) -> float:
    slots = asyncio.Semaphore(_IN_FLIGHT)

    async def one() -> None:
        async with slots:
            await caller.run_to_end("noop10")

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
    return count / (time.perf_counter() - began)


async def _commits_per_second(connection: psycopg.AsyncConnection) -> float:
    began = time.perf_counter()
    for number in range(_COMMITS):
        await connection.execute("INSERT INTO public.one_row_each VALUES (%s, %s)", ("run_floor", str(number)))
    return _COMMITS / (time.perf_counter() - began)
