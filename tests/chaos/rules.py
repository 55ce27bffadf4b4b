"""What holds for every run, whatever died in it: each check gives a line for each thing that is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import psycopg

from tests.chaos.facts import SCHEMAS

Connection = psycopg.AsyncConnection[Any]

_QUIET_POLL_S = 0.05
_OUTBOX = " UNION ALL ".join(
    f"SELECT '{schema}', topic, status, publish_attempts, last_error, tenant_id FROM {schema}.outbox_events"
    for schema in (*SCHEMAS, "control")
)

# Each is empty once everything has come to its end.
UNFINISHED = {
    "outbox row not published": f"SELECT * FROM ({_OUTBOX}) AS o(s, topic, status, tries, error, tenant_id) "
    "WHERE status <> 'published' AND tenant_id = %(tenant)s",
    "delivery not handled": "SELECT d.group_name, d.topic, d.key, d.attempts, d.last_error FROM bus.deliveries AS d "
    "JOIN bus.messages AS m USING (position) WHERE m.tenant_id = %(tenant)s",
    "run not ended": "SELECT run_id, state FROM runs.runs WHERE tenant_id = %(tenant)s "
    "AND state NOT IN ('succeeded', 'failed', 'cancelled')",
    "run still held": "SELECT run_id, worker_id FROM runs.runs WHERE tenant_id = %(tenant)s AND worker_id IS NOT NULL",
    "artifact lock left": "SELECT artifact_id, lock_owner FROM runs.artifact_locks WHERE tenant_id = %(tenant)s",
    "open transaction left": "SELECT pid, usename, left(query, 80) FROM pg_stat_activity WHERE usename LIKE 'lace%%' "
    "AND state LIKE 'idle in transaction%%' AND state_change < now() - interval '3 s'",
}

# Each is empty where nothing was lost and nothing done twice.
BROKEN = {
    "dead letter": "SELECT topic, id, headers FROM bus.messages WHERE topic LIKE '%%.dlq' AND tenant_id = %(tenant)s",
    "run failed": "SELECT run_id, pipeline_id, state, error_code, error_message FROM runs.runs "
    "WHERE tenant_id = %(tenant)s AND state <> 'succeeded'",
    "revisions committed other than once": "SELECT artifact_id, count(*) FILTER (WHERE status = 'committed'), count(*) "
    "FROM runs.artifact_revisions WHERE tenant_id = %(tenant)s GROUP BY 1 "
    "HAVING count(*) FILTER (WHERE status = 'committed') <> 1",
    "head is not the committed revision": "SELECT a.artifact_id FROM runs.artifacts AS a WHERE tenant_id = %(tenant)s "
    "AND NOT EXISTS (SELECT FROM runs.artifact_revisions AS r WHERE r.tenant_id = a.tenant_id "
    "AND r.revision_id = a.head_revision_id AND r.status = 'committed')",
    "sequence with a gap": "SELECT run_id, min(sequence), max(sequence), count(*) FROM runs.run_events "
    "WHERE tenant_id = %(tenant)s GROUP BY 1 HAVING min(sequence) <> 1 OR max(sequence) <> count(*)",
    "counter is not at the last event": "SELECT r.run_id, r.next_sequence, e.last FROM runs.runs AS r JOIN "
    "(SELECT run_id, max(sequence) AS last FROM runs.run_events GROUP BY 1) AS e USING (run_id) "
    "WHERE r.tenant_id = %(tenant)s AND r.next_sequence <> e.last + 1",
    "run does not end with its completion": "SELECT DISTINCT ON (run_id) run_id, event_type FROM runs.run_events AS e "
    "WHERE tenant_id = %(tenant)s AND NOT EXISTS (SELECT FROM runs.run_events AS l WHERE l.run_id = e.run_id "
    "AND l.event_type = 'pipeline.run.completed' AND l.sequence = "
    "(SELECT max(sequence) FROM runs.run_events AS m WHERE m.run_id = e.run_id))",
    "run completed or requested other than once": "SELECT run_id, event_type, count(*) FROM runs.run_events "
    "WHERE tenant_id = %(tenant)s AND event_type IN ('pipeline.run.requested', 'pipeline.run.completed') "
    "GROUP BY 1, 2 HAVING count(*) <> 1",
    "step completed other than once in events": "SELECT s.run_id, s.step_id, count(e.sequence) FROM "
    "(SELECT DISTINCT tenant_id, run_id, step_id FROM runs.step_runs WHERE tenant_id = %(tenant)s) AS s "
    "LEFT JOIN runs.run_events AS e ON e.run_id = s.run_id AND e.step_id = s.step_id "
    "AND e.event_type = 'pipeline.step.completed' GROUP BY 1, 2 HAVING count(e.sequence) <> 1",
    "step succeeded other than once": "SELECT run_id, step_id, count(*) FILTER (WHERE status = 'succeeded'), "
    "array_agg(status ORDER BY attempt) FROM runs.step_runs WHERE tenant_id = %(tenant)s "
    "GROUP BY 1, 2 HAVING count(*) FILTER (WHERE status = 'succeeded') <> 1",
    "attempt after a success": "SELECT run_id, step_id FROM runs.step_runs AS s WHERE tenant_id = %(tenant)s "
    "AND status = 'succeeded' AND EXISTS (SELECT FROM runs.step_runs AS l WHERE l.run_id = s.run_id "
    "AND l.step_id = s.step_id AND l.attempt > s.attempt)",
    "model call not settled": "SELECT run_id, step_id, attempt, call_id FROM llm_gateway.llm_calls "
    "WHERE tenant_id = %(tenant)s AND state = 'pending'",
    "model call other than once": "SELECT run_id, step_id, contract, input_hash, array_agg(state ORDER BY started_at) "
    "FROM llm_gateway.llm_calls WHERE tenant_id = %(tenant)s GROUP BY 1, 2, 3, 4 "
    "HAVING count(*) FILTER (WHERE state = 'succeeded') <> 1",
    "compiled other than once": "SELECT artifact_id, revision_id, target, array_agg(status) "
    "FROM compiler.compiled_artifacts WHERE tenant_id = %(tenant)s GROUP BY 1, 2, 3 "
    "HAVING count(*) <> 1 OR bool_or(status <> 'succeeded')",
    "message handled twice": " UNION ALL ".join(
        f"SELECT '{schema}', event_id, handler, count(*) FROM {schema}.job_executions "
        "WHERE tenant_id = %(tenant)s GROUP BY 1, 2, 3 HAVING count(*) > 1"
        for schema in SCHEMAS
    ),
    "message in an outbox twice": " UNION ALL ".join(
        f"SELECT '{schema}', id, count(*) FROM {schema}.outbox_events WHERE tenant_id = %(tenant)s "
        "GROUP BY 1, 2 HAVING count(*) > 1"
        for schema in SCHEMAS
    ),
    "published message that the bus never had": " UNION ALL ".join(
        f"SELECT '{schema}', o.topic, o.id FROM {schema}.outbox_events AS o WHERE tenant_id = %(tenant)s "
        "AND %(on_postgres)s AND EXISTS (SELECT FROM bus.subscriptions AS s WHERE s.topic = o.topic) "
        "AND NOT EXISTS (SELECT FROM bus.messages AS m WHERE m.id = o.id)"
        for schema in SCHEMAS
    ),
    "step without a log, or with two": "SELECT s.run_id, s.step_id, count(l.id) FROM "
    "(SELECT DISTINCT run_id, step_id FROM runs.step_runs WHERE tenant_id = %(tenant)s) AS s "
    "LEFT JOIN provenance.transformation_logs AS l ON l.run_id = s.run_id AND l.activity_name = s.step_id "
    "AND l.agent LIKE 'lace-runs/%%' GROUP BY 1, 2 HAVING count(l.id) <> 1",
}


async def wait_until_quiet(connection: Connection, tenant_id: str, within_s: float) -> list[str]:
    """What is still unfinished after that time; empty as soon as nothing is."""
    return await _until_empty(lambda: _failing(connection, UNFINISHED, tenant_id), within_s)


async def broken(connection: Connection, tenant_id: str, *, on_postgres: bool = True) -> list[str]:
    """What was lost or done twice."""
    return await _failing(connection, BROKEN, tenant_id, on_postgres)


async def _until_empty(look: Callable[[], Awaitable[list[str]]], within_s: float) -> list[str]:
    until = time.monotonic() + within_s
    while (found := await look()) and time.monotonic() < until:
        await asyncio.sleep(_QUIET_POLL_S)
    return found


async def _failing(
    connection: Connection, queries: dict[str, str], tenant_id: str, on_postgres: bool = True
) -> list[str]:
    lines: list[str] = []
    for name, query in queries.items():
        parameters = {"tenant": tenant_id, "on_postgres": on_postgres}
        rows: Sequence[Any] = await (await connection.execute(cast(Any, query), parameters)).fetchall()
        if rows:
            shown = "; ".join(", ".join(str(value)[:120] for value in row) for row in rows[:3])
            lines.append(f"{name} ({len(rows)}): {shown}")
    return lines
