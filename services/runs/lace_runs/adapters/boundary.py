"""Step boundaries of all runs of a worker, committed together: one statement and one commit for many runs.

Rows are sorted by run id, the epoch is a row condition, and a run that does not come back was fenced. When the
statement fails the batch is cut in half and tried again, so that one bad row fails one run alone. A boundary is
acknowledged only after its commit; NOTIFY goes out afterwards as a statement of its own, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
import psycopg
import structlog

from lace_core.errors import LaceError, Reason
from lace_platform.db.database import SystemDatabase
from lace_platform.ids import new_id
from lace_runs.adapters.event_groups import groups_of
from lace_runs.app.ports import EVENT_REFERENCE, Boundary
from lace_runs.domain.events import SCHEMA_VERSION, cause_of
from lace_runs.domain.paragraphs.states import UNDER_WAY, ParagraphState
from lace_runs.domain.runs import COMMANDS, LEAVES, Command, RunState, Trigger

log = structlog.get_logger(__name__)

EVENTS_CHANNEL = "run_events"
OUTBOX_CHANNEL = "outbox_runs"
_BATCH = 200
_TELL_EVERY_S = 0.005
_Entry = tuple[Boundary, dict[str, Any], asyncio.Future[Sequence[Command]]]
_RETRY_PAUSES_S = (0.05, 0.2, 0.5, 1.0, 2.0, 2.0)

_STEPS = """
  INSERT INTO runs.step_runs (tenant_id, run_id, step_id, attempt, step, node_id, status, started_at, ended_at,
    output_hash, output_uri, metrics, error_code, error_message, summary, log)
  SELECT run.tenant_id, run.run_id, s.step_id, s.attempt, s.step, s.node_id, s.state, s.started_at, s.ended_at,
    s.output_hash, s.output_uri, s.metrics, s.error_code, s.error_message, s.summary, s.log
  FROM json_to_recordset(CAST(:{given} AS json)) AS s(run_id text, step_id text, attempt int, step text, node_id text,
    state text, started_at timestamptz, ended_at timestamptz, output_hash text, output_uri text, metrics jsonb,
    error_code text, error_message text, summary text, log jsonb) JOIN run USING (run_id)
"""
_CHECKPOINTS = """
  INSERT INTO runs.run_checkpoints (tenant_id, run_id, step_id, output_type, output_hash, data, uri, created_at)
  SELECT run.tenant_id, run.run_id, c.step_id, c.output_type, c.output_hash, c.data, c.uri, clock_timestamp()
  FROM json_to_recordset(CAST(:{given} AS json)) AS c(run_id text, step_id text, output_type text,
    output_hash text, data text, uri text) JOIN run USING (run_id)
"""
_REPLACE_STEP = """
  ON CONFLICT (run_id, step_id, attempt) DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at,
    output_hash = excluded.output_hash, output_uri = excluded.output_uri, metrics = excluded.metrics,
    error_code = excluded.error_code, error_message = excluded.error_message, summary = excluded.summary,
    log = excluded.log
"""
_REPLACE_RESULT = """
  ON CONFLICT (run_id, step_id) DO UPDATE SET output_type = excluded.output_type, output_hash = excluded.output_hash,
    data = excluded.data, uri = excluded.uri, created_at = excluded.created_at
