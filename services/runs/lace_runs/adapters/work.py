"""Units of work in Postgres: one transaction, its repositories, its outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import orjson

from lace_platform import idempotency, outbox
from lace_platform.bus import Envelope
from lace_platform.db.database import Database
from lace_platform.db.transaction import Transaction
from lace_platform.jobs import handle_once
from lace_platform.rpc import current_call
from lace_runs.adapters.artifacts import PostgresArtifacts
from lace_runs.adapters.boundary import EVENTS_CHANNEL
from lace_runs.adapters.citations import PostgresCitations
from lace_runs.adapters.evaluations import PostgresEvaluations
from lace_runs.adapters.events import PostgresEvents
from lace_runs.adapters.history import PostgresHistory
from lace_runs.adapters.paragraphs import PostgresParagraphs
from lace_runs.adapters.pipelines import PostgresPipelines
from lace_runs.adapters.policies import PostgresPolicies
from lace_runs.adapters.publications import PostgresPublications
from lace_runs.adapters.quotas import PostgresQuotas
from lace_runs.adapters.reviews import PostgresReviews
from lace_runs.adapters.runs import PostgresRuns
from lace_runs.adapters.suites import PostgresSuites
from lace_runs.adapters.tables import INFRASTRUCTURE
from lace_runs.app.ports import Delivered, Message, UnitOfWork

WORK_CHANNEL = "run_work"


class PostgresUnitOfWork:
    """One transaction; see app.ports.UnitOfWork."""

    def __init__(self, tx: Transaction, tenant_id: str) -> None:
        self._tx = tx
        self.runs = PostgresRuns(tx)
        self.events = PostgresEvents(tx)
        self.artifacts = PostgresArtifacts(tx)
        self.citations = PostgresCitations(tx)
        self.history = PostgresHistory(tx)
        self.paragraphs = PostgresParagraphs(tx)
        self.pipelines = PostgresPipelines(tx)
        self.policies = PostgresPolicies(tx)
        self.publications = PostgresPublications(tx)
        self.quotas = PostgresQuotas(tx)
        self.suites = PostgresSuites(tx)
        self.reviews = PostgresReviews(tx)
        self.evaluations = PostgresEvaluations(tx)
        self._tenant_id = tenant_id
        self._messages: list[Message] = []
        self._wakes = False

    async def commit(self) -> None:
        """Make it all durable, and wake who waits for it."""
        for message in self._messages:
            await outbox.add(self._tx, INFRASTRUCTURE, envelope_of(message, self._tenant_id))
        if self._wakes:
            await self._tx.notify_after_commit(WORK_CHANNEL)
            await self._tx.notify_after_commit(EVENTS_CHANNEL)
        await self._tx.commit()

    async def once(self, route: str, request: bytes, effect: Callable[[], Awaitable[bytes]]) -> tuple[bytes, bool]:
        """The answer to a mutation, and whether it is that of an earlier time."""
        return await idempotency.once(self._tx, INFRASTRUCTURE, current_call(), route, request, effect)

    async def is_first_delivery(self, envelope: Delivered, handler: str, version: int) -> bool:
        """Whether the message was not handled before; recorded with the commit."""
        assert isinstance(envelope, Envelope)
        return await handle_once(self._tx, INFRASTRUCTURE, envelope, handler, version)

    def send(self, message: Message) -> None:
        """Put a message into the outbox with the commit."""
        self._messages.append(message)

    def wake_workers(self) -> None:
        """After the commit, wake the workers: there is a run or a command for them."""
        self._wakes = True


class OpenPostgresUnitOfWork:
    """Opens units of work on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit of work in that tenant."""
        return self._open(tenant_id)

    @asynccontextmanager
    async def _open(self, tenant_id: str) -> AsyncIterator[PostgresUnitOfWork]:
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresUnitOfWork(tx, tenant_id)


def envelope_of(message: Message, tenant_id: str) -> Envelope:
    """The message as it travels."""
    return Envelope(
        id=message.message_id,
        tenant_id=tenant_id,
        topic=message.topic,
        key=message.key,
        payload=orjson.dumps(message.payload),
    )
