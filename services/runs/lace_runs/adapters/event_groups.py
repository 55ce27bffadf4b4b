"""The form in which a boundary's events stand together in a row, and back.

A row says once what all of its events have in common; of each event it keeps an array whose last members are left out
where they are as they are by default. runs.run_events shows every event by itself to whoever looks in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lace_runs.domain.events import EventDraft, cause_of

MOST = 64  # events in a row: a page reads so many more than were asked for, at most

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DEFAULTS: Sequence[Any] = (1, "none", "", "", None)


def groups_of(events: Sequence[EventDraft]) -> list[dict[str, Any]]:
    """Rows of at most MOST events, each with the place of its last event among all of these, the first's being 0."""
    packed = list(map(_packed, events))
    if len(packed) <= MOST:
        return [{"place": len(packed) - 1, "events": packed}] if packed else []
    parts = [packed[start : start + MOST] for start in range(0, len(packed), MOST)]
    return [{"place": number * MOST + len(part) - 1, "events": part} for number, part in enumerate(parts)]


def drafts_of(group: Sequence[Sequence[Any]]) -> list[EventDraft]:
    """The events of a row, in their order."""
    return [_draft(*event) for event in group]


def _packed(event: EventDraft) -> list[Any]:
    at = (event.occurred_at - _EPOCH) // _MICROSECOND
    always = [event.event_type, at, event.status, event.step_id, event.attempt, event.payload]
    seldom = (
        event.payload_schema_version, event.redaction_level, event.content_hash, event.content_uri, event.cause,
    )  # fmt: skip
    if seldom == _DEFAULTS:
        return always
    said = max(place for place, value in enumerate(seldom) if value != _DEFAULTS[place])
    return [*always, *seldom[: said + 1]]


def _draft(
    event_type: str,
    at: int,
    status: str,
    step_id: str,
    attempt: int,
    payload: dict[str, Any],
    payload_schema_version: int = 1,
    redaction_level: str = "none",
    content_hash: str = "",
    content_uri: str = "",
    cause: dict[str, str] | None = None,
) -> EventDraft:
    return EventDraft(
        event_type, payload, _EPOCH + timedelta(microseconds=at), status, step_id, attempt, redaction_level,
        content_hash, content_uri, payload_schema_version, cause_of(cause) if cause else None,
    )  # fmt: skip
