"""Transactions in Postgres: in one tenant for a service's own role, across tenants for its system role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import orjson
import psycopg
import structlog
from psycopg.sql import Literal
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from lace_core.errors import LaceError, Reason
from lace_platform.db.adaptation import adapt
from lace_platform.db.autocommit import AutocommitConnection
from lace_platform.db.dsn import connection_parameters
from lace_platform.db.session import Session
from lace_platform.db.transaction import Transaction

__all__ = ["Database", "SystemDatabase", "Transaction"]

# A statement that waits this long for a lock, runs this long, or leaves its transaction idle this long is a
# fault, not load: it ends with an error in place of holding others up.
SESSION_SETTINGS = {
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
# For connections with few and long statements that touch few rows, by their keys: planned once, not at every execution,
# and never with a scan of a table that happened to be small when the plan was made.
PLANNED_ONCE = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
_NOTIFY = "SELECT pg_notify(channel, '') FROM unnest(CAST(:channels AS text[])) AS told(channel)"
_POOL_TIMEOUT_S = 15.0
_NUL = "cannot contain NUL (0x00)"
_SESSION = "lace_session"
_OPENING = "BEGIN"
_OPENING_WITH_TENANT = _OPENING + "; SELECT set_config('lace.tenant_id', {}, true)"

_log = structlog.get_logger(__name__)


class _Pool:
    """Pooled connections of one role, and transactions that begin in one round trip."""

    def __init__(self, dsn: str, *, schema: str, role: str, password: str, pool_size: int = 8) -> None:
        self.schema = schema
        self.role = role
        settings = {**SESSION_SETTINGS, "search_path": schema}
        self._parameters = connection_parameters(
            dsn, role=role, password=password, application_name=role, settings=settings
        )
        self._pool_size = pool_size
        self._engine = _create_engine(self._parameters, pool_size)

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine, for instrumentation only: statements belong into a transaction."""
        return self._engine

    async def close(self) -> None:
        """Close all pooled connections."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _begin(self, opening: str, tenant_id: str) -> AsyncIterator[Transaction]:
        connection, driver, session = await self._open(opening)
        try:
            yield Transaction(connection, driver, session, tenant_id)
        except (psycopg.Error, DBAPIError) as error:
            if _NUL in str(error):  # of the driver, before anything is sent; only a caller can have brought it
                message = "A text holds the character 0, which is no text."
                raise LaceError(Reason.INVALID_ARGUMENT, message) from error
            if not driver.closed:
                raise
            # The server went away in the middle; whether a COMMIT that was on its way came through is not known.
            raise _unavailable(error) from error
        finally:
            if driver.closed:  # to roll back on it would fail, and that failure hide a cancellation
                await _discard(connection)
            else:
                # Back into the pool, which rolls back what was not committed.
                await connection.close()

    async def _open(self, opening: str) -> tuple[AsyncConnection, psycopg.AsyncConnection[Any], Session]:
        """A connection with an open transaction; its BEGIN is also the check that a pooled connection lives."""
        for stale_left in range(self._pool_size, -1, -1):
            connection = await self._connect()
            try:
                driver, session = await _driver_of(connection)
                # Without parameters both statements go in one message: BEGIN costs no trip of its own.
                await session.execute(opening)
                return connection, driver, session
            except psycopg.OperationalError as error:
                await _discard(connection)
                if not stale_left:
                    raise _unavailable(error) from error
            except BaseException:
                await _discard(connection)
                raise
        raise AssertionError("the loop returns or raises")

    async def _connect(self) -> AsyncConnection:
        try:
            return await self._engine.connect()
        except (OSError, OperationalError, PoolTimeout) as error:
            raise _unavailable(error) from error


class Database(_Pool):
    """The service's own role: every transaction is in one tenant, and row level security holds it there."""

    def transaction(self, tenant_id: str) -> AbstractAsyncContextManager[Transaction]:
        """Begin in a tenant; rolls back unless `commit()` was called. Raises LaceError SERVICE_UNAVAILABLE."""
        if not tenant_id:
            # An identity without a tenant is a service's: it must name the tenant for which it acts.
            raise ValueError("a transaction needs a tenant")
        return self._begin(_OPENING_WITH_TENANT.format(Literal(tenant_id).as_string()), tenant_id)


class SystemDatabase(_Pool):
    """The service's system role, across tenants: for relay, leases and group commit, never for one caller's request.

    It is no subtype of `Database`, so that the type checker refuses it wherever a tenant is due.
    """

    def __init__(self, dsn: str, *, schema: str, role: str, password: str, pool_size: int = 4) -> None:
        super().__init__(dsn, schema=schema, role=role, password=password, pool_size=pool_size)
        planned_once = (f"-c {name}={value}" for name, value in PLANNED_ONCE.items())
        options = " ".join([self._parameters["options"], *planned_once])
        self._autocommit = AutocommitConnection({**self._parameters, "options": options})
        # Who is not woken looks by himself: a notification need not wait for the disk.
        unflushed = f"{self._parameters['options']} -c synchronous_commit=off"
        self._notifying = AutocommitConnection({**self._parameters, "options": unflushed})

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin without a tenant; rolls back unless `commit()` was called. Raises LaceError SERVICE_UNAVAILABLE."""
        return self._begin(_OPENING, "")

    async def execute_now(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """One statement with `:name` parameters that commits by itself, on a connection of its own.

        Rows come as named tuples. Calls queue behind one another. Raises psycopg.Error; after an
        OperationalError the statement may or may not have been committed.
        """
        return await self._autocommit.execute(sql, parameters)

    async def notify(self, channels: Sequence[str]) -> None:
        """Wake who listens, on a connection of its own, so that no statement waits for it. Raises psycopg.Error."""
        await self._notifying.execute(_NOTIFY, {"channels": list(channels)})

    async def close(self) -> None:
        """Close the pooled connections and those for single statements."""
        await self._notifying.close()
        await self._autocommit.close()
        await super().close()


def _create_engine(parameters: Mapping[str, Any], pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+psycopg://",
        # psycopg prepares nothing by itself: at a ROLLBACK it would drop all that is prepared, `Session`'s too.
        connect_args={**parameters, "prepare_threshold": None},
        # Autocommit below, so that this module's own BEGIN (with the tenant in the same message) opens transactions.
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_S,
        pool_use_lifo=True,
        use_native_hstore=False,
        # Otherwise an insert reports no rowcount, and `ON CONFLICT DO NOTHING` cannot be told from success.
        execution_options={"preserve_rowcount": True},
        hide_parameters=True,  # what a statement was given is no matter of the log's
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "connect", lambda dbapi, _record: adapt(dbapi.driver_connection))
    return engine


async def _driver_of(connection: AsyncConnection) -> tuple[psycopg.AsyncConnection[Any], Session]:
    pooled = await connection.get_raw_connection()
    driver = pooled.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    session = pooled.info.get(_SESSION)  # of this very connection: what it was filled with goes when it is replaced
    if session is None:
        session = pooled.info[_SESSION] = Session(driver)
    return driver, session


async def _discard(connection: AsyncConnection) -> None:
    await connection.invalidate()
    await connection.close()


def _unavailable(error: Exception) -> LaceError:
    _log.warning("database_unavailable", error=str(error))
    return LaceError(
        Reason.SERVICE_UNAVAILABLE, "The database cannot be reached; try again.", retryable=True, retry_after=1.0
    )
