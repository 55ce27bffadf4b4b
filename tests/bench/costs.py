"""What work costs the database and the processes: commits, rows, bytes of write-ahead log, processor time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg

_STATISTICS_S = 1.2  # the server's own counters are brought up to date once a second
_LONGEST_S = 60

_COUNTERS = """
SELECT pg_current_wal_lsn()::text, (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
  (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_all_tables WHERE schemaname = ANY(%s))
"""
_LOGGED = """
SELECT (%(end)s::pg_lsn - %(begin)s::pg_lsn)::bigint, count(*) FILTER (WHERE record_type LIKE 'COMMIT%%')
FROM pg_get_wal_records_info(%(begin)s, %(end)s) WHERE resource_manager = 'Transaction'
"""
# Of the records that name a relation's blocks; the rest is the server's own.
_OF_SCHEMA = """
SELECT coalesce(sum(record_length), 0)::bigint FROM (
  SELECT DISTINCT ON (start_lsn) record_length, relfilenode FROM pg_get_wal_block_info(%(begin)s, %(end)s)
    ORDER BY start_lsn, block_id) AS record
JOIN pg_class c ON pg_relation_filenode(c.oid) = record.relfilenode JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s
"""
_PENDING = (
    "SELECT EXISTS (SELECT FROM runs.outbox_events WHERE status = 'pending') OR EXISTS (SELECT FROM bus.deliveries)"
)


@dataclass(frozen=True)
class Counters:
    """Where things stood at one moment; processor time in seconds."""

    lsn: str
    commits: int
    rows: int
    cpu_s: float


@dataclass(frozen=True)
class Cost:
    """What lies between two moments, for each piece of work; `commits` are those that wrote something."""

    commits: float
    all_commits: float
    rows: float
    wal_bytes: float
    cpu_ms: float


class Meter:
    """Reads the counters of a server whose schemas are named, and of the processes that do the work."""

    def __init__(self, connection: psycopg.AsyncConnection, schemas: Iterable[str], pids: Iterable[int]) -> None:
        self._connection = connection
        self._schemas = list(schemas)
        self._processes = [psutil.Process(pid) for pid in pids]

    async def read(self) -> Counters:
        """Now, when the server's counters have caught up."""
        await asyncio.sleep(_STATISTICS_S)
        lsn, commits, rows = await self._row(_COUNTERS, (self._schemas,))
        cpu = sum(sum(process.cpu_times()[:2]) for process in self._processes)
        return Counters(str(lsn), int(commits), int(rows), cpu)

    async def cost(self, begin: Counters, end: Counters, count: int) -> Cost:
        """For each of so many pieces of work between the two."""
        wal, commits = await self._row(_LOGGED, {"begin": begin.lsn, "end": end.lsn})
        return Cost(
            commits=commits / count,
            all_commits=(end.commits - begin.commits) / count,
            rows=(end.rows - begin.rows) / count,
            wal_bytes=wal / count,
            cpu_ms=1000 * (end.cpu_s - begin.cpu_s) / count,
        )

    async def wal_of_schema(self, begin: Counters, end: Counters, schema: str) -> int:
        """Bytes of log that changes of the schema's relations took."""
        return int((await self._row(_OF_SCHEMA, {"begin": begin.lsn, "end": end.lsn, "schema": schema}))[0])

    async def settled(self) -> None:
        """Returns when every message has left and has been handled."""
        async with asyncio.timeout(_LONGEST_S):
            while (await self._row(_PENDING, ()))[0]:
                await asyncio.sleep(0.05)

    async def _row(self, query: str, parameters: Sequence[Any] | Mapping[str, Any]) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = await (await self._connection.execute(query.encode(), parameters)).fetchone()
        assert row is not None
        return row
