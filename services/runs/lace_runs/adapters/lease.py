"""One lease per worker process, renewed from its own thread, and the claims of runs that it covers.

The thread renews only while the event loop's heartbeat is fresh: a worker whose loop hangs loses its runs like a
dead one. A run is free when it has no worker or its worker's lease has run out; a claim counts the run's epoch up,
which fences whoever held it before.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg
import structlog

from lace_core.composing import restored
from lace_core.errors import LaceError
from lace_core.pipeline import PIPELINES, Pipeline
from lace_platform.db.database import SystemDatabase
from lace_platform.db.dsn import connection_parameters
from lace_platform.ids import new_id
from lace_runs.adapters.claims import ClaimStatement
from lace_runs.adapters.locks import FORGET_LOCKS, LOCK_S, RENEW_LOCKS, RENEW_LOCKS_S
from lace_runs.adapters.runs import run_of
from lace_runs.app.ports import Attempts, Claimed
from lace_runs.domain.events import cause_of
from lace_runs.domain.runs import COMMANDS, IN_DOUBT, Checkpoint, Command, Job, Run, StepRecord, Trigger

log = structlog.get_logger(__name__)

_BEAT_S = 0.1

RENEW_LEASE = """
INSERT INTO runs.workers (worker_id, started_at, heartbeat_at, expires_at)
VALUES (%(worker_id)s, now(), now(), now() + make_interval(secs => %(lease_s)s))
ON CONFLICT (worker_id) DO UPDATE SET heartbeat_at = now(), expires_at = excluded.expires_at
"""

# What the claimed runs have done so far.
LOAD_WORK = """
SELECT r.run_id,
  (SELECT jsonb_agg(jsonb_build_array(c.step_id, c.output_type, c.output_hash, c.data, c.uri))
   FROM runs.run_checkpoints c WHERE c.tenant_id = r.tenant_id AND c.run_id = r.run_id) AS checkpoints,
  (SELECT jsonb_object_agg(s.step_id, jsonb_build_array(s.attempt, s.in_doubt)) FROM (
     SELECT step_id, max(attempt) AS attempt,
       count(*) FILTER (WHERE status = 'running' OR error_code = ANY(:in_doubt)) AS in_doubt
     FROM runs.step_runs s
     WHERE s.tenant_id = r.tenant_id AND s.run_id = r.run_id GROUP BY step_id) AS s) AS attempts,
  (SELECT jsonb_agg(jsonb_build_array(j.job_id, j.step_id, j.topic, j.payload, j.result))
   FROM runs.run_jobs j WHERE j.tenant_id = r.tenant_id AND j.run_id = r.run_id) AS jobs,
  (SELECT jsonb_agg(jsonb_build_array(c.command_id, c.command, c.requested_by, c.reason, c.from_step_id,
     c.cause)
     ORDER BY c.position)
   FROM runs.run_control_commands c WHERE c.run_id = r.run_id AND c.applied_at IS NULL) AS commands,
  (SELECT jsonb_agg(jsonb_build_object('step_id', s.step_id, 'step', s.step, 'node_id', s.node_id, 'attempt', s.attempt,
     'state', s.status, 'started_at', s.started_at, 'ended_at', s.ended_at, 'output_hash', s.output_hash,
     'output_uri', s.output_uri, 'log', s.log) ORDER BY s.ended_at, s.step_id)
   FROM runs.step_runs s WHERE s.tenant_id = r.tenant_id AND s.run_id = r.run_id AND s.status = 'succeeded'
     AND s.log IS NOT NULL) AS unlogged,
  (SELECT jsonb_build_array(p.description, p.steps) FROM runs.pipelines p
   WHERE p.tenant_id = r.tenant_id AND p.pipeline_id = r.pipeline_id AND p.version = r.pipeline_version) AS pipeline
