"""The message that travels over the bus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lace_platform.clock import utc_now

DEAD_LETTER_SUFFIX = ".dlq"
# Headers of a message that was sent again after it had died: the group that it is for, and the dead letter it was.
REDRIVE_GROUP = "redrive-group"
REDRIVE_OF = "redrive-of"


@dataclass(frozen=True)
class Envelope:
    """One message: JSON bytes for a topic, in order with the others of its key.

    `id` stays the same through redelivery and redrive, so that a handler knows a message that it has had.
    `headers` carry what is about the message and not in it: traceparent, the correlation id, and on a dead
    letter its cause.
    """

    id: str
    tenant_id: str
    topic: str
    key: str
    payload: bytes
    schema_version: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime = field(default_factory=utc_now)
