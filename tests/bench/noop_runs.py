"""Ten durable steps that do nothing: LACE, DBOS Transact, and the least that such steps cost, on one server at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import uvloop

from tests.bench import dbos_engine, floor
from tests.bench.caller import Caller, calling
from tests.bench.costs import Cost, Meter
from tests.bench.figures import Figure
from tests.bench.load import STEPS, Ends, ends_on, runs_per_second
from tests.bench.memory import Peak
from tests.bench.processes import scratch
from tests.bench.server import Places, running

IN_FLIGHT = 50
_RUNS = 500
_WORKFLOWS = 150  # of DBOS
_FLOOR_S = 2.0
_GROWTH = ((10, 150), (100, 500), (1000, 1500))
_SCHEMAS = ("runs", "provenance", "bus", "control")


@dataclass(frozen=True)
class Round:
    """Workflows per second of each, one right after the other, and what LACE's and DBOS's took."""

    floor_per_s: float
    lace_per_s: float
    settled_per_s: float
    lace: Cost
    provenance_bytes: float
    dbos: dbos_engine.Round
    dbos_cost: Cost


def measure(rounds: int) -> list[Figure]:
    """All in one run on the same embedded server with fsync on; what slows the disk slows all of them."""
    with scratch() as folder, running(folder, LACE_RUNS_BENCH_PIPELINES="true") as places:
        with dbos_engine.engine(places.dsn, count=_WORKFLOWS, in_flight=IN_FLIGHT) as dbos:
            return uvloop.run(_measure(places, folder, dbos, rounds))


async def _measure(places: Places, folder: Path, dbos: dbos_engine.Engine, rounds: int) -> list[Figure]:
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(calling(places))
        ends = await stack.enter_async_context(ends_on(places.dsn))
        connection = await stack.enter_async_context(await psycopg.AsyncConnection.connect(places.dsn, autocommit=True))
        others = await stack.enter_async_context(
            await psycopg.AsyncConnection.connect(dbos_engine.database_dsn(places.dsn), autocommit=True)
        )
        await _must_be_durable(connection)
        await connection.execute(floor.TABLES)
        await connection.execute("CREATE EXTENSION pg_walinspect")
        await others.execute("CREATE EXTENSION pg_walinspect")
        await runs_per_second(caller, ends, count=2 * IN_FLIGHT, in_flight=IN_FLIGHT)
        with Peak(places.pid) as peak:
            found = [
                await _round(
                    places,
                    caller,
                    ends,
                    Meter(connection, _SCHEMAS, [places.pid]),
                    Meter(others, ["dbos"], []),
                    dbos,
                )
                for _ in range(rounds)
            ]
        grown = [(n, await runs_per_second(caller, ends, count=count, in_flight=n)) for n, count in _GROWTH]
    return [*_figures(found), *_growth(grown), Figure("LACE, peak memory of the process", "MB", [peak.bytes / 1e6], 0)]


async def _round(
    places: Places, caller: Caller, ends: Ends, meter: Meter, other: Meter, dbos: dbos_engine.Engine
) -> Round:
    floor_per_s = await asyncio.to_thread(
        floor.workflows_per_second, places.dsn, steps=STEPS, in_flight=IN_FLIGHT, seconds=_FLOOR_S
    )
    begin, began = await meter.read(), asyncio.get_running_loop().time()
    lace_per_s = await runs_per_second(caller, ends, count=_RUNS, in_flight=IN_FLIGHT)
    await meter.settled()
    seconds = asyncio.get_running_loop().time() - began
    end = await meter.read()
    before = await other.read()
    of_dbos = await asyncio.to_thread(dbos.round)
    after = await other.read()
    return Round(
        floor_per_s,
        lace_per_s,
        _RUNS / seconds,
        await meter.cost(begin, end, _RUNS),
        await meter.wal_of_schema(begin, end, "provenance") / _RUNS,
        of_dbos,
        await other.cost(before, after, _WORKFLOWS),
    )


def _figures(found: Sequence[Round]) -> list[Figure]:
    what = f"ten no-op steps, {IN_FLIGHT} in flight"
    each = "per workflow"
    return [
        Figure(f"The floor: {what}", "workflows/s", [r.floor_per_s for r in found], 0),
        Figure(f"LACE: {what}, by StartRun", "workflows/s", [r.lace_per_s for r in found], 1),
        Figure(
            "LACE: until every message is handled and every log recorded", "/s", [r.settled_per_s for r in found], 1
        ),
        Figure(f"DBOS Transact: {what}, in its own process", "workflows/s", [r.dbos.workflows_per_s for r in found], 1),
        Figure("LACE ÷ floor", "%", [100 * r.lace_per_s / r.floor_per_s for r in found], 1),
        Figure("DBOS ÷ floor", "%", [100 * r.dbos.workflows_per_s / r.floor_per_s for r in found], 1),
        Figure("LACE ÷ DBOS", "", [r.lace_per_s / r.dbos.workflows_per_s for r in found], 1),
        Figure(f"LACE: commits that write, {each}", "", [r.lace.commits for r in found]),
        Figure(f"LACE: all commits, {each}", "", [r.lace.all_commits for r in found]),
        Figure(f"LACE: rows, {each}", "", [r.lace.rows for r in found], 1),
        Figure(f"LACE: write-ahead log, {each}", "kB", [r.lace.wal_bytes / 1000 for r in found], 1),
        Figure(f"LACE: of it provenance, {each}", "kB", [r.provenance_bytes / 1000 for r in found], 1),
        Figure(f"LACE: processor time of the server process, {each}", "ms", [r.lace.cpu_ms for r in found], 1),
        Figure(f"DBOS: commits that write, {each}", "", [r.dbos_cost.commits for r in found]),
        Figure(f"DBOS: all commits, {each}", "", [r.dbos_cost.all_commits for r in found]),
        Figure(f"DBOS: rows, {each}", "", [r.dbos_cost.rows for r in found], 1),
        Figure(f"DBOS: write-ahead log, {each}", "kB", [r.dbos_cost.wal_bytes / 1000 for r in found], 1),
        Figure(f"DBOS: processor time, {each}", "ms", [r.dbos.cpu_ms for r in found], 1),
        Figure("DBOS: peak memory of the process", "MB", [r.dbos.peak_bytes / 1e6 for r in found], 0),
    ]


def _growth(grown: Sequence[tuple[int, float]]) -> list[Figure]:
    return [Figure(f"LACE: workflows/s, {n} in flight", "/s", [per_s], 1) for n, per_s in grown]


async def _must_be_durable(connection: psycopg.AsyncConnection) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        row = await (await connection.execute(f"SHOW {setting}".encode())).fetchone()
        if row != ("on",):
            raise RuntimeError(f"{setting} is not on: the figures would mean nothing")
