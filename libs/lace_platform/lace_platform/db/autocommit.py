"""One raw psycopg connection for single statements that commit by themselves, reopened when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection

from lace_platform.db.adaptation import adapt
from lace_platform.db.session import Session


class AutocommitConnection:
    """Statements one after the other on one connection; a single autocommit statement is the fastest boundary."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = dict(parameters)
        self._connection: AsyncConnection[Any] | None = None
        self._session: Session | None = None
        self._lock = asyncio.Lock()

    async def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Run one statement with `:name` parameters and return its rows, as named tuples; none gives [].

        Raises psycopg.Error. After a lost connection the outcome of the statement is in doubt: this call
        raises psycopg.OperationalError, and the next opens a new connection.
        """
        async with self._lock:
            session = await self._open()
            return (await session.execute(sql, parameters)).rows

    async def close(self) -> None:
        """Close the connection; a later statement opens a new one."""
        async with self._lock:
            await self._close()

    async def _open(self) -> Session:
        if self._session is not None and self._session.is_alive:
            return self._session
        await self._close()
        connection: AsyncConnection[Any] = await AsyncConnection.connect(**self._parameters, autocommit=True)
        adapt(connection)
        self._connection, self._session = connection, Session(connection)
        return self._session

    async def _close(self) -> None:
        connection, self._connection, self._session = self._connection, None, None
        if connection is not None:
            await connection.close()
