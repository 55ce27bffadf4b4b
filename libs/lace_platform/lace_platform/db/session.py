"""Statements on one psycopg connection, each prepared once and sent as one message, without a cursor between.

A cursor parses, dumps and describes a statement anew each time it is executed: about 90 µs of processor time, for
statements whose own work takes the server less. psycopg's types, errors and protocol are what they are with a cursor.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import READY_R, READY_W, WAIT_W, Ready, Wait

from lace_platform.db.statement import for_server

_MOST_PREPARED = 200
_CANCEL_S = 2.0
_ROWS = ExecStatus.TUPLES_OK
_ENDED_WELL = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY)

_MakeRow = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Fetched:
    """What a statement gave: its rows as named tuples, and how many it changed or gave; -1 where that says nothing."""

    rows: Sequence[Any]
    rowcount: int

    def first(self) -> Any | None:
        """The first row, None where there is none."""
        return self.rows[0] if self.rows else None

    def all(self) -> Sequence[Any]:
        """All rows."""
        return self.rows


class Session:
    """A connection's statements, one after the other: whoever calls holds them apart."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._transformer = Transformer(connection)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._named = 0  # never counted back: who is cancelled while he prepares leaves a name behind
        self._rows: dict[tuple[str, ...], _MakeRow] = {}
        self._waiter: asyncio.Future[Ready] | None = None
        self._attention = select.poll()
        self._attention.register(self._pgconn.socket, select.POLLIN)

    @property
    def is_alive(self) -> bool:
        """Whether the server has not closed the connection since its last statement, without a round trip.

        On an idle connection the server speaks first only to say farewell.
        """
        return self._pgconn.status == ConnStatus.OK and not self._attention.poll(0)

    async def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Fetched:
        """Run a statement with `:name` parameters; without any, it may be several. Raises psycopg.Error."""
        try:
            if parameters is None:
                self._pgconn.send_query(sql.encode())
                return self._fetched(await self._results())
            return self._fetched(await self._execute(sql, parameters))
        except psycopg.errors.InvalidSqlStatementName:
            self._names.clear()  # somebody else had all forgotten
            raise
        except asyncio.CancelledError:
            with contextlib.suppress(psycopg.Error, OSError):
                await self._give_up()
            raise
        except OSError as error:
            raise psycopg.OperationalError("the connection's socket is closed") from error

    async def _execute(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[PGresult]:
        query, names = for_server(sql)
        values = [parameters[name] for name in names]
        dumped = self._transformer.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types = self._transformer.types or ()
        formats = self._transformer.formats
        name = self._names.get((sql, types))
        if name is None:
            name = await self._prepare(sql, query, types)
        self._pgconn.send_query_prepared(name, dumped, formats, Format.TEXT)
        return await self._results()

    async def _prepare(self, sql: str, query: bytes, types: tuple[int, ...]) -> bytes:
        if len(self._names) >= _MOST_PREPARED:
            self._pgconn.send_query(b"DEALLOCATE ALL")
            self._fetched(await self._results())
            self._names.clear()
        self._named += 1
        name = b"lace_%d" % self._named
        self._pgconn.send_prepare(name, query, types)
        self._fetched(await self._results())
        self._names[sql, types] = name
        return name

    def _fetched(self, results: Sequence[PGresult]) -> Fetched:
        for result in results:
            if result.status not in _ENDED_WELL:
                raise error_from_result(result, self._connection.info.encoding)
        last = results[-1]
        count = last.command_tuples
        if last.status != _ROWS:
            return Fetched([], -1 if count is None else count)
        self._transformer.set_pgresult(last)
        rows = self._transformer.load_rows(0, last.ntuples, self._row_of(last))
        return Fetched(rows, len(rows) if count is None else count)

    def _row_of(self, result: PGresult) -> _MakeRow:
        columns = tuple([(result.fname(place) or b"").decode() for place in range(result.nfields)])
        known = self._rows.get(columns)
        if known is None:
            made: Any = namedtuple("Row", list(columns), rename=True)  # type: ignore[misc]
            known = self._rows[columns] = made._make
        return known

    async def _results(self) -> Sequence[PGresult]:
        """What comes of what was sent, to its end."""
        steps = generators.execute(self._pgconn)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(await self._ready(wanted))
        except StopIteration as ended:
            found: Sequence[PGresult] = ended.value
            return found

    async def _ready(self, wanted: Wait) -> Ready:
        loop, socket = asyncio.get_running_loop(), self._pgconn.socket
        waiter: asyncio.Future[Ready] = loop.create_future()
        self._waiter = waiter
        loop.add_reader(socket, self._wake, READY_R)
        if wanted & WAIT_W:
            loop.add_writer(socket, self._wake, READY_W)
        try:
            return await waiter
        finally:
            loop.remove_reader(socket)
            if wanted & WAIT_W:
                loop.remove_writer(socket)

    def _wake(self, ready: Ready) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(ready)

    async def _give_up(self) -> None:
        """Whoever waited for the statement does no more: the server is told, and the connection is used no further
        where that does not end it.
        """
        if self._pgconn.transaction_status != TransactionStatus.ACTIVE:
            return
        try:
            async with asyncio.timeout(_CANCEL_S):
                await self._connection.cancel_safe(timeout=_CANCEL_S)
                await self._results()
        except BaseException:
            await self._connection.close()
            raise
