"""Events before they have a place in their run, and the payload of each type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# The version of the event schema that is written here, and, by version, the payloads that are not in their first.
SCHEMA_VERSION = 2
_PAYLOAD_VERSIONS: Mapping[int, Mapping[str, int]] = {1: {}, 2: {"pipeline.run.progress": 2}}


def payload_version(event_type: str, schema_version: int = SCHEMA_VERSION) -> int:
    """The version that a version of the schema has for the payload of a type."""
    return _PAYLOAD_VERSIONS[schema_version].get(event_type, 1)


@dataclass(frozen=True)
class Cause:
    """The request that an event comes from, where it is not the one that started the run."""

    request_id: str
    correlation_id: str
    idempotency_key: str
    traceparent: str


def cause_of(row: Mapping[str, str]) -> Cause | None:
    """The cause that a row keeps; None where it keeps none."""
    return Cause(**row) if row else None


@dataclass(frozen=True)
class EventDraft:
    """An event without sequence and id, which the boundary statement gives it.

    `payload` is the REST JSON form of lace.common.v1.EventPayload: one member, named after the payload's type.
    `attempt` is that of the step, or of the run where there is no step; `status` the state of either.
    """

    event_type: str
    payload: Mapping[str, Any]
    occurred_at: datetime
    status: str = ""
    step_id: str = ""
    attempt: int = 1
    redaction_level: str = "none"
    content_hash: str = ""
    content_uri: str = ""
    payload_schema_version: int = 1
    cause: Cause | None = None


@dataclass(frozen=True)
class Event:
    """An event as it stands in its run."""

    event_id: str
    sequence: int
    tenant_id: str
    run_id: str
    pipeline_id: str
    draft: EventDraft
    progress_pct: float
    request_id: str
    correlation_id: str
    idempotency_key: str
    traceparent: str
    schema_version: int = SCHEMA_VERSION


@dataclass
class Notices:
    """The warnings of a run as they come up, each once; so many of them were written."""

    found: list[dict[str, str]] = field(default_factory=list)
    written: int = 0

    def add(self, code: str, message: str, subject: str = "") -> bool:
        """Whether the notice is new."""
        notice = {"code": code, "message": message, "subject": subject}
        if notice in self.found:
            return False
        self.found.append(notice)
        return True

    def to_write(self, *, anew: bool) -> list[dict[str, str]] | None:
        """All where more came up since they were written, or where they are to be written anew; None elsewhere."""
        if len(self.found) == self.written and not anew:
            return None
        self.written = len(self.found)
        return self.found or None


def event_id_of(run_id: str, sequence: int) -> str:
    """The id of the event at that place of the run: it names both, so that a cursor needs no look-up."""
    return f"evt_{run_id.removeprefix('run_')}_{sequence}"


def sequence_of(run_id: str, event_id: str) -> int | None:
    """The place that an event id names, None where it is no event id of this run."""
    head, _, place = event_id.rpartition("_")
    if head != f"evt_{run_id.removeprefix('run_')}" or not place.isascii() or not place.isdigit():
        return None
    return int(place) if len(place) <= 18 else None
