"""How fast events are read again: out of the table by the service's own code, over gRPC, and as pages of REST.

Always the newest 100,000 of a run (all, where it has fewer), so that it shows whether a large table slows what follows
a cursor far back in it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import orjson
import psycopg
import uvloop

from lace_platform.db.database import Database
from lace_platform.db.roles import role_password, service_roles
from lace_runs.adapters.work import OpenPostgresUnitOfWork
from lace_runs.app import events
from lace_runs.domain.events import event_id_of
from tests.bench.caller import Caller, calling
from tests.bench.event_rows import EventRows
from tests.bench.figures import Figure
from tests.bench.gateway_overhead import KeptAlive
from tests.bench.processes import scratch
from tests.bench.server import Places, running

_SIZES = (10_000, 100_000, 1_000_000)
_READ = 100_000
_PAGE = 1000

Reader = Callable[[str, int], Awaitable[int]]


def measure(rounds: int) -> list[Figure]:
    """Each way in turn on the same run."""
    with scratch() as folder, running(folder) as places:
        with psycopg.connect(places.dsn, autocommit=True) as connection:
            rows = EventRows.of_the_first_tenant(connection)
            for size in _SIZES:
                rows.add_run(_run_id(size), events=size)
            connection.execute("VACUUM ANALYZE runs.event_groups")
        return uvloop.run(_measure(places, rows.tenant_id, rounds))


def _run_id(size: int) -> str:
    return f"run_bench{size}"


async def _measure(places: Places, tenant_id: str, rounds: int) -> list[Figure]:
    figures = []
    async with AsyncExitStack() as stack:
        role, _ = service_roles("runs")
        database = Database(places.dsn, schema="runs", role=role, password=role_password(places.role_secret, role))
        stack.push_async_callback(database.close)
        caller = await stack.enter_async_context(calling(places))
        ways: dict[str, Reader] = {
            "out of the table": _Table(OpenPostgresUnitOfWork(database), tenant_id).read,
            "by WatchRun": _Watch(caller).read,
            "by ReplayEvents": _Replay(caller).read,
            "by REST": _Rest(places).read,
        }
        for read in ways.values():
            await _rate(read, _SIZES[0])  # to warm it up
        for size in _SIZES:
            for name, read in ways.items():
                rates = [await _rate(read, size) for _ in range(rounds)]
                what = f"Replay {name}, {min(size, _READ):,} of a run with {size:,} events"
                figures.append(Figure(what, "events/s", rates, digits=0))
    return figures


async def _rate(read: Reader, size: int) -> float:
    expected = min(size, _READ)
    began = time.perf_counter()
    count = await read(_run_id(size), size - expected)
    seconds = time.perf_counter() - began
    if count != expected:
        raise RuntimeError(f"{count} events in place of {expected}")
    return count / seconds


class _Table:
    """The pages that the service reads for a replay, as its own values."""

    def __init__(self, open_work: OpenPostgresUnitOfWork, tenant_id: str) -> None:
        self._open_work = open_work
        self._tenant_id = tenant_id

    async def read(self, run_id: str, after: int) -> int:
        """Events read behind the place."""
        count, ended = 0, False
        while not ended:
            found, ended = await events.page(self._open_work, self._tenant_id, run_id, after + count, events.PAGE)
            count += len(found)
        return count


class _Watch:
    """One stream."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def read(self, run_id: str, after: int) -> int:
        """Events read behind the place."""
        return sum([count async for count in self._caller.watch(run_id, _cursor(run_id, after))])


class _Replay:
    """Page by page."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def read(self, run_id: str, after: int) -> int:
        """Events read behind the place."""
        count, ended, cursor = 0, False, _cursor(run_id, after)
        while not ended:
            page = await self._caller.replay(run_id, cursor, _PAGE)
            count, ended, cursor = count + len(page.events), page.end_of_stream, page.next_after_event_id
        return count


class _Rest:
    """The same pages through the gateway."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def read(self, run_id: str, after: int) -> int:
        """Events read behind the place."""
        count, ended, cursor = 0, False, _cursor(run_id, after)
        path = f"/v1/runs/{run_id}/events/replay?page_size={_PAGE}"
        connection = await KeptAlive.open(self._places, path)
        while not ended:
            page = orjson.loads(await connection.get(f"{path}&after_event_id={cursor}"))
            count, ended, cursor = count + len(page["events"]), page["end_of_stream"], page["next_after_event_id"]
        await connection.close()
        return count


def _cursor(run_id: str, after: int) -> str:
    return event_id_of(run_id, after) if after else ""
