"""Writes events of a run past its worker, as fast or slow as a test wants: three in a row, as one boundary may."""

from __future__ import annotations

import psycopg

_INSERT = """
INSERT INTO runs.runs (tenant_id, run_id, pipeline_id, pipeline_version, state, request, artifact_id, requested_by,
  settings, effective_settings_hash, settings_uri, scopes, labels, request_id, correlation_id, idempotency_key,
  traceparent, created_at)
SELECT tenant_id, %(run_id)s, 'generate', 1, 'paused', '{"title": "Streams"}', '', 'prn_test', '{}', '', '', '[]', '[]',
  'req_test', 'req_test', '', '', now()
FROM control.tenants ORDER BY created_at, tenant_id LIMIT 1
"""

_APPEND = """
WITH run AS (
  UPDATE runs.runs SET next_sequence = next_sequence + %(count)s WHERE run_id = %(run_id)s
  RETURNING tenant_id, run_id, next_sequence - %(count)s AS first)
INSERT INTO runs.event_groups (tenant_id, run_id, last_sequence, progress_pct, schema_version, events)
SELECT tenant_id, run_id, max(n), 50, 2, json_agg(json_build_array(%(event_type)s::text,
  CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint), 'succeeded', 'load', 1,
  json_build_object(%(member)s::text, json_build_object())) ORDER BY n)
FROM run, generate_series(first, first + %(count)s - 1) AS x(n) GROUP BY tenant_id, run_id, (n - first) / 3
"""


class EventWriter:
    """Over one connection that is not bound to a tenant and commits each statement."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection

    async def pause(self, run_id: str) -> None:
        """Put a run where no worker takes it up."""
        await self._connection.execute("UPDATE runs.runs SET state = 'paused' WHERE run_id = %s", (run_id,))

    async def insert(self, run_id: str) -> None:
        """A paused run without events, in the first tenant."""
        await self._connection.execute(_INSERT, {"run_id": run_id})

    async def append(self, run_id: str, count: int, *, last: bool = False, wake: bool = True) -> None:
        """So many events, and those who watch are woken, unless the wake-up is to be lost."""
        event_type, member = "pipeline.step.completed", "step_completed"
        if last:
            event_type, member = "pipeline.run.completed", "run_completed"
        values = {"run_id": run_id, "count": count, "event_type": event_type, "member": member}
        await self._connection.execute(_APPEND, values)
        if wake:
            await self._connection.execute("NOTIFY run_events")
