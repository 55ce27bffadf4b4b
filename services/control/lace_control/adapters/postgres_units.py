"""Units of work on Postgres: within a tenant under control's own role, across tenants under its system role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from lace_control.adapters.postgres_audit import PostgresAuditRepository
from lace_control.adapters.postgres_dead_letters import PostgresDeadLetterRepository
from lace_control.adapters.postgres_directory import PostgresDirectory
from lace_control.adapters.postgres_quotas import PostgresQuotaRepository
from lace_control.adapters.postgres_revocations import PostgresRevocationRepository, newest_epoch
from lace_control.adapters.postgres_settings import PostgresSettingsRepository, PostgresSnapshotRepository
from lace_control.adapters.postgres_tenants import PostgresPrincipalRepository, PostgresTenantRepository
from lace_control.adapters.postgres_tokens import PostgresTokenRepository
from lace_control.adapters.tables import INFRASTRUCTURE
from lace_control.app.ports import Mutation
from lace_platform import idempotency
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.transaction import Transaction
from lace_platform.rpc import current_call

T = TypeVar("T")


class PostgresUnits:
    """Opens units of work."""

    def __init__(self, database: Database, system: SystemDatabase) -> None:
        self._database = database
        self._system = system

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[PostgresUnitOfWork]:
        """Within a tenant, where row level security holds."""
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresUnitOfWork(tx)

    @asynccontextmanager
    async def of_system(self) -> AsyncIterator[PostgresSystemUnitOfWork]:
        """Across tenants."""
        async with self._system.transaction() as tx:
            yield PostgresSystemUnitOfWork(tx)


class PostgresUnitOfWork:
    """One transaction and the repositories in it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.tenants = PostgresTenantRepository(tx)
        self.principals = PostgresPrincipalRepository(tx)
        self.tokens = PostgresTokenRepository(tx)
        self.settings = PostgresSettingsRepository(tx)
        self.snapshots = PostgresSnapshotRepository(tx)
        self.quotas = PostgresQuotaRepository(tx)
        self.audit = PostgresAuditRepository(tx)
        self.dead_letters = PostgresDeadLetterRepository(tx)
        self.revocations = PostgresRevocationRepository(tx)

    async def epoch(self) -> int:
        """The newest revocation's epoch."""
        return await newest_epoch(self._tx)

    async def once(self, mutation: Mutation[T], effect: Callable[[], Awaitable[T]]) -> T:
        """The effect's answer, or the stored one where the call's Idempotency-Key was answered before."""
        made: list[T] = []

        async def answer() -> bytes:
            made.append(await effect())
            return mutation.encode(made[0])

        stored, replayed = await idempotency.once(
            self._tx, INFRASTRUCTURE, current_call(), mutation.route, mutation.request, answer
        )
        return mutation.decode(stored) if replayed else made[0]

    async def commit(self) -> None:
        """Make it durable."""
        await self._tx.commit()


class PostgresSystemUnitOfWork(PostgresUnitOfWork):
    """One transaction across tenants, and what is looked up there."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx)
        self.directory = PostgresDirectory(tx)
