"""One open transaction: statements, commit at its edge, and what happens after the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import psycopg
import structlog
from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from lace_platform.db.session import Fetched, Session
from lace_platform.db.statement import for_psycopg

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

_NOTIFY = """
    SELECT pg_notify(channel, payload) FROM unnest(CAST(:channels AS text[]), CAST(:payloads AS text[]))
      AS waiting(channel, payload)
"""

_log = structlog.get_logger(__name__)


class Result(Protocol):
    """What a statement gave: its rows, and how many it changed or gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed or gave."""

    def first(self) -> Row[Any] | None:
        """The first row, None where there is none."""

    def all(self) -> Sequence[Row[Any]]:
        """All rows."""


class Transaction:
    """One open transaction; leaving its context without `commit()` rolls it back.

    `tenant_id` is the tenant that it is in, empty where it reaches across tenants.
    """

    def __init__(
        self, connection: AsyncConnection, driver: psycopg.AsyncConnection[Any], session: Session, tenant_id: str
    ) -> None:
        self.tenant_id = tenant_id
        self._connection = connection
        self._driver = driver
        self._session = session
        self._callbacks: list[Callable[[], None]] = []
        # A dict for its order: one NOTIFY per channel and payload, however often the transaction asked.
        self._notifications: dict[tuple[str, str], None] = {}
        self._done = False

    async def execute(self, statement: Executable | str, parameters: Parameters = None) -> Result:
        """Run a statement; a string is SQL with `:name` parameters (write casts as CAST(:name AS type)).

        A sequence of mappings runs the statement once for each. Dicts are passed as jsonb, lists as arrays.
        Raises the subclasses of sqlalchemy.exc.DBAPIError.
        """
        if self._done:
            raise RuntimeError("the transaction is already committed")
        if not isinstance(statement, str):
            return await self._connection.execute(statement, parameters)
        return await self._execute(statement, parameters)

    async def _execute(self, sql: str, parameters: Parameters) -> Fetched:
        """SQL text goes to the driver as it is: the layers above it would cost three times what the driver does."""
        try:
            if parameters is None or isinstance(parameters, Mapping):
                async with self._driver.lock:
                    return await self._session.execute(sql, parameters)
            cursor = self._driver.cursor()
            await cursor.executemany(for_psycopg(sql), parameters)
            return Fetched([], cursor.rowcount)
        except psycopg.Error as error:
            raise DBAPIError.instance(sql, None, error, psycopg.Error, hide_parameters=True) from error

    async def fetch_one(self, statement: Executable | str, parameters: Parameters = None) -> Row[Any] | None:
        """The first row of the result, or None where it is empty."""
        return (await self.execute(statement, parameters)).first()

    async def fetch_all(self, statement: Executable | str, parameters: Parameters = None) -> Sequence[Row[Any]]:
        """All rows of the result."""
        return (await self.execute(statement, parameters)).all()

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call this in memory after a successful commit; its own failure is logged, not raised."""
        self._callbacks.append(callback)

    async def notify_after_commit(self, channel: str, payload: str = "") -> None:
        """Send NOTIFY as a statement of its own after the commit.

        Inside the transaction it would serialise all commits of the server; outside it can be lost with the
        process, so whoever listens also polls.
        """
        self._notifications[channel, payload] = None

    async def commit(self) -> None:
        """Make the transaction durable, then run the callbacks and send the notifications."""
        if self._done:
            raise RuntimeError("the transaction is already committed")
        self._done = True
        await self._execute("COMMIT", None)
        for callback in self._callbacks:
            _call_safely(callback)
        if self._notifications:
            await self._notify()

    async def _notify(self) -> None:
        channels, payloads = zip(*self._notifications, strict=True)
        try:
            await self._execute(_NOTIFY, {"channels": list(channels), "payloads": list(payloads)})
        except DBAPIError as error:
            # The transaction is committed: its caller must not see a failure, and the listeners' poll finds the work.
            _log.warning("notify_failed", channels=channels, error=str(error))


def _call_safely(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:  # noqa: BLE001 - the commit has happened, whatever the callback raises
        _log.exception("on_commit_callback_failed")
