"""Templates in SQLite, for development and tests on one machine: the same repositories on another engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, MetaData, StaticPool, Table, create_engine, event
from sqlalchemy.dialects.sqlite import insert

from lace_llm_gateway.adapters.sql_templates import (
    Rows,
    SqlIdempotencyRepository,
    SqlTemplateRepository,
    SqlTemplateRunRepository,
)
from lace_llm_gateway.adapters.tables import INFRASTRUCTURE, SCHEMA
from lace_llm_gateway.adapters.template_tables import TEMPLATE_RUNS, TEMPLATES

_WRITTEN_ONCE = """
    CREATE TRIGGER IF NOT EXISTS templates_no_{verb} BEFORE {verb} ON templates
    BEGIN SELECT RAISE(ABORT, 'rows of templates are written once'); END
"""


class SqliteTemplateUnits:
    """Opens units of work on one file, or in memory where there is no path; one unit at a time.

    SQLite knows no roles: what keeps tenants apart here is the tenant in every statement alone.
    """

    def __init__(self, path: Path | None, now: Callable[[], datetime]) -> None:
        self._now = now
        self._engine = _engine(path)
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[SqliteTemplateUnit]:
        """Within a tenant."""
        if not tenant_id:
            raise ValueError("a transaction needs a tenant")
        async with self._one_at_a_time:
            connection = await asyncio.to_thread(self._engine.connect)
            try:
                yield SqliteTemplateUnit(connection, self._now)
            finally:
                await asyncio.to_thread(connection.close)

    async def close(self) -> None:
        """Closes the file."""
        await asyncio.to_thread(self._engine.dispose)


class SqliteTemplateUnit:
    """One transaction."""

    def __init__(self, connection: Connection, now: Callable[[], datetime]) -> None:
        self._connection = connection
        session = _SqliteSession(connection)
        self.templates = SqlTemplateRepository(session)
        self.runs = SqlTemplateRunRepository(session)
        self.idempotency = SqlIdempotencyRepository(session, now)

    async def commit(self) -> None:
        """Make it durable."""
        await asyncio.to_thread(self._connection.commit)


class _SqliteSession:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Rows:
        return await asyncio.to_thread(self._connection.execute, statement, parameters)

    async def add_new(self, table: Table, row: Mapping[str, Any]) -> bool:
        return (await self.execute(insert(table).on_conflict_do_nothing(), row)).rowcount == 1

    async def try_lock(self, name: str) -> bool:
        """Whoever is in a transaction is alone in it."""
        del name
        return True


def _engine(path: Path | None) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}" if path else "sqlite://",
        connect_args={"check_same_thread": False, "timeout": 10},
        poolclass=StaticPool if path is None else None,
        execution_options={"schema_translate_map": {SCHEMA: None}, "preserve_rowcount": True},
    )
    event.listen(engine, "connect", lambda driver, _record: setattr(driver, "isolation_level", None))
    # Python's driver begins a transaction at the first change only, and two who read and go on to write would fail.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        _tables().create_all(connection)
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(_WRITTEN_ONCE.format(verb=verb))
    return engine


def _tables() -> MetaData:
    """The tables without the defaults that only Postgres can compute; the repositories give every value themselves."""
    found = MetaData()
    for table in (TEMPLATES, TEMPLATE_RUNS, INFRASTRUCTURE.idempotency_keys):
        copied = table.to_metadata(found)
        for column in copied.columns:
            column.server_default = None
    return found
