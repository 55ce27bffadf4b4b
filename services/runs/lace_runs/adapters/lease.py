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

import psycopg
import structlog

from lace_platform.db.database import SystemDatabase
from lace_platform.db.dsn import connection_parameters
from lace_platform.ids import new_id
from lace_runs.adapters.runs import RUN_COLUMNS, run_of
from lace_runs.app.ports import Claimed
from lace_runs.domain.runs import Checkpoint, Command, Job, Trigger

log = structlog.get_logger(__name__)

_BEAT_S = 0.1

RENEW_LEASE = """
INSERT INTO runs.workers (worker_id, started_at, heartbeat_at, expires_at)
VALUES (%(worker_id)s, now(), now(), now() + make_interval(secs => %(lease_s)s))
ON CONFLICT (worker_id) DO UPDATE SET heartbeat_at = now(), expires_at = excluded.expires_at
"""

# Free runs that have something to do, tenant by tenant: the first of each tenant before the second of any.
CLAIM = f"""
WITH free AS (
  SELECT r.tenant_id, r.run_id, r.created_at,
    row_number() OVER (PARTITION BY r.tenant_id ORDER BY r.created_at, r.run_id) AS turn
  FROM runs.runs r LEFT JOIN runs.workers w ON w.worker_id = r.worker_id
  WHERE (r.state IN ('queued', 'running', 'pausing', 'resuming') OR (r.state = 'paused' AND EXISTS (
      SELECT 1 FROM runs.run_control_commands c WHERE c.run_id = r.run_id AND c.applied_at IS NULL)))
    AND (w.worker_id IS NULL OR w.expires_at < now() OR r.worker_id = :worker_id) AND NOT r.run_id = ANY(:held)
    AND r.pipeline_id || '/' || r.pipeline_version = ANY(:can_run)
), chosen AS (
  SELECT r.run_id FROM runs.runs r JOIN free USING (run_id)
  ORDER BY free.turn, free.created_at LIMIT :limit FOR UPDATE OF r SKIP LOCKED
)
UPDATE runs.runs r SET worker_id = :worker_id, epoch = r.epoch + 1 FROM chosen
WHERE r.run_id = chosen.run_id AND (r.worker_id IS NULL OR r.worker_id = :worker_id OR NOT EXISTS (
  SELECT 1 FROM runs.workers w WHERE w.worker_id = r.worker_id AND w.expires_at >= now()))
RETURNING {", ".join("r." + column.strip() for column in RUN_COLUMNS.split(","))}
"""

# What the claimed runs have done so far.
LOAD_WORK = """
SELECT r.run_id,
  (SELECT jsonb_agg(jsonb_build_array(c.step_id, c.output_type, c.output_hash, c.data, c.uri))
   FROM runs.run_checkpoints c WHERE c.tenant_id = r.tenant_id AND c.run_id = r.run_id) AS checkpoints,
  (SELECT jsonb_object_agg(s.step_id, s.attempt) FROM (
     SELECT step_id, max(attempt) AS attempt FROM runs.step_runs s
     WHERE s.tenant_id = r.tenant_id AND s.run_id = r.run_id GROUP BY step_id) AS s) AS attempts,
  (SELECT jsonb_agg(jsonb_build_array(j.job_id, j.step_id, j.topic, j.payload, j.result))
   FROM runs.run_jobs j WHERE j.tenant_id = r.tenant_id AND j.run_id = r.run_id) AS jobs,
  (SELECT jsonb_agg(jsonb_build_array(c.command_id, c.command, c.requested_by, c.reason, c.from_step_id)
     ORDER BY c.position)
   FROM runs.run_control_commands c WHERE c.run_id = r.run_id AND c.applied_at IS NULL) AS commands
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
            key = {"worker_id": self.worker_id}
            await tx.execute("UPDATE runs.runs SET worker_id = NULL WHERE worker_id = :worker_id", key)
            await tx.execute("DELETE FROM runs.workers WHERE worker_id = :worker_id", key)
            await tx.commit()

    async def claim(self, held: Sequence[str], can_run: Sequence[str], limit: int) -> Sequence[Claimed]:
        """Free runs taken over by this worker with what they have done so far, at most `limit`."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch_all(
                CLAIM, {"worker_id": self.worker_id, "held": list(held), "can_run": list(can_run), "limit": limit}
            )
            if not rows:
                return []
            work = await tx.fetch_all(LOAD_WORK, {"run_ids": [row.run_id for row in rows]})
            await tx.commit()
        done = {row.run_id: row._asdict() for row in work}
        return [_claimed(row._asdict(), done[row.run_id]) for row in rows]

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
        while not self._stopped.wait(self._renewal_s):
            if time.monotonic() - self._beat_at > self._lease_s:
                log.error("worker_loop_hangs", worker_id=self.worker_id)
                continue
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(**self._parameters, autocommit=True)
                connection.execute(RENEW_LEASE, {"worker_id": self.worker_id, "lease_s": self._lease_s})
            except psycopg.Error as error:
                log.warning("lease_not_renewed", worker_id=self.worker_id, error=str(error))
                connection = None
        if connection is not None:
            connection.close()

    def _renew_once(self) -> None:
        with psycopg.connect(**self._parameters, autocommit=True) as connection:
            connection.execute(RENEW_LEASE, {"worker_id": self.worker_id, "lease_s": self._lease_s})
            connection.execute("DELETE FROM runs.workers WHERE expires_at < now() - interval '1 hour'")


def _claimed(row: Mapping[str, Any], done: Mapping[str, Any]) -> Claimed:
    jobs = [Job(*fields) for fields in done["jobs"] or ()]
    return Claimed(
        run=run_of(row),
        checkpoints={fields[0]: Checkpoint(*fields) for fields in done["checkpoints"] or ()},
        attempts=done["attempts"] or {},
        jobs={job.job_id: job for job in jobs},
        commands=[Command(c[0], Trigger(c[1]), c[2], c[3], c[4]) for c in done["commands"] or ()],
    )
