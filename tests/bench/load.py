"""Runs submitted through StartRun, so many in flight, and how long they take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg

from tests.bench.caller import Caller

PIPELINE = "noop10"
STEPS = 10
_POLL_S = 0.02
_ENDED = """
SELECT run_id, state FROM runs.runs WHERE run_id = ANY(%s) AND state IN ('succeeded', 'failed', 'cancelled')
"""


class Ends:
    """Tells when runs have ended, by one look at the database for all of them: watching each would be another load."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def of(self, run_id: str) -> None:
        """Returns when the run has succeeded; raises RuntimeError where it ended otherwise."""
        self._waiting[run_id] = asyncio.get_running_loop().create_future()
        await self._waiting[run_id]

    async def look(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(_POLL_S)
            for run_id, state in await self._ended():
                future = self._waiting.pop(run_id)
                if future.done():
                    continue
                if state == "succeeded":
                    future.set_result(None)
                else:
                    future.set_exception(RuntimeError(f"{run_id} has {state}"))

    async def _ended(self) -> Sequence[tuple[str, str]]:
        if not self._waiting:
            return []
        rows: Sequence[tuple[str, str]] = await (
            await self._connection.execute(_ENDED, (list(self._waiting),))
        ).fetchall()
        return rows


@asynccontextmanager
async def ends_on(dsn: str) -> AsyncIterator[Ends]:
    """On a connection of its own."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SET enable_seqscan = off")  # a few runs among very many, whatever the table's state
        ends = Ends(connection)
        looking = asyncio.create_task(ends.look())
        try:
            yield ends
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def runs_per_second(caller: Caller, ends: Ends, *, count: int, in_flight: int) -> float:
    """Start so many, each as soon as there is a place for it, until the last has ended."""
    slots = asyncio.Semaphore(in_flight)

    async def one() -> None:
        async with slots:
            await ends.of(await caller.start(PIPELINE))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
    return count / (time.perf_counter() - began)
