"""Units of work on Postgres, under the compiler's own role and row level security."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lace_compiler.adapters.postgres_compiled import PostgresCompiledRepository
from lace_compiler.adapters.tables import INFRASTRUCTURE
from lace_compiler.domain.attempt import Cause, Compiled, Order, Transformation
from lace_core.ids import derive
from lace_platform import outbox
from lace_platform.bus import Envelope
from lace_platform.db.database import Database
from lace_platform.db.transaction import Transaction
from lace_platform.jobs import handle_once

COMPILE_COMPLETED = "compile.completed"
PROVENANCE_LOGGED = "provenance.logged"

_HANDLER = "compiler.compile_target"
_HANDLER_VERSION = 1


@dataclass(frozen=True, slots=True)
class Payloads:
    """How what is told becomes the JSON of the contract's messages."""

    completed: Callable[[Order, Compiled], bytes]
    transformation: Callable[[Transformation], bytes]


class PostgresUnits:
    """Opens units of work."""

    def __init__(self, database: Database, payloads: Payloads) -> None:
        self._database = database
        self._payloads = payloads

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[PostgresUnitOfWork]:
        """Within a tenant, where row level security holds."""
        async with self._database.transaction(tenant_id) as tx:
            yield PostgresUnitOfWork(tx, self._payloads)


class PostgresUnitOfWork:
    """One transaction: the attempts, the record of handled messages and the outbox in it."""

    def __init__(self, tx: Transaction, payloads: Payloads) -> None:
        self._tx = tx
        self._payloads = payloads
        self.compiled = PostgresCompiledRepository(tx)

    async def claim(self, cause: Cause) -> bool:
        """Inserts the message's row in job_executions."""
        message = Envelope(cause.event_id, cause.tenant_id, cause.topic, key="", payload=b"")
        return await handle_once(self._tx, INFRASTRUCTURE, message, _HANDLER, _HANDLER_VERSION)

    async def tell(self, made: Transformation) -> None:
        """compile.completed, in order with what else the run hears, and provenance.logged."""
        await self._send(COMPILE_COMPLETED, made, self._payloads.completed(made.order, made.compiled))
        await self._send(PROVENANCE_LOGGED, made, self._payloads.transformation(made))

    async def commit(self) -> None:
        """Make it durable."""
        await self._tx.commit()

    async def _send(self, topic: str, made: Transformation, payload: bytes) -> None:
        """One message per attempt and topic: its id comes from both."""
        order, headers = made.order, {}
        if made.cause.correlation_id:
            headers["correlation_id"] = made.cause.correlation_id
        identifier = derive("evt", order.tenant_id, made.compiled.compiled_id, topic)
        key = order.run_id or order.artifact_id
        message = Envelope(identifier, order.tenant_id, topic, key, payload, headers=headers)
        await outbox.add(self._tx, INFRASTRUCTURE, message)
