"""What the compiler consumes from the bus: orders to compile."""

from __future__ import annotations

from opentelemetry import trace

from lace_compiler.api.convert import order_of
from lace_compiler.app.compile_target import Compiling, compile_target
from lace_compiler.domain.attempt import Cause
from lace_core.errors import Detail, LaceError, Reason
from lace_platform.bus import Bus, Consumption, Envelope
from lace_platform.telemetry import bind

COMPILE_REQUESTED = "compile.requested"
GROUP = "compiler"


class CompileConsumer:
    """Decodes a message, calls the use case; a message that is no order is refused and ends as a dead letter."""

    def __init__(self, using: Compiling) -> None:
        self._using = using

    async def subscribe(self, bus: Bus) -> Consumption:
        """Consume in the background; closing it lets end what is nearly done and gives back the rest."""
        return await bus.subscribe([COMPILE_REQUESTED], GROUP, self.handle)

    async def handle(self, envelope: Envelope) -> None:
        """Answers one order."""
        order = order_of(envelope.payload)
        if order.tenant_id != envelope.tenant_id:
            # The envelope's tenant is the one that the outbox vouches for.
            details = [Detail("/tenant_id", "is not the tenant that sent the message")]
            raise LaceError(Reason.INVALID_ARGUMENT, "The order names another tenant than its sender.", details=details)
        with bind(run_id=order.run_id, job_id=order.job_id, target=order.target):
            await compile_target(self._using, _cause(envelope), order)


def _cause(envelope: Envelope) -> Cause:
    """The message with its place in the trace: the sender's span, and the one under way where it is recorded."""
    parts = envelope.headers.get("traceparent", "").split("-")
    trace_id, parent = (parts[1], parts[2]) if len(parts) == 4 else ("", "")
    span = trace.get_current_span().get_span_context()
    span_id = trace.format_span_id(span.span_id) if span.is_valid else ""
    return Cause(
        event_id=envelope.id,
        tenant_id=envelope.tenant_id,
        topic=envelope.topic,
        correlation_id=envelope.headers.get("correlation_id", ""),
        trace_id=trace_id,
        span_id="" if span_id == parent else span_id,
        parent_span_id=parent,
    )
