"""Runs in Postgres, for everyone but the worker that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import msgspec
import orjson

from lace_core.errors import LaceError, Reason
from lace_platform.db.transaction import Transaction
from lace_runs.adapters.event_groups import groups_of
from lace_runs.domain.events import SCHEMA_VERSION, EventDraft
from lace_runs.domain.runs import Checkpoint, Command, Request, Run, RunState, StepRecord, Trigger

_OWN_COLUMNS = """tenant_id run_id pipeline_id pipeline_version state request artifact_id revision_id requested_by
 effective_settings_hash settings_uri scopes labels request_id correlation_id idempotency_key traceparent epoch attempt
 steps_done steps_total error_code error_message restarted_from_run_id result warnings created_at started_at ended_at
 priority paused_at stood_ms"""
# Of a run `r`. Settings stand once for all runs that have them; a run of an earlier version keeps its own.
RUN_COLUMNS = (
    ", ".join(f"r.{column}" for column in _OWN_COLUMNS.split())
    + """, coalesce(r.settings, (
  SELECT s.settings FROM runs.settings_snapshots s
  WHERE s.tenant_id = r.tenant_id AND s.settings_hash = r.effective_settings_hash)) AS settings"""
)

KEEP_SETTINGS = """
INSERT INTO runs.settings_snapshots (tenant_id, settings_hash, settings)
VALUES (:tenant_id, :settings_hash, CAST(:settings AS jsonb)) ON CONFLICT DO NOTHING
"""

INSERT_RUN = """
INSERT INTO runs.runs (tenant_id, run_id, pipeline_id, pipeline_version, state, request, artifact_id, requested_by,
  effective_settings_hash, settings_uri, scopes, labels, request_id, correlation_id, idempotency_key,
  traceparent, restarted_from_run_id, created_at, priority, next_sequence)
VALUES (:tenant_id, :run_id, :pipeline_id, :pipeline_version, :state, CAST(:request AS jsonb), :artifact_id,
  :requested_by, :settings_hash, :settings_uri, CAST(:scopes AS jsonb),
  CAST(:labels AS jsonb), :request_id, :correlation_id, :idempotency_key, :traceparent, :restarted_from_run_id,
  :created_at, :priority, 2)
"""

INSERT_FIRST_EVENT = """
INSERT INTO runs.event_groups (tenant_id, run_id, last_sequence, progress_pct, schema_version, events)
VALUES (:tenant_id, :run_id, 1, 0, :schema_version, CAST(:events AS json))
"""

LIST_RUNS = f"""
SELECT {RUN_COLUMNS} FROM runs.runs r WHERE tenant_id = :tenant_id AND (:state = '' OR state = :state)
  AND (CAST(:at AS timestamptz) IS NULL OR (created_at, run_id) < (CAST(:at AS timestamptz), :run_id))
ORDER BY created_at DESC, run_id DESC LIMIT :limit
"""

LIST_STEPS = """
SELECT position, step_id, step, node_id, attempt, status, started_at, ended_at, output_hash, output_uri, metrics,
  error_code, error_message, summary
FROM runs.step_runs WHERE tenant_id = :tenant_id AND run_id = :run_id AND position > :after
ORDER BY position LIMIT :limit
"""


NEWEST_ATTEMPTS = """
SELECT DISTINCT ON (step_id) step_id, step, node_id, attempt, status, started_at, ended_at, output_hash, output_uri,
  metrics, error_code, error_message, summary
FROM runs.step_runs WHERE tenant_id = :tenant_id AND run_id = :run_id AND step = :step
ORDER BY step_id, attempt DESC
"""

ADD_COMMAND = """
INSERT INTO runs.run_control_commands
  (tenant_id, run_id, command_id, command, requested_by, reason, from_step_id, cause, created_at, applied_at, outcome)
VALUES (:tenant_id, :run_id, :command_id, :command, :requested_by, :reason, :from_step_id, CAST(:cause AS jsonb),
  clock_timestamp(), CASE WHEN :outcome = '' THEN NULL ELSE clock_timestamp() END, :outcome)
