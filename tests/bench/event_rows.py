"""Runs with as many events as a benchmark wants, written past the services: what is measured is how they are read."""

from __future__ import annotations

import time

import psycopg
from psycopg import sql

_INSERT_RUN = """
INSERT INTO runs.runs (tenant_id, run_id, pipeline_id, pipeline_version, state, request, artifact_id, requested_by,
  settings, effective_settings_hash, settings_uri, scopes, labels, request_id, correlation_id, idempotency_key,
  traceparent, created_at, next_sequence)
VALUES (%(tenant_id)s, %(run_id)s, 'generate', 1, %(state)s, '{"title": "Benchmark"}', '', 'prn_bench', '{}', '', '',
  '[]', '[]', 'req_01kbjx2m1nf8mvq6c2h7x9t3sa', 'req_01kbjx2m1nf8mvq6c2h7x9t3sa', 'idk_01kbjx2m1nf8mvq6c2h7x9t3sa',
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', now(), %(next_sequence)s)
"""

_COLUMNS = "tenant_id, run_id, last_sequence, progress_pct, schema_version, events"

_EVENT = """json_build_array(%(event_type)s::text, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint),
  'succeeded', 'llm:nod_' || n %% 97, 1, json_build_object(%(member)s::text, %(payload)s::json))"""

INSERT_EVENT = f"""INSERT INTO runs.event_groups ({_COLUMNS})
SELECT %(tenant_id)s::text, %(run_id)s::text, n, 50, 2, json_build_array({_EVENT})
FROM (VALUES (%(sequence)s::bigint)) AS x(n)"""
# Three in a row: a boundary leaves about so many.
INSERT_EVENTS = f"""INSERT INTO runs.event_groups ({_COLUMNS})
SELECT %(tenant_id)s::text, %(run_id)s::text, max(n), 50, 2, json_agg({_EVENT} ORDER BY n)
FROM generate_series(1, %(count)s::bigint) AS x(n) GROUP BY (n - 1) / 3"""

_COUNT_EVENT = "WITH counted AS (UPDATE runs.runs SET next_sequence = %(sequence)s + 1 WHERE run_id = %(run_id)s)\n"

PAYLOAD = (
    '{"step": "llm", "node_id": "nod_01kbjx2m1nf8mvq6c2h7x9t3sa", "node_title": "What the bridge cost", "duration_ms":'
    ' 812, "output_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "summary": "%s"}'
)


class EventRows:
    """Writes runs of one tenant over one connection."""

    def __init__(self, connection: psycopg.Connection, tenant_id: str) -> None:
        self._connection = connection
        self.tenant_id = tenant_id
        self._sequences: dict[str, int] = {}

    @classmethod
    def of_the_first_tenant(cls, connection: psycopg.Connection) -> EventRows:
        """For the tenant whose token the installation gave away."""
        row = connection.execute("SELECT tenant_id FROM control.tenants").fetchone()
        assert row is not None
        return cls(connection, row[0])

    def add_run(self, run_id: str, *, events: int = 0) -> None:
        """A run that no worker takes up: paused without events, ended where it has some."""
        state = "succeeded" if events else "paused"
        same = {"tenant_id": self.tenant_id, "run_id": run_id}
        self._connection.execute(_INSERT_RUN, {**same, "state": state, "next_sequence": events + 1})
        self._sequences[run_id] = events
        if events:
            step = {"event_type": "pipeline.step.completed", "member": "step_completed"}
            payload = PAYLOAD % "3 sentences in 1 paragraph"
            self._connection.execute(sql.SQL(INSERT_EVENTS), {**same, **step, "payload": payload, "count": events - 1})
            last = {"event_type": "pipeline.run.completed", "member": "run_completed"}
            self._connection.execute(sql.SQL(INSERT_EVENT), {**same, **last, "payload": "{}", "sequence": events})
            self._connection.execute("ANALYZE runs.event_groups")

    def append(self, run_id: str, summary: str) -> tuple[str, float]:
        """One more event; those who watch are woken after its commit, as by the worker.

        Its mark, `t0=…;` in its summary, and when its commit was acknowledged, in seconds since the epoch.
        """
        mark = f"{time.time():.6f}"
        self._sequences[run_id] += 1
        values = {
            "tenant_id": self.tenant_id,
            "run_id": run_id,
            "sequence": self._sequences[run_id],
            "event_type": "pipeline.step.completed",
            "member": "step_completed",
            "payload": PAYLOAD % f"t0={mark};{summary}",
        }
        self._connection.execute(sql.SQL(_COUNT_EVENT + INSERT_EVENT), values)
        committed_at = time.time()
        self._connection.execute("NOTIFY run_events")
        return mark, committed_at
