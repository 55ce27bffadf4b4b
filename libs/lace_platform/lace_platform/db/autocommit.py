"""One raw psycopg connection for single statements that commit by themselves, reopened when it is lost."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row

from lace_platform.db.adaptation import adapt
from lace_platform.db.statement import for_psycopg


class AutocommitConnection:
    """Statements one after the other on one connection; a single autocommit statement is the fastest boundary."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = dict(parameters)
        self._connection: AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()

    async def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Run one statement with `:name` parameters and return its rows, as named tuples; none gives [].

        Raises psycopg.Error. After a lost connection the outcome of the statement is in doubt: this call
        raises psycopg.OperationalError, and the next opens a new connection.
        """
        async with self._lock:
            connection = await self._open()
            cursor = await connection.execute(for_psycopg(sql), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def close(self) -> None:
        """Close the connection; a later statement opens a new one."""
        async with self._lock:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None

    async def _open(self) -> AsyncConnection[Any]:
        if self._connection is not None and _is_alive(self._connection):
            return self._connection
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        connection: AsyncConnection[Any] = await AsyncConnection.connect(
            **self._parameters, autocommit=True, row_factory=namedtuple_row
        )
        adapt(connection)
        self._connection = connection
        return connection


def _is_alive(connection: AsyncConnection[Any]) -> bool:
    """Whether the server has not closed the connection since its last statement, without a round trip.

    On an idle connection the server speaks first only to say farewell.
    """
    if connection.closed:
        return False
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)
