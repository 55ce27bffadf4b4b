"""What the model gateway consumes from the bus: batches and runs that were asked for in execution mode queue."""

from __future__ import annotations

from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.api.convert_batches import requested_of
from lace_llm_gateway.app.batches.tasks import RequestedWork
from lace_platform.bus import Bus, Consumption, Envelope
from lace_platform.telemetry import bind

BATCH_REQUESTED = "llm.batch.requested"
GROUP = "llm_gateway"


class BatchConsumer:
    """Decodes a message, has its work begun; a message that asks for nothing is refused and ends as a dead letter."""

    def __init__(self, work: RequestedWork) -> None:
        self._work = work

    async def subscribe(self, bus: Bus) -> Consumption:
        """Consume in the background; what was begun goes on when it is closed."""
        return await bus.subscribe([BATCH_REQUESTED], GROUP, self.handle)

    async def handle(self, envelope: Envelope) -> None:
        """Begins what one message asks for."""
        asked = requested_of(envelope.payload)
        if asked.tenant_id != envelope.tenant_id:
            # The envelope's tenant is the one that the outbox vouches for.
            details = [Detail("/tenant_id", "is not the tenant that sent the message")]
            message = "The message names another tenant than its sender."
            raise LaceError(Reason.INVALID_ARGUMENT, message, details=details)
        with bind(batch_id=asked.batch_id, run_id=asked.run_id):
            await self._work.take(envelope.tenant_id, envelope.id, envelope.topic, asked.batch_id, asked.run_id)