"""
# One element of :rows for each run; the other parameters hold the parts of all runs, each element with its run's id, so
# that each part is unpacked once for the batch. A run stands from paused until the boundary by which it works again:
# that one adds it up.
_BOUNDARIES = f"""
WITH b AS (
  SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS x(
    tenant_id text, run_id text, epoch bigint, state text, started_at timestamptz, ended_at timestamptz, attempt int,
    revision_id text, steps_done int, steps_total int, error_code text, error_message text, result jsonb,
    warnings jsonb, applied jsonb, event_count int, boundary_id text, publish boolean)
), run AS (
  UPDATE runs.runs r SET
    state = coalesce(b.state, r.state), started_at = coalesce(r.started_at, b.started_at),
    ended_at = coalesce(b.ended_at, r.ended_at), attempt = coalesce(b.attempt, r.attempt),
    revision_id = coalesce(b.revision_id, r.revision_id), steps_done = coalesce(b.steps_done, r.steps_done),
    steps_total = coalesce(b.steps_total, r.steps_total), error_code = coalesce(b.error_code, r.error_code),
    error_message = coalesce(b.error_message, r.error_message), result = coalesce(b.result, r.result),
    warnings = coalesce(b.warnings, r.warnings), next_sequence = r.next_sequence + b.event_count,
    paused_at = CASE WHEN b.state IS NULL OR b.state = 'resuming' THEN r.paused_at
      WHEN b.state = 'paused' AND coalesce(r.started_at, b.started_at) IS NOT NULL
      THEN coalesce(r.paused_at, clock_timestamp()) END,
    stood_ms = CASE WHEN r.paused_at IS NULL OR b.state IS NULL OR b.state IN ('paused', 'resuming') THEN r.stood_ms
      ELSE r.stood_ms + round(1000 * extract(epoch FROM clock_timestamp() - r.paused_at)) END,
    last_boundary = b.boundary_id, worker_id =
      CASE WHEN b.state IN ('succeeded', 'failed', 'cancelled', 'paused') THEN NULL ELSE r.worker_id END
  FROM b WHERE r.run_id = b.run_id AND r.tenant_id = b.tenant_id AND r.epoch = b.epoch
    AND r.last_boundary <> b.boundary_id
  RETURNING r.tenant_id, r.run_id, r.next_sequence - b.event_count AS first_sequence,
    CASE WHEN r.state = 'succeeded' THEN 100 WHEN r.steps_total > 0
      THEN round(100.0 * r.steps_done / r.steps_total, 1) ELSE 0 END AS progress_pct,
    b.applied, b.event_count, b.boundary_id, b.publish, b.state AS enters, r.artifact_id, r.error_code, r.error_message
), step AS ({_STEPS.format(given="steps")}), checkpoint AS ({_CHECKPOINTS.format(given="checkpoints")}), event AS (
  INSERT INTO runs.event_groups (tenant_id, run_id, last_sequence, progress_pct, schema_version, events)
  SELECT run.tenant_id, run.run_id, run.first_sequence + e.place, run.progress_pct, {SCHEMA_VERSION}, e.events
  FROM json_to_recordset(CAST(:events AS json)) AS e(run_id text, place int, events json) JOIN run USING (run_id)
@PARTS@)
SELECT done.run_id, (
  SELECT jsonb_agg(jsonb_build_object('command_id', c.command_id, 'trigger', c.command, 'requested_by', c.requested_by,
    'reason', c.reason, 'from_step_id', c.from_step_id, 'cause', c.cause) ORDER BY c.position)
  FROM runs.run_control_commands c
  WHERE c.run_id = done.run_id AND c.applied_at IS NULL AND NOT jsonb_exists(done.applied, c.command_id)) AS commands
