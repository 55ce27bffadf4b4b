"""Units of work on Postgres, each one transaction in a tenant under ingest's own role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import msgspec

from lace_ingest.adapters.postgres_bundles import PostgresBundleRepository
from lace_ingest.adapters.postgres_extractions import PostgresExtractionRepository
from lace_ingest.adapters.postgres_facts import PostgresFactRepository
from lace_ingest.adapters.postgres_intake import PostgresIntakeRepository
from lace_ingest.adapters.postgres_series import PostgresSeriesRepository
from lace_ingest.adapters.postgres_sources import PostgresSourceRepository
from lace_ingest.adapters.postgres_units import PostgresUnitRepository
from lace_ingest.adapters.retrieval.postgres_lexical import LexemeMemory, PostgresLexicalIndex
from lace_ingest.adapters.retrieval.postgres_vectors import UNITS_CHANGED, PostgresVectorIndex
from lace_ingest.adapters.tables import INFRASTRUCTURE
from lace_ingest.app.ports import Mutation, UnitOfWork
from lace_ingest.domain.intake import ImportOutcome, ReadFault
from lace_ingest.domain.jobs import HANDLER, HANDLER_VERSION, ReadJob, Readout
from lace_platform import idempotency, jobs, outbox
from lace_platform.bus import Envelope
from lace_platform.db.database import Database
from lace_platform.db.transaction import Transaction
from lace_platform.rpc import current_call

T = TypeVar("T")

Announce = Callable[[Readout | ReadFault | ImportOutcome], Sequence[Envelope]]
"""The messages that tell of what came of a job."""

REQUESTED = "source.ingest.requested"


class PostgresWork:
    """Opens units of work; see app.ports.UnitsOfWork."""

    def __init__(self, database: Database, announce: Announce) -> None:
        self._database = database
        self._announce = announce
        self._lexemes = LexemeMemory()

    def __call__(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """Within a tenant, where row level security holds."""
        return self._open(tenant_id)

    @asynccontextmanager
    async def _open(self, tenant_id: str) -> AsyncIterator[UnitOfWork]:
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresUnitOfWork(tx, self._announce, self._lexemes)


class PostgresUnitOfWork:
    """One transaction and the repositories in it."""

    def __init__(self, tx: Transaction, announce: Announce, lexemes: LexemeMemory) -> None:
        self._tx = tx
        self._announce = announce
        self.sources = PostgresSourceRepository(tx)
        self.units = PostgresUnitRepository(tx)
        self.series = PostgresSeriesRepository(tx)
        self.bundles = PostgresBundleRepository(tx)
        self.extractions = PostgresExtractionRepository(tx)
        self.intake = PostgresIntakeRepository(tx)
        self.lexical = PostgresLexicalIndex(tx, lexemes)
        self.vectors = PostgresVectorIndex(tx)
        self.facts = PostgresFactRepository(tx)

    async def once(self, mutation: Mutation, effect: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """The effect's answer, or the stored one where the call's Idempotency-Key was answered before."""

        async def answer() -> bytes:
            return msgspec.json.encode(await effect())

        kept, _ = await idempotency.once(
            self._tx, INFRASTRUCTURE, current_call(), mutation.route, mutation.request, answer
        )
        return msgspec.json.decode(kept, type=kind)

    async def claim(self, job: ReadJob) -> bool:
        """False where this delivery has had its effect."""
        return await self.claim_for(HANDLER, job.tenant_id, job.event_id)

    async def claim_for(self, handler: str, tenant_id: str, event_id: str) -> bool:
        """False where this message has had its effect by that handler."""
        envelope = Envelope(event_id, tenant_id, REQUESTED, event_id, b"")
        return await jobs.handle_once(self._tx, INFRASTRUCTURE, envelope, handler, HANDLER_VERSION)

    async def report(self, news: Readout | ReadFault | ImportOutcome) -> None:
        """Put the news of a job into the outbox."""
        for envelope in self._announce(news):
            await outbox.add(self._tx, INFRASTRUCTURE, envelope)
        if isinstance(news, Readout):
            await self._tx.notify_after_commit(UNITS_CHANGED)

    async def commit(self) -> None:
        """Make it durable."""
        await self._tx.commit()
