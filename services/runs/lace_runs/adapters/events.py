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
from lace_runs.adapters.event_groups import MOST, drafts_of
from lace_runs.app.ports import EventPage, RunKey
from lace_runs.domain.events import Cause, Event, event_id_of
from lace_runs.domain.runs import RunState

EVENT_COLUMNS = """r.state, r.pipeline_id, r.request_id, r.correlation_id, r.idempotency_key, r.traceparent,
  r.tenant_id, r.run_id, g.last_sequence, g.progress_pct, g.schema_version, g.events, r.next_sequence - 1"""

# The run's own columns are read once, in the outer part; a run without new events gives one row without any.
EVENT_PAGE = f"""
SELECT {EVENT_COLUMNS}
FROM runs.runs r LEFT JOIN LATERAL (
  SELECT * FROM runs.event_groups WHERE tenant_id = r.tenant_id AND run_id = r.run_id
    AND last_sequence > :after AND last_sequence < CAST(:after AS bigint) + :limit + {MOST}) g ON true
WHERE r.tenant_id = :tenant_id AND r.run_id = :run_id ORDER BY g.last_sequence
"""

# One look for all runs that are watched through a process: the wake-up names none of them.
EVENT_NEWS = f"""
SELECT {EVENT_COLUMNS}
FROM unnest(CAST(:tenant_ids AS text[]), CAST(:run_ids AS text[]), CAST(:places AS bigint[]))
  AS watched(tenant_id, run_id, place)
JOIN runs.event_groups g ON g.tenant_id = watched.tenant_id AND g.run_id = watched.run_id
  AND g.last_sequence > watched.place AND g.last_sequence < watched.place + :limit + {MOST}
JOIN runs.runs r ON r.tenant_id = watched.tenant_id AND r.run_id = watched.run_id
ORDER BY r.run_id, g.last_sequence
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
        events = [event for row in rows if row[_LAST] is not None for event in events_of(row, after)]
        return EventPage(events[:limit], RunState(rows[0][0]).is_final, rows[0][-1])


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
            key = (row[6], row[7])
            found.setdefault(key, []).extend(events_of(row, places[key]))
        return {key: events[:limit] for key, events in found.items()}


_LAST = 8


def events_of(row: Sequence[Any], after: int = 0) -> list[Event]:
    """The events in a row of EVENT_COLUMNS that come after a place."""
    (
        _, pipeline_id, request_id, correlation_id, idempotency_key, traceparent, tenant_id, run_id, last,
        progress_pct, schema_version, packed, _,
    ) = row  # fmt: skip
    first = last - len(packed) + 1
    if after >= first:
        packed, first = packed[after + 1 - first :], after + 1
    by_run = Cause(request_id, correlation_id, idempotency_key, traceparent)
    return [
        Event(
            event_id_of(run_id, sequence), sequence, tenant_id, run_id, pipeline_id, draft, progress_pct,
            by.request_id, by.correlation_id, by.idempotency_key, by.traceparent, schema_version,
        )
        for sequence, draft in enumerate(drafts_of(packed), first)
        for by in (draft.cause or by_run,)
    ]  # fmt: skip