FROM (
  SELECT run_id, applied FROM run
@AGAIN@) AS done
"""
# What few boundaries write: a part that no row of a batch has is left out of its statement.
_SELDOM = {
    # Of rows that may be there: to look for them costs each new one a second record in the log.
    "steps_again": f"), step_again AS ({_STEPS.format(given='steps_again')}{_REPLACE_STEP}",
    "checkpoints_again": f"), checkpoint_again AS ({_CHECKPOINTS.format(given='checkpoints_again')}{_REPLACE_RESULT}",
    "forget": """), forgotten AS (
  DELETE FROM runs.run_checkpoints k
  USING json_to_recordset(CAST(:forget AS json)) AS f(run_id text, step_id text) JOIN run USING (run_id)
  WHERE k.tenant_id = run.tenant_id AND k.run_id = run.run_id AND k.step_id = f.step_id
), forgotten_jobs AS (
  DELETE FROM runs.run_jobs j
  USING json_to_recordset(CAST(:forget AS json)) AS f(run_id text, step_id text) JOIN run USING (run_id)
  WHERE j.tenant_id = run.tenant_id AND j.run_id = run.run_id AND j.step_id = f.step_id
""",
    "jobs": """), job AS (
  INSERT INTO runs.run_jobs (tenant_id, run_id, job_id, step_id, topic, payload, sent_at)
  SELECT run.tenant_id, run.run_id, j.job_id, j.step_id, j.topic, j.payload, clock_timestamp()
  FROM json_to_recordset(CAST(:jobs AS json)) AS j(run_id text, job_id text, step_id text, topic text, payload jsonb)
    JOIN run USING (run_id)
  ON CONFLICT (tenant_id, run_id, job_id) DO NOTHING
""",
    "messages": """), message AS (
  INSERT INTO runs.outbox_events (id, tenant_id, topic, key, payload_json, schema_version, headers_json)
  SELECT m.message_id, run.tenant_id, m.topic, m.key, m.payload, 1, m.headers
  FROM json_to_recordset(CAST(:messages AS json)) AS m(run_id text, message_id text, topic text, key text,
    payload json, headers jsonb) JOIN run USING (run_id)
  ON CONFLICT (id) DO NOTHING
""",
    "unlocks": """), unlocked AS ( -- what failed or was cancelled writes no more; what succeeded has let go itself
  DELETE FROM runs.artifact_locks l USING run
  WHERE run.enters IN ('failed', 'cancelled') AND l.tenant_id = run.tenant_id AND l.artifact_id = run.artifact_id
    AND l.lock_owner = run.run_id
""",
    "paragraphs": f"""), paragraph AS ( -- whose run ends without a text says why, in the same commit
  UPDATE runs.paragraphs p SET state = '{ParagraphState.FAILED}', version = p.version + 1,
    error_code = CASE WHEN run.enters = 'cancelled' THEN '{Reason.RUN_CANCELLED}' ELSE run.error_code END,
    error_message = CASE WHEN run.enters = 'cancelled' THEN 'The run was cancelled.' ELSE run.error_message END,
    updated_at = clock_timestamp()
  FROM run WHERE run.enters IN ('failed', 'cancelled') AND p.tenant_id = run.tenant_id AND p.run_id = run.run_id
    AND p.state IN ({", ".join(f"'{state}'" for state in sorted(UNDER_WAY))})
""",
    "publish": f"""), reference AS ( -- one row for all events of the boundary: the relay reads them where they are
  INSERT INTO runs.outbox_events (id, tenant_id, topic, key, payload_json, schema_version)
  SELECT 'ref_' || run.boundary_id, run.tenant_id, '{EVENT_REFERENCE}', run.run_id,
    json_build_object('first', run.first_sequence, 'last', run.first_sequence + run.event_count - 1), 1
  FROM run WHERE run.publish
""",
    "applied": """), taken AS (
  UPDATE runs.run_control_commands c SET applied_at = clock_timestamp(), outcome = a.outcome
  FROM json_to_recordset(CAST(:applied AS json)) AS a(run_id text, command_id text, outcome text)
    JOIN run USING (run_id)
  WHERE c.tenant_id = run.tenant_id AND c.run_id = run.run_id AND c.command_id = a.command_id
""",
}
# Where an earlier try may have been committed.
_AGAIN = """  UNION ALL -- committed by an earlier try whose answer was lost
  SELECT r.run_id, b.applied FROM runs.runs r JOIN b ON r.run_id = b.run_id AND r.last_boundary = b.boundary_id
"""


@lru_cache(maxsize=64)
def commit_boundaries(seldom: frozenset[str] = frozenset(_SELDOM), *, again: bool = True) -> str:
    """The statement with those of its seldom parts: the names are those of _SELDOM."""
    parts = "".join(text for name, text in _SELDOM.items() if name in seldom)
    return _BOUNDARIES.replace("@PARTS@", parts).replace("@AGAIN@", _AGAIN if again else "")


# In order of run and place, so that the statement's parts name them as they are.
_PARTS = (
    "steps", "steps_again", "checkpoints", "checkpoints_again", "forget", "jobs", "events", "messages", "applied",
)  # fmt: skip

OPEN_COMMANDS = """
SELECT run_id, command_id, command AS trigger, requested_by, reason, from_step_id, cause
FROM runs.run_control_commands
WHERE run_id = ANY(:run_ids) AND applied_at IS NULL ORDER BY position
"""

RESULTS_OF_JOBS = """
SELECT job_id, result FROM runs.run_jobs
WHERE tenant_id = :tenant_id AND run_id = :run_id AND job_id = ANY(:job_ids) AND result IS NOT NULL
"""


class GroupCommit:
    """The run log in Postgres; see the module's docstring. `headers` gives the trace headers of messages.

    With `publish_events` each boundary's events go into the outbox as well, as one reference.
    """

    def __init__(
        self, database: SystemDatabase, headers: Callable[[], Mapping[str, str]], *, publish_events: bool = False
    ) -> None:
        self._database = database
        self._headers = headers
        self._publish_events = publish_events
        self._waiting: list[_Entry] = []
        self._woken = asyncio.Event()
        self._to_wake: set[str] = set()
        self._told = asyncio.Event()
        self._left = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to commit in the background."""
        self._tasks = [
            asyncio.create_task(self._run(), name="group-commit"),
            asyncio.create_task(self._notify(), name="group-commit-notify"),
        ]

    async def close(self) -> None:
        """Stop; boundaries that wait are refused."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for boundary, _, future in self._waiting:
            if not future.done():
                future.set_exception(_fenced(boundary))

    async def commit(self, boundary: Boundary) -> Sequence[Command]:
        """Write a boundary durably; answers with the commands not taken up yet. Raises LaceError RUN_FENCED."""
        future: asyncio.Future[Sequence[Command]] = asyncio.get_running_loop().create_future()
        row = _row(boundary, self._headers)
        if self._publish_events and boundary.events:
            row["publish"] = row["row"]["publish"] = True
        self._waiting.append((boundary, row, future))
        self._woken.set()
        return await future

    async def open_commands(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[Command]]:
        """The commands of these runs not taken up yet, oldest first; runs without any are left out."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch_all(OPEN_COMMANDS, {"run_ids": list(run_ids)})
        found: dict[str, list[Command]] = {}
        for row in rows:
            found.setdefault(row.run_id, []).extend(_commands([row._asdict()]))
        return found

    async def results(self, tenant_id: str, run_id: str, job_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What came of these jobs of a run, by id; those that are still out are left out."""
        wanted = {"tenant_id": tenant_id, "run_id": run_id, "job_ids": list(job_ids)}
        async with self._database.transaction() as tx:
            rows = await tx.fetch_all(RESULTS_OF_JOBS, wanted)
        return {row.job_id: row.result for row in rows}

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                batch = self._take()
                await self._commit(batch)
                # Those that were acknowledged just now come with the next boundary of theirs, not with the one after.
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    def _take(self) -> list[_Entry]:
        """The next batch: of each run its oldest boundary only, as one statement updates a row once."""
        taken: list[_Entry] = []
        left: list[_Entry] = []
        runs: set[str] = set()
        for entry in self._waiting:
            if entry[0].run_id in runs or len(taken) >= _BATCH:
                left.append(entry)
            else:
                runs.add(entry[0].run_id)
                taken.append(entry)
        self._waiting = left
        return sorted(taken, key=lambda entry: entry[0].run_id)

    async def _commit(self, batch: list[_Entry]) -> None:
        try:
            rows = await self._execute([row for _, row, _ in batch])
        except psycopg.Error as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._commit(batch[:middle])
                await self._commit(batch[middle:])
                return
            log.error("boundary_refused", run_id=batch[0][0].run_id, error=str(error))
            _settle_error(batch[0][2], LaceError(Reason.INTERNAL, "The step's result could not be written."))
            return
        found = {row.run_id: row for row in rows}
        for boundary, _, future in batch:
            if future.done():
                continue
            row = found.get(boundary.run_id)
            if row is None:
                future.set_exception(_fenced(boundary))
            else:
                future.set_result(_commands(row.commands or ()))
        self._to_wake.add(EVENTS_CHANNEL)
        if any(boundary.messages or row["publish"] for boundary, row, _ in batch):
            self._to_wake.add(OUTBOX_CHANNEL)
        self._told.set()
        if any(boundary.state in LEAVES for boundary, _, _ in batch):
            self._left.set()

    async def _execute(self, rows: list[dict[str, Any]]) -> Sequence[Any]:
        """The statement; sent again after a lost connection, as each boundary's id keeps it from counting twice."""
        seldom = frozenset(name for name in _SELDOM if any(row[name] for row in rows))
        parameters = _parameters(rows)
        again = False
        for pause in _RETRY_PAUSES_S:
            try:
                return await self._database.execute_now(commit_boundaries(seldom, again=again), parameters)
            except psycopg.OperationalError as error:
                log.warning("boundary_retried", error=str(error))
                again = True
                await asyncio.sleep(pause)
        return await self._database.execute_now(commit_boundaries(seldom, again=again), parameters)

    async def _notify(self) -> None:
        """Wake who waits for what was committed: at once, then once for all that came within some milliseconds.

        The end of a run is told without such a pause: somebody may wait for it.
        """
        while True:
            await self._told.wait()
            self._told.clear()
            channels, self._to_wake = sorted(self._to_wake), set()
            try:
                await self._database.notify(channels)
            except (psycopg.Error, OSError):
                log.warning("notify_lost", channels=channels)  # the polls behind it find the rows
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TELL_EVERY_S):
                    await self._left.wait()
            self._left.clear()


def _settle_error(future: asyncio.Future[Sequence[Command]], error: LaceError) -> None:
    if not future.done():
        future.set_exception(error)


def _fenced(boundary: Boundary) -> LaceError:
    return LaceError(Reason.RUN_FENCED, f"{boundary.run_id} was taken over by another worker.")


def _commands(rows: Sequence[Mapping[str, Any]]) -> list[Command]:
    """Those that this version knows; what a newer one left waits for a worker that knows it."""
    return [_command(row) for row in rows if row["trigger"] in COMMANDS]


def _command(row: Mapping[str, Any]) -> Command:
    return Command(
        row["command_id"],
        Trigger(row["trigger"]),
        row["requested_by"],
        row["reason"] or "",
        row["from_step_id"] or "",
        cause_of(row["cause"]),
    )


def _parameters(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    parts = {name: [element for row in rows for element in row[name]] for name in _PARTS}
    texts = {name: orjson.dumps(elements).decode() for name, elements in parts.items()}
    return {"rows": orjson.dumps([row["row"] for row in rows]).decode(), **texts}


def _row(boundary: Boundary, trace: Callable[[], Mapping[str, str]]) -> dict[str, Any]:
    """What the statement needs of a boundary: the run's row, and the elements of the parts."""
    of = {"run_id": boundary.run_id}
    headers = dict(trace()) if boundary.messages else {}
    row = {name: getattr(boundary, name) for name in _PLAIN}
    row |= {"applied": boundary.applied, "event_count": len(boundary.events), "boundary_id": new_id("bnd")}
    again = "_again" if boundary.again else ""
    return {
        "row": row,
        "publish": False,
        "unlocks": boundary.state in (RunState.FAILED, RunState.CANCELLED),
        "paragraphs": boundary.state in (RunState.FAILED, RunState.CANCELLED),
        **_NO_RESULTS,
        f"steps{again}": [of | vars(step) for step in boundary.steps],
        f"checkpoints{again}": [of | vars(checkpoint) for checkpoint in boundary.checkpoints],
        "forget": [of | {"step_id": step_id} for step_id in boundary.forget_checkpoints],
        "jobs": [of | vars(job) for job in boundary.jobs],
        "events": [of | group for group in groups_of(boundary.events)],
        "messages": [of | {"headers": headers} | vars(message) for message in boundary.messages],
        "applied": [of | {"command_id": key, "outcome": value} for key, value in boundary.applied.items()],
    }


_NO_RESULTS: Mapping[str, Sequence[Any]] = dict.fromkeys(
    ("steps", "steps_again", "checkpoints", "checkpoints_again"), ()
)
_PLAIN = (
    "tenant_id",
    "run_id",
    "epoch",
    "state",
    "started_at",
    "ended_at",
    "attempt",
    "revision_id",
    "steps_done",
    "steps_total",
    "error_code",
    "error_message",
    "result",
    "warnings",
)
