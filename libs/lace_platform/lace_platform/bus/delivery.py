"""What all adapters share in delivering a message: retries, dead letters, and the trace that goes on in the handler."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import structlog
from opentelemetry import propagate, trace

from lace_core.errors import LaceError, Reason
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX, REDRIVE_GROUP, Envelope
from lace_platform.bus.port import Handler
from lace_platform.clock import utc_now

_LONGEST_CAUSE = 2000

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("lace_platform.bus")


@dataclass(frozen=True)
class RetryPolicy:
    """How often a message is tried and how long the pauses are: doubling, with jitter, up to the longest.

    The default gives up after about half a minute, so that a restart of a database or a service is ridden out.
    """

    attempts: int = 8
    first_pause_s: float = 0.25
    longest_pause_s: float = 30.0

    def pause(self, attempts_made: int) -> float:
        """Seconds until the next attempt."""
        doubled = self.first_pause_s * 2.0 ** (min(attempts_made, 32) - 1)
        return min(doubled, self.longest_pause_s) * random.uniform(0.8, 1.2)

    def is_over(self, envelope: Envelope, attempts_made: int, error: Exception | None = None) -> bool:
        """Whether the message becomes a dead letter; a dead letter has no further place, and is tried for ever."""
        if envelope.topic.endswith(DEAD_LETTER_SUFFIX):
            return False
        return attempts_made >= self.attempts or is_permanent(error)


def is_permanent(error: Exception | None) -> bool:
    """Whether another attempt would fail the same way: a refusal for good, or a payload that cannot be read.

    INTERNAL is a fault of ours of unknown kind, and may be gone the next time.
    """
    if isinstance(error, LaceError):
        return not error.retryable and error.reason is not Reason.INTERNAL
    return isinstance(error, json.JSONDecodeError | UnicodeDecodeError | msgspec.DecodeError)


def is_for(envelope: Envelope, group: str) -> bool:
    """Whether the group is to handle it: a redriven message is only for the group that had failed."""
    wanted = envelope.headers.get(REDRIVE_GROUP, "")
    return wanted in ("", group) or envelope.topic.endswith(DEAD_LETTER_SUFFIX)


async def attempt(handler: Handler, envelope: Envelope, group: str, attempts_made: int) -> Exception | None:
    """Call the handler once, inside the sender's trace; its exception is returned and logged.

    A message that was redriven for another group is passed over.
    """
    if not is_for(envelope, group):
        return None
    context = {"topic": envelope.topic, "event_id": envelope.id, "group": group, "attempt": attempts_made}
    attributes = {
        "messaging.system": "lace",
        "messaging.operation.type": "process",
        "messaging.destination.name": envelope.topic,
        "messaging.consumer.group.name": group,
        "messaging.message.id": envelope.id,
    }
    with (
        _tracer.start_as_current_span(
            f"process {envelope.topic}",
            context=propagate.extract(envelope.headers),
            kind=trace.SpanKind.CONSUMER,
            attributes=attributes,
        ),
        structlog.contextvars.bound_contextvars(**_correlation(envelope)),
    ):
        try:
            await handler(envelope)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises means another delivery
            trace.get_current_span().record_exception(error)
            _log.warning("delivery_failed", **context, error=f"{type(error).__name__}: {error}")
            return error
    return None


def dead_letter(envelope: Envelope, cause: Mapping[str, str]) -> Envelope:
    """The message on its topic's dead-letter topic, with the cause among its headers."""
    return replace(envelope, topic=envelope.topic + DEAD_LETTER_SUFFIX, headers={**envelope.headers, **cause})


def cause_of_death(envelope: Envelope, error: Exception | None, group: str, attempts_made: int) -> dict[str, str]:
    """The headers that say why a message died; None as the error: its consumers died with it, without a word."""
    text = f"{type(error).__name__}: {error}" if error else "the consumer ended without an answer each time"
    cause = {
        "dead-letter-error": text.replace("\x00", "")[:_LONGEST_CAUSE],
        "dead-letter-topic": envelope.topic,
        "dead-letter-group": group,
        "dead-letter-attempts": str(attempts_made),
        "dead-letter-at": utc_now().isoformat(),
    }
    if isinstance(error, LaceError):
        cause["dead-letter-reason"] = error.reason.value
    _log.error("dead_letter", event_id=envelope.id, **cause)
    return cause


def _correlation(envelope: Envelope) -> dict[str, str]:
    return {name: envelope.headers[name] for name in ("correlation_id", "request_id") if name in envelope.headers}
