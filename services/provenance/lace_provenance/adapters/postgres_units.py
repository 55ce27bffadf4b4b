"""Units of work on Postgres, within a tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager

from lace_platform.db.database import Database
from lace_platform.db.transaction import Transaction
from lace_platform.jobs import handle_each_once
from lace_provenance.adapters.postgres_entities import PostgresEntityRepository
from lace_provenance.adapters.postgres_logs import PostgresLogRepository
from lace_provenance.app.ports import Delivery


class PostgresUnits:
    """Opens units of work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[PostgresUnitOfWork]:
        """Within a tenant, where row level security holds."""
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresUnitOfWork(tx)


class PostgresUnitOfWork:
    """One transaction and the repositories in it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.logs = PostgresLogRepository(tx)
        self.entities = PostgresEntityRepository(tx)

    async def claim(self, tenant_id: str, deliveries: Sequence[Delivery], handler: str, version: int) -> Set[str]:
        """Claim messages of one tenant for a handler; the event ids of those whose effect is not there already."""
        topics = {delivery.event_id: delivery.topic for delivery in deliveries}
        return await handle_each_once(self._tx, tenant_id, topics, handler, version)

    async def commit(self) -> None:
        """Make it durable."""
        await self._tx.commit()
