"""Events before they have a place in their run, and the payload of each type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class EventDraft:
    """An event without sequence and id, which the boundary statement gives it.

    `payload` is the REST JSON form of lace.common.v1.EventPayload: one member, named after the payload's type.
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
    payload_schema_version: int = SCHEMA_VERSION


@dataclass
class Notices:
    """The warnings of a run as they come up, each once."""

    found: list[dict[str, str]] = field(default_factory=list)

    def add(self, code: str, message: str, subject: str = "") -> bool:
        """Whether the notice is new."""
        notice = {"code": code, "message": message, "subject": subject}
        if notice in self.found:
            return False
        self.found.append(notice)
        return True


def event_id_of(run_id: str, sequence: int) -> str:
    """The id of the event at that place of the run: it names both, so that a cursor needs no look-up."""
    return f"evt_{run_id.removeprefix('run_')}_{sequence}"


def sequence_of(run_id: str, event_id: str) -> int | None:
    """The place that an event id names, None where it is no event id of this run."""
    head, _, place = event_id.rpartition("_")
    if head != f"evt_{run_id.removeprefix('run_')}" or not place.isascii() or not place.isdigit():
        return None
    return int(place) if len(place) <= 18 else None