"""

HAS_STEP = """
SELECT 1 FROM runs.step_runs WHERE tenant_id = :tenant_id AND run_id = :run_id AND step_id = :step_id
UNION ALL
SELECT 1 FROM runs.run_checkpoints WHERE tenant_id = :tenant_id AND run_id = :run_id AND step_id = :step_id LIMIT 1
"""


class PostgresRuns:
    """Runs within one transaction; see app.ports.RunRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def insert(self, tenant_id: str, run: Run, event: EventDraft) -> None:
        """Add a run in its first state, with its first event."""
        pinned = {"tenant_id": tenant_id, "settings_hash": run.settings_hash, "settings": _json(run.settings)}
        await self._tx.execute(KEEP_SETTINGS, pinned)
        await self._tx.execute(
            INSERT_RUN,
            {
                **{name: getattr(run, name) for name in _PLAIN},
                "tenant_id": tenant_id,
                "request": _json(said_of(run.request)),
                "scopes": _json(run.scopes),
                "labels": _json(run.labels),
            },
        )
        await self._tx.execute(
            INSERT_FIRST_EVENT,
            {
                "tenant_id": tenant_id,
                "run_id": run.run_id,
                "events": _json(groups_of([event])[0]["events"]),
                "schema_version": SCHEMA_VERSION,
            },
        )

    async def get(self, tenant_id: str, run_id: str) -> Run:
        """A run; raises LaceError RUN_NOT_FOUND."""
        row = await self._tx.fetch_one(
            f"SELECT {RUN_COLUMNS} FROM runs.runs r WHERE tenant_id = :tenant_id AND run_id = :run_id",
            {"tenant_id": tenant_id, "run_id": run_id},
        )
        if row is None:
            raise LaceError(Reason.RUN_NOT_FOUND, f"No run {run_id}.")
        return run_of(row._asdict())

    async def list(self, tenant_id: str, state: str, before: tuple[datetime, str] | None, limit: int) -> Sequence[Run]:
        """Runs, newest first, after the cursor (created_at, run_id)."""
        at, run_id = before or (None, "")
        rows = await self._tx.fetch_all(
            LIST_RUNS, {"tenant_id": tenant_id, "state": state, "at": at, "run_id": run_id, "limit": limit}
        )
        return [run_of(row._asdict()) for row in rows]

    async def steps(self, tenant_id: str, run_id: str, after: int, limit: int) -> Sequence[tuple[int, StepRecord]]:
        """Attempts of steps with their positions, in the order in which they began."""
        rows = await self._tx.fetch_all(
            LIST_STEPS, {"tenant_id": tenant_id, "run_id": run_id, "after": after, "limit": limit}
        )
        return [(row.position, _step_of(row._asdict())) for row in rows]

    async def newest_attempts(self, tenant_id: str, run_id: str, step: str) -> Mapping[str, StepRecord]:
        """Of each step of that kind its newest attempt, by step id."""
        wanted = {"tenant_id": tenant_id, "run_id": run_id, "step": step}
        rows = await self._tx.fetch_all(NEWEST_ATTEMPTS, wanted)
        return {row.step_id: _step_of(row._asdict()) for row in rows}

    async def add_command(self, tenant_id: str, run_id: str, command: Command, outcome: str = "") -> None:
        """Leave a command for the run's worker, or with an outcome note one that was carried out by itself."""
        await self._tx.execute(
            ADD_COMMAND,
            {
                "tenant_id": tenant_id,
                "run_id": run_id,
                "command_id": command.command_id,
                "command": command.trigger.value,
                "requested_by": command.requested_by,
                "reason": command.reason,
                "from_step_id": command.from_step_id,
                "cause": _json(command.cause or {}),
                "outcome": outcome,
            },
        )

    async def lock_commands(self, tenant_id: str, run_id: str) -> None:
        """Until the transaction ends, nobody else adds a command to this run."""
        name = f"commands of {tenant_id}/{run_id}"
        await self._tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))", {"name": name})

    async def waiting_commands(self, tenant_id: str, run_id: str) -> Sequence[Command]:
        """The commands that are not taken up yet, oldest first."""
        rows = await self._tx.fetch_all(
            """SELECT command_id, command, requested_by, reason, from_step_id FROM runs.run_control_commands
               WHERE tenant_id = :tenant_id AND run_id = :run_id AND applied_at IS NULL ORDER BY position""",
            {"tenant_id": tenant_id, "run_id": run_id},
        )
        return [Command(r.command_id, Trigger(r.command), r.requested_by, r.reason, r.from_step_id) for r in rows]

    async def restarted_as(self, tenant_id: str, run_id: str, from_step_id: str) -> tuple[str, str] | None:
        """The newest restart of a finished run from that step: its command and the run that it made."""
        row = await self._tx.fetch_one(
            r"""SELECT command_id, outcome FROM runs.run_control_commands
               WHERE tenant_id = :tenant_id AND run_id = :run_id AND command = 'restart'
                 AND from_step_id = :from_step_id AND outcome LIKE 'run\_%' ORDER BY position DESC LIMIT 1""",
            {"tenant_id": tenant_id, "run_id": run_id, "from_step_id": from_step_id},
        )
        return None if row is None else (row.command_id, row.outcome)

    async def has_step(self, tenant_id: str, run_id: str, step_id: str) -> bool:
        """Whether the run has begun that step, or taken its result over."""
        row = await self._tx.fetch_one(HAS_STEP, {"tenant_id": tenant_id, "run_id": run_id, "step_id": step_id})
        return row is not None

    async def checkpoints(self, tenant_id: str, run_id: str) -> Mapping[str, Checkpoint]:
        """The results of a run's steps."""
        rows = await self._tx.fetch_all(
            """SELECT step_id, output_type, output_hash, data, uri FROM runs.run_checkpoints
               WHERE tenant_id = :tenant_id AND run_id = :run_id""",
            {"tenant_id": tenant_id, "run_id": run_id},
        )
        return {
            row.step_id: Checkpoint(row.step_id, row.output_type, row.output_hash, row.data, row.uri) for row in rows
        }

    async def checkpoint(self, tenant_id: str, run_id: str, step_id: str) -> Checkpoint | None:
        """The result of one step of a run; None where there is none."""
        row = await self._tx.fetch_one(
            """SELECT step_id, output_type, output_hash, data, uri FROM runs.run_checkpoints
               WHERE tenant_id = :tenant_id AND run_id = :run_id AND step_id = :step_id""",
            {"tenant_id": tenant_id, "run_id": run_id, "step_id": step_id},
        )
        return Checkpoint(row.step_id, row.output_type, row.output_hash, row.data, row.uri) if row else None

    async def copy_checkpoints(self, tenant_id: str, from_run_id: str, to_run_id: str, keep: Sequence[str]) -> None:
        """Give a new run the results of an old one's steps."""
        await self._tx.execute(
            """INSERT INTO runs.run_checkpoints
               (tenant_id, run_id, step_id, output_type, output_hash, data, uri, created_at)
               SELECT tenant_id, :to_run_id, step_id, output_type, output_hash, data, uri, clock_timestamp()
               FROM runs.run_checkpoints
               WHERE tenant_id = :tenant_id AND run_id = :from_run_id AND step_id = ANY(:keep)""",
            {"tenant_id": tenant_id, "from_run_id": from_run_id, "to_run_id": to_run_id, "keep": list(keep)},
        )

    async def finish_job(self, tenant_id: str, run_id: str, job_id: str, result: Mapping[str, Any]) -> None:
        """Record what came of a job; unknown jobs are left alone."""
        await self._tx.execute(
            """UPDATE runs.run_jobs SET result = CAST(:result AS jsonb), done_at = clock_timestamp()
               WHERE tenant_id = :tenant_id AND run_id = :run_id AND job_id = :job_id AND result IS NULL""",
            {"tenant_id": tenant_id, "run_id": run_id, "job_id": job_id, "result": _json(result)},
        )


