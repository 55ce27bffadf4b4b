"""Templates in Postgres, under the service's own role and row level security."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Table
from sqlalchemy.dialects.postgresql import insert

from lace_llm_gateway.adapters.sql_templates import (
    Rows,
    Session,
    SqlIdempotencyRepository,
    SqlTemplateRepository,
    SqlTemplateRunRepository,
)
from lace_llm_gateway.adapters.tables import INFRASTRUCTURE
from lace_llm_gateway.domain.stored_templates import TemplateRun
from lace_platform import outbox
from lace_platform.bus import Envelope
from lace_platform.db.database import Database
from lace_platform.db.transaction import Transaction
from lace_platform.ids import new_id

RUN_RECORDED = "llm.template_run.recorded"
Recorded = Callable[[TemplateRun], bytes]  # the JSON of lace.llm_gateway.v1.TemplateRunRecorded
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS free"


class PostgresTemplateUnits:
    """Opens units of work."""

    def __init__(self, database: Database, now: Callable[[], datetime], recorded: Recorded) -> None:
        self._database = database
        self._now = now
        self._recorded = recorded

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[PostgresTemplateUnit]:
        """Within a tenant."""
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresTemplateUnit(tx, self._now, self._recorded)


class PostgresTemplateUnit:
    """One transaction."""

    def __init__(self, tx: Transaction, now: Callable[[], datetime], recorded: Recorded) -> None:
        self._tx = tx
        session = _PostgresSession(tx)
        self.templates = SqlTemplateRepository(session)
        self.runs = RecordedTemplateRunRepository(session, tx, recorded)
        self.idempotency = SqlIdempotencyRepository(session, now)

    async def commit(self) -> None:
        """Make it durable."""
        await self._tx.commit()


class RecordedTemplateRunRepository(SqlTemplateRunRepository):
    """Tells who analyses of each run that ended, in the transaction that ends it."""

    def __init__(self, session: Session, tx: Transaction, recorded: Recorded) -> None:
        super().__init__(session)
        self._tx = tx
        self._recorded = recorded

    async def settle(self, tenant_id: str, run: TemplateRun) -> bool:
        """The outcome and its message in the outbox, once."""
        if not await super().settle(tenant_id, run):
            return False
        message = Envelope(new_id("evt"), tenant_id, RUN_RECORDED, run.batch_id or run.run_id, self._recorded(run))
        await outbox.add(self._tx, INFRASTRUCTURE, message)
        return True


class _PostgresSession:
    """A transaction as the portable repositories need it; they name the tenant in each statement."""

    def __init__(self, transaction: Any) -> None:
        self._tx: Transaction = transaction

    async def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Rows:
        return await self._tx.execute(statement, parameters)

    async def add_new(self, table: Table, row: Mapping[str, Any]) -> bool:
        return (await self._tx.execute(insert(table).on_conflict_do_nothing(), row)).rowcount == 1

    async def try_lock(self, name: str) -> bool:
        # Its own statement: the select after it then sees what the last holder committed.
        held = await self._tx.fetch_one(_LOCK, {"name": name})
        return held is not None and bool(held.free)
