"""The floor: what ten durable steps cost at the very least, without anything that makes them of use.

A bare loop on one connection: one statement and one commit for all workflows in flight, which moves each one's cursor
and writes its step, its event and its outbox row. Nobody submits, nothing executes, relays or reads.
"""

from __future__ import annotations

import time
from typing import Any

import orjson
import psycopg

from lace_platform.clock import utc_now
from lace_platform.ids import new_id

TABLES = """
CREATE SCHEMA floor;
CREATE TABLE floor.runs (run_id text PRIMARY KEY, step int NOT NULL, next_sequence bigint NOT NULL);
CREATE TABLE floor.steps (
  run_id text, step_id text, status text NOT NULL, ended_at timestamptz NOT NULL, output jsonb NOT NULL,
  PRIMARY KEY (run_id, step_id));
CREATE TABLE floor.events (
  run_id text, sequence bigint, event_type text NOT NULL, occurred_at timestamptz NOT NULL, payload jsonb NOT NULL,
  PRIMARY KEY (run_id, sequence));
CREATE TABLE floor.outbox (
  position bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, topic text NOT NULL, key text NOT NULL,
  payload json NOT NULL);
"""

# Every workflow has values of its own, as they would have if anything produced them.
_WRITE = """
WITH given AS (
  SELECT * FROM unnest(%(runs)s::text[], %(outputs)s::text[], %(payloads)s::text[], %(messages)s::text[])
    AS one (run_id, output, payload, message)
), cursor AS (
  INSERT INTO floor.runs AS r (run_id, step, next_sequence) SELECT run_id, 1, 2 FROM given
  ON CONFLICT (run_id) DO UPDATE SET step = r.step + 1, next_sequence = r.next_sequence + 1
  RETURNING run_id, next_sequence - 1 AS sequence
), step AS (
  INSERT INTO floor.steps SELECT run_id, %(step)s, 'succeeded', clock_timestamp(), output::jsonb
  FROM cursor JOIN given USING (run_id)
), event AS (
  INSERT INTO floor.events SELECT run_id, sequence, 'pipeline.step.completed', clock_timestamp(), payload::jsonb
  FROM cursor JOIN given USING (run_id)
)
INSERT INTO floor.outbox (topic, key, payload) SELECT 'provenance.logged', run_id, message::json
FROM cursor JOIN given USING (run_id)
"""


def workflows_per_second(dsn: str, *, steps: int, in_flight: int, seconds: float) -> float:
    """Batches of workflows from their first step to their last, for so long."""
    began = time.perf_counter()
    done = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.perf_counter() - began < seconds:
            _batch(connection, steps, in_flight)
            done += in_flight
        return done / (time.perf_counter() - began)


def _batch(connection: psycopg.Connection, steps: int, in_flight: int) -> None:
    runs = [new_id("run") for _ in range(in_flight)]
    for number in range(1, steps + 1):
        step, now = f"noop{number}", utc_now()
        digest = f"{number:064x}"
        payload = [{"step_completed": {"step": step, "duration_ms": 0, "output_hash": digest}} for _ in runs]
        message = [
            {"run_id": run, "step_id": step, "started_at": now, "ended_at": now, "output_hash": digest} for run in runs
        ]
        values: dict[str, list[dict[str, Any]]] = {
            "outputs": [{}] * in_flight,
            "payloads": payload,
            "messages": message,
        }
        texts = {name: [orjson.dumps(each).decode() for each in column] for name, column in values.items()}
        connection.execute(_WRITE, {"runs": runs, "step": step, **texts})
