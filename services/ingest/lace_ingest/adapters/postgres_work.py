"""Units of work on Postgres, each one transaction in a tenant under ingest's own role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from lace_ingest.adapters.postgres_sources import PostgresSourceRepository
from lace_ingest.adapters.postgres_units import PostgresUnitRepository
from lace_ingest.adapters.tables import INFRASTRUCTURE
from lace_ingest.app.ports import Mutation, UnitOfWork
from lace_ingest.domain.jobs import HANDLER, HANDLER_VERSION, ReadJob, Readout
from lace_ingest.domain.sources import Source
from lace_platform import idempotency, jobs, outbox
from lace_platform.bus import Envelope
from lace_platform.db.database import Database
from lace_platform.db.transaction import Transaction
from lace_platform.rpc import current_call

Announce = Callable[[Readout], Sequence[Envelope]]
"""The messages that tell of a reading."""

REQUESTED = "source.ingest.requested"


class PostgresWork:
    """Opens units of work; see app.ports.UnitsOfWork."""

    def __init__(self, database: Database, announce: Announce) -> None:
        self._database = database
        self._announce = announce

    def __call__(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """Within a tenant, where row level security holds."""
        return self._open(tenant_id)

    @asynccontextmanager
    async def _open(self, tenant_id: str) -> AsyncIterator[UnitOfWork]:
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresUnitOfWork(tx, self._announce)


class PostgresUnitOfWork:
    """One transaction and the repositories in it."""

    def __init__(self, tx: Transaction, announce: Announce) -> None:
        self._tx = tx
        self._announce = announce
        self.sources = PostgresSourceRepository(tx)
        self.units = PostgresUnitRepository(tx)

    async def once(self, mutation: Mutation, effect: Callable[[], Awaitable[Source]]) -> Source:
        """The effect's answer, or the stored one where the call's Idempotency-Key was answered before."""

        async def answer() -> bytes:
            return msgspec.json.encode(await effect())

        kept, _ = await idempotency.once(
            self._tx, INFRASTRUCTURE, current_call(), mutation.route, mutation.request, answer
        )
        return msgspec.json.decode(kept, type=Source)

    async def claim(self, job: ReadJob) -> bool:
        """False where this delivery has had its effect."""
        envelope = Envelope(job.event_id, job.tenant_id, REQUESTED, job.source_id, b"")
        return await jobs.handle_once(self._tx, INFRASTRUCTURE, envelope, HANDLER, HANDLER_VERSION)

    async def report(self, readout: Readout) -> None:
        """Put the news of a reading into the outbox."""
        for envelope in self._announce(readout):
            await outbox.add(self._tx, INFRASTRUCTURE, envelope)

    async def commit(self) -> None:
        """Make it durable."""
        await self._tx.commit()