FROM runs.runs r WHERE r.run_id = ANY(:run_ids)
"""

RELEASE = "UPDATE runs.runs SET worker_id = NULL WHERE run_id = :run_id AND epoch = :epoch"


class WorkerLease:
    """This process as a worker: its lease, and what it claims under it."""

    def __init__(self, database: SystemDatabase, dsn: str, password: str, *, lease_ms: int, renewal_ms: int) -> None:
        self.worker_id = new_id("wrk")
        self._database = database
        self._parameters = connection_parameters(
            dsn, role=database.role, password=password, application_name="lace_worker_lease"
        )
        self._lease_s = lease_ms / 1000
        self._renewal_s = renewal_ms / 1000
        self._claims = ClaimStatement(self.worker_id)
        self._unreadable: set[str] = set()
        self._beat_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, name="worker-lease", daemon=True)
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the lease and keep it; returns once it is taken."""
        await asyncio.to_thread(self._renew_once)
        self._beating = asyncio.create_task(self._beat(), name="worker-heartbeat")
        self._thread.start()

    async def close(self) -> None:
        """Give the lease and all runs under it back, for others to take at once."""
        self._stopped.set()
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        await asyncio.to_thread(self._thread.join, 5)
        async with self._database.transaction() as tx:
            await tx.execute("DELETE FROM runs.workers WHERE worker_id = :worker_id", {"worker_id": self.worker_id})
            await tx.commit()

    async def claim(self, held: Sequence[str], can_run: Sequence[str], limit: int) -> Sequence[Claimed]:
        """Free runs taken over by this worker with what they have done so far.

        At most `limit`, and beside them those that are only to be cancelled or paused.
        """
        async with self._database.transaction() as tx:
            rows = await self._claims.rows(tx, [*held, *self._unreadable], can_run, limit)
            if not rows:
                await tx.commit()
                return []
            begun = [row.run_id for row in rows if not _is_untouched(row)]
            taken = {"run_ids": begun, "in_doubt": sorted(IN_DOUBT)}
            work = await tx.fetch_all(LOAD_WORK, taken) if begun else []
            await tx.commit()
        done = {row.run_id: row._asdict() for row in work}
        found = []
        for row in rows:
            try:
                found.append(_claimed(row._asdict(), done.get(row.run_id, _NOTHING_DONE)))
            except (LaceError, TypeError, ValueError) as error:
                # One row that cannot be read holds up no other; a worker that can may take it.
                log.error("run_unreadable", run_id=row.run_id, error=str(error))
                self._unreadable.add(row.run_id)
                await self.release(row.run_id, row.epoch)
        return found

    def holds(self, run: Run) -> None:
        """A run that came without a claim counts for its tenant as if it had been claimed."""
        self._claims.holds(run.run_id, run.tenant_id)

    async def release(self, run_id: str, epoch: int) -> None:
        """Let go of a run that stands still or has ended; one that was taken over is left alone."""
        async with self._database.transaction() as tx:
            await tx.execute(RELEASE, {"run_id": run_id, "epoch": epoch})
            await tx.commit()

    async def _beat(self) -> None:
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(_BEAT_S)

    def _renew_until_stopped(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        locks_at = time.monotonic()
        while not self._stopped.wait(self._renewal_s):
            if time.monotonic() - self._beat_at > self._lease_s:
                log.error("worker_loop_hangs", worker_id=self.worker_id)
                continue
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(**self._parameters, autocommit=True)
                connection.execute(RENEW_LEASE, {"worker_id": self.worker_id, "lease_s": self._lease_s})
                if time.monotonic() - locks_at >= RENEW_LOCKS_S:
                    connection.execute(RENEW_LOCKS, {"worker_id": self.worker_id, "lock_s": LOCK_S})
                    locks_at = time.monotonic()
            except psycopg.Error as error:
                log.warning("lease_not_renewed", worker_id=self.worker_id, error=str(error))
                connection = None
        if connection is not None:
            connection.close()

    def _renew_once(self) -> None:
        with psycopg.connect(**self._parameters, autocommit=True) as connection:
            connection.execute(RENEW_LEASE, {"worker_id": self.worker_id, "lease_s": self._lease_s})
            connection.execute("DELETE FROM runs.workers WHERE expires_at < now() - interval '1 hour'")
            connection.execute(FORGET_LOCKS)


def _pipeline(row: Mapping[str, Any], kept: Sequence[Any] | None) -> Pipeline | None:
    return restored(row["pipeline_id"], row["pipeline_version"], kept[0], kept[1]) if kept else None


# Of a run that nobody has held before, that is not another one's continuation, and of which nothing was asked since.
_NOTHING_DONE: Mapping[str, None] = dict.fromkeys(
    ("checkpoints", "attempts", "jobs", "pipeline", "unlogged", "commands")
)


def _is_untouched(row: Any) -> bool:
    return row.epoch == 1 and not row.restarted_from_run_id and not row.is_commanded and row.pipeline_id in PIPELINES


def _claimed(row: Mapping[str, Any], done: Mapping[str, Any]) -> Claimed:
    jobs = [Job(*fields) for fields in done["jobs"] or ()]
    return Claimed(
        run=run_of({name: value for name, value in row.items() if name != "is_commanded"}),
        checkpoints={fields[0]: Checkpoint(*fields) for fields in done["checkpoints"] or ()},
        attempts={step_id: Attempts(*counted) for step_id, counted in (done["attempts"] or {}).items()},
        jobs={job.job_id: job for job in jobs},
        pipeline=_pipeline(row, done["pipeline"]),
        unlogged=msgspec.convert(done["unlogged"] or (), tuple[StepRecord, ...]),
        commands=[
            Command(c[0], Trigger(c[1]), c[2], c[3], c[4], cause_of(c[5]))
            for c in done["commands"] or ()
            if c[1] in COMMANDS
        ],
    )