_PLAIN = (
    "run_id",
    "pipeline_id",
    "pipeline_version",
    "state",
    "artifact_id",
    "requested_by",
    "settings_hash",
    "settings_uri",
    "request_id",
    "correlation_id",
    "idempotency_key",
    "traceparent",
    "restarted_from_run_id",
    "created_at",
    "priority",
)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


_ASKED = {field.name: field.default for field in fields(Request)}


def said_of(request: Request) -> dict[str, Any]:
    """What a run's row keeps of the request: what is not as it is by default."""
    return {name: value for name, value in vars(request).items() if value != _ASKED[name]}


def run_of(row: Mapping[str, Any]) -> Run:
    """The run that a row of RUN_COLUMNS describes; raises LaceError SCHEMA_TOO_NEW for one that cannot be read."""
    values = dict(row)
    values["settings_hash"] = values.pop("effective_settings_hash")
    try:
        return Run(
            **{
                **values,
                "state": RunState(values["state"]),
                "request": msgspec.convert(values["request"], Request),
                "scopes": tuple(values["scopes"]),
                "labels": tuple(values["labels"]),
                "warnings": tuple(values["warnings"]),
            }
        )
    except (TypeError, ValueError):
        message = f"The row of {values['run_id']} is of a newer version; upgrade this service."
        raise LaceError(Reason.SCHEMA_TOO_NEW, message) from None


def _step_of(row: Mapping[str, Any]) -> StepRecord:
    values = {key: value for key, value in row.items() if key not in ("position", "status")}
    return StepRecord(**values, state=row["status"])
