"""Events as they stand in their runs: a page of one run, and what is new in many runs at once.

Rows are taken by their place: over a page of hundreds, mappings cost several times what the database and network do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from lace_core.errors import LaceError, Reason
from lace_platform.db.database import SystemDatabase
from lace_platform.db.transaction import Transaction
from lace_runs.app.ports import EventPage, RunKey
from lace_runs.domain.events import Event, EventDraft, cause_of, event_id_of
from lace_runs.domain.runs import RunState

EVENT_COLUMNS = """r.state, r.pipeline_id, r.request_id, r.correlation_id, r.idempotency_key, r.traceparent,
  r.tenant_id, r.run_id, e.sequence, e.event_type, e.occurred_at, e.status, e.step_id, e.attempt,
  e.progress_pct, e.payload_json, e.redaction_level, e.content_hash, e.content_uri, e.schema_version,
  e.payload_schema_version, nullif(e.cause, '{}'), r.next_sequence - 1"""

# The run's own columns are read once, in the outer part; a run without new events gives one row without an event.
EVENT_PAGE = f"""
SELECT {EVENT_COLUMNS}
FROM runs.runs r LEFT JOIN LATERAL (
  SELECT * FROM runs.run_events WHERE tenant_id = r.tenant_id AND run_id = r.run_id AND sequence > :after
  ORDER BY sequence LIMIT :limit) e ON true
WHERE r.tenant_id = :tenant_id AND r.run_id = :run_id ORDER BY e.sequence
"""

# One look for all runs that are watched through a process: the wake-up names none of them.
EVENT_NEWS = f"""
SELECT {EVENT_COLUMNS}
FROM unnest(CAST(:tenant_ids AS text[]), CAST(:run_ids AS text[]), CAST(:places AS bigint[]))
  AS watched(tenant_id, run_id, place)
CROSS JOIN LATERAL (
  SELECT * FROM runs.run_events n
  WHERE n.tenant_id = watched.tenant_id AND n.run_id = watched.run_id AND n.sequence > watched.place
  ORDER BY n.sequence LIMIT :limit) e
JOIN runs.runs r ON r.tenant_id = watched.tenant_id AND r.run_id = watched.run_id
ORDER BY r.run_id, e.sequence
"""


class PostgresEvents:
    """Events within one transaction; see app.ports.EventRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def page(self, tenant_id: str, run_id: str, after: int, limit: int) -> EventPage:
        """See EventRepository.page."""
        parameters = {"tenant_id": tenant_id, "run_id": run_id, "after": after, "limit": limit}
        rows = await self._tx.fetch_all(EVENT_PAGE, parameters)
        if not rows:
            raise LaceError(Reason.RUN_NOT_FOUND, f"No run {run_id}.")
        has_events = rows[0][_SEQUENCE] is not None
        events = [event_of(row) for row in rows] if has_events else []
        return EventPage(events, RunState(rows[0][0]).is_final, rows[0][-1])


class PostgresNews:
    """See app.ports.EventNews."""

    def __init__(self, database: SystemDatabase) -> None:
        self._database = database

    async def after(self, places: Mapping[RunKey, int], limit: int) -> Mapping[RunKey, Sequence[Event]]:
        """See EventNews.after."""
        tenant_ids, run_ids = zip(*places, strict=True)
        parameters = {
            "tenant_ids": list(tenant_ids), "run_ids": list(run_ids), "places": list(places.values()), "limit": limit
        }  # fmt: skip
        try:
            rows = await self._database.execute_now(EVENT_NEWS, parameters)
        except (psycopg.Error, OSError) as error:
            raise LaceError(
                Reason.SERVICE_UNAVAILABLE, "The database cannot be reached; try again.", retryable=True
            ) from error
        found: dict[RunKey, list[Event]] = {}
        for row in rows:
            found.setdefault((row[6], row[7]), []).append(event_of(row))
        return found


_SEQUENCE = 8


def event_of(row: Sequence[Any]) -> Event:
    """The event in a row of EVENT_COLUMNS."""
    (
        _, pipeline_id, request_id, correlation_id, idempotency_key, traceparent, tenant_id, run_id, sequence,
        event_type, occurred_at, status, step_id, attempt, progress_pct, payload, redaction_level, content_hash,
        content_uri, schema_version, payload_schema_version, cause, _,
    ) = row  # fmt: skip
    draft = EventDraft(
        event_type, payload, occurred_at, status, step_id, attempt, redaction_level, content_hash, content_uri,
        payload_schema_version, cause_of(cause) if cause else None,
    )  # fmt: skip
    if draft.cause is not None:
        by = draft.cause
        request_id, correlation_id = by.request_id, by.correlation_id
        idempotency_key, traceparent = by.idempotency_key, by.traceparent
    return Event(
        event_id_of(run_id, sequence), sequence, tenant_id, run_id, pipeline_id, draft, progress_pct, request_id,
        correlation_id, idempotency_key, traceparent, schema_version,
    )  # fmt: skip
