"""Which of the runs that wait a worker takes: tenant by tenant, within a tenant by priority and age.

A tenant's turn is its place in its own queue behind what this worker already does for it, so that one run of a tenant
goes before the second of any other, however many those have waiting. The candidates come from an index in that very
order, as many for each tenant as the worker has room for: the length of a queue costs nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from lace_platform.db.transaction import Transaction
from lace_runs.adapters.runs import RUN_COLUMNS

# How often runs of dead workers, and tenants with a limit of their own, are looked for.
LOOK_AROUND_S = 0.3
# Runs that are taken beside the worker's room because all that is left to do is to cancel or pause them.
_ATTENDED = 50

# A registered pipeline is run by whoever can do all its kinds of steps: those stand in :can_run as well.
_FREE = """NOT r.run_id = ANY(:held) AND (r.pipeline_id || '/' || r.pipeline_version = ANY(:can_run)
      OR EXISTS (SELECT FROM runs.pipelines p WHERE p.tenant_id = r.tenant_id AND p.pipeline_id = r.pipeline_id
        AND p.version = r.pipeline_version AND p.kinds <@ CAST(:can_run AS text[])))
    AND (r.worker_id IS NULL OR r.worker_id = :worker_id OR NOT EXISTS (
      SELECT FROM runs.workers w WHERE w.worker_id = r.worker_id AND w.expires_at >= now()))"""

# Under way, but with nobody.
_ABANDONED = f"""
  SELECT r.tenant_id, r.run_id, 0 AS turn, r.created_at FROM runs.runs r
  WHERE r.state IN ('running', 'pausing') AND {_FREE} LIMIT :room
"""
_NONE_ABANDONED = "SELECT NULL AS tenant_id, NULL AS run_id, 0 AS turn, now() AS created_at WHERE false"

# A run that is claimed is running from then on, so that it counts; commands that wait are taken up from where it was.
# `tenant` walks from one tenant with waiting runs to the next in the index (a loose index scan). A run that stands
# still and is to go on waits like a queued one; where the command is to cancel or pause, that needs no place.
CLAIM = f"""
WITH RECURSIVE tenant AS (
  (SELECT r.tenant_id FROM runs.runs r WHERE r.state IN ('queued', 'resuming') ORDER BY r.tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT r.tenant_id FROM runs.runs r
    WHERE r.state IN ('queued', 'resuming') AND r.tenant_id > t.tenant_id ORDER BY r.tenant_id LIMIT 1)
  FROM tenant t WHERE t.tenant_id IS NOT NULL
), commanded AS MATERIALIZED (
  SELECT r.tenant_id, r.run_id, r.state, r.priority, r.created_at, bool_or(c.command = 'cancel')
    OR ((array_agg(c.command ORDER BY c.position DESC))[1] = 'pause' AND r.state <> 'paused') AS needs_no_place
  FROM runs.run_control_commands c JOIN runs.runs r ON r.tenant_id = c.tenant_id AND r.run_id = c.run_id
  WHERE c.applied_at IS NULL AND c.command IN ('pause', 'resume', 'restart', 'cancel')
    AND r.state IN ('queued', 'resuming', 'paused') AND {_FREE}
  GROUP BY r.tenant_id, r.run_id
), waiting AS (
  SELECT q.* FROM tenant t, LATERAL (
    SELECT r.tenant_id, r.run_id, r.priority, r.created_at, false AS goes_on FROM runs.runs r
    WHERE r.tenant_id = t.tenant_id AND r.state IN ('queued', 'resuming') AND {_FREE}
      AND NOT EXISTS (SELECT FROM commanded c WHERE c.run_id = r.run_id AND c.needs_no_place)
    ORDER BY r.priority DESC, r.created_at, r.run_id LIMIT :room * 2) AS q
  UNION ALL
  SELECT c.tenant_id, c.run_id, c.priority, c.created_at, true FROM commanded c
  WHERE c.state = 'paused' AND NOT c.needs_no_place
), placed AS (
  SELECT w.tenant_id, w.run_id, w.created_at, row_number() OVER (
    PARTITION BY w.tenant_id ORDER BY w.goes_on DESC, w.priority DESC, w.created_at, w.run_id) AS place
  FROM waiting w
), place_left AS (
  SELECT l.tenant_id, CASE WHEN l.tenant_id = ANY(:counted) THEN l.max_concurrent_runs - (
    SELECT count(*) FROM runs.runs r WHERE r.tenant_id = l.tenant_id AND r.state IN ('running', 'pausing')) - (
    SELECT count(DISTINCT r.run_id) FROM runs.run_control_commands c JOIN runs.runs r USING (tenant_id, run_id)
    JOIN runs.workers w ON w.worker_id = r.worker_id AND w.expires_at >= now()
    WHERE c.applied_at IS NULL AND r.tenant_id = l.tenant_id AND r.state IN ('queued', 'paused', 'resuming'))
    ELSE 0 END AS places
  FROM runs.tenant_limits l WHERE l.max_concurrent_runs > 0
), turned AS (
  SELECT p.tenant_id, p.run_id, p.place + coalesce(own.runs, 0) AS turn, p.created_at
  FROM placed p LEFT JOIN unnest(CAST(:tenants AS text[]), CAST(:counts AS int[])) AS own(tenant_id, runs)
    USING (tenant_id) LEFT JOIN place_left l USING (tenant_id)
  WHERE l.places IS NULL OR p.place <= l.places
  UNION ALL
  ({{abandoned}})
), chosen AS (
  (SELECT r.run_id FROM runs.runs r JOIN turned USING (run_id)
   ORDER BY turned.turn, turned.created_at, r.run_id LIMIT :room FOR UPDATE OF r SKIP LOCKED)
), attended AS (
  (SELECT r.run_id FROM runs.runs r JOIN commanded c USING (run_id) WHERE c.needs_no_place
   LIMIT {_ATTENDED} FOR UPDATE OF r SKIP LOCKED)
)
UPDATE runs.runs r SET worker_id = :worker_id, epoch = r.epoch + 1, state = CASE
  WHEN r.state IN ('queued', 'resuming') AND NOT EXISTS (SELECT FROM commanded c WHERE c.run_id = r.run_id)
  THEN 'running' ELSE r.state END
FROM (SELECT run_id FROM chosen UNION SELECT run_id FROM attended) AS c
WHERE r.run_id = c.run_id AND {_FREE}
RETURNING {RUN_COLUMNS},
  EXISTS (SELECT FROM runs.run_control_commands o WHERE o.run_id = r.run_id AND o.applied_at IS NULL) AS is_commanded
"""
CLAIM_WAITING = CLAIM.replace("{abandoned}", _NONE_ABANDONED)
CLAIM_ALL = CLAIM.replace("{abandoned}", _ABANDONED)

# Nobody else claims for these tenants until the transaction ends, and what they run is counted by the statement after
# this one: by the same one, it would be what they ran before the other's claim.
COUNT_FOR = """
SELECT l.tenant_id FROM runs.tenant_limits l
WHERE l.max_concurrent_runs > 0 AND (
  EXISTS (SELECT FROM runs.runs r WHERE r.tenant_id = l.tenant_id AND r.state IN ('queued', 'resuming'))
  OR EXISTS (SELECT FROM runs.run_control_commands c WHERE c.tenant_id = l.tenant_id AND c.applied_at IS NULL))
FOR NO KEY UPDATE OF l SKIP LOCKED
"""
# What came when its run had just ended: nobody takes it up any more.
CLOSE_LATE = """
UPDATE runs.run_control_commands c SET applied_at = clock_timestamp(), outcome = 'refused: The run had ended.'
FROM runs.runs r WHERE c.applied_at IS NULL AND r.tenant_id = c.tenant_id AND r.run_id = c.run_id
  AND r.state IN ('succeeded', 'failed', 'cancelled')
"""
ANY_LIMITED = "SELECT 1 FROM runs.tenant_limits WHERE max_concurrent_runs > 0 LIMIT 1"


class ClaimStatement:
    """The claims of one worker: what it has for whom, and when it last looked around."""

    def __init__(self, worker_id: str) -> None:
        self._worker_id = worker_id
        self._tenants: dict[str, str] = {}
        self._looked_at = float("-inf")
        self._any_limited = False

    def holds(self, run_id: str, tenant_id: str) -> None:
        """This worker works on a run of that tenant."""
        self._tenants[run_id] = tenant_id

    async def rows(self, tx: Transaction, held: Iterable[str], can_run: Sequence[str], room: int) -> Sequence[Any]:
        """The rows of the runs that are now this worker's, `room` at most beside those that need no place."""
        own = set(held)
        self._tenants = {run_id: tenant for run_id, tenant in self._tenants.items() if run_id in own}
        look = time.monotonic() - self._looked_at >= LOOK_AROUND_S
        if look:
            self._looked_at = time.monotonic()
            await tx.execute(CLOSE_LATE)
            self._any_limited = await tx.fetch_one(ANY_LIMITED) is not None
        counted = [row.tenant_id for row in await tx.fetch_all(COUNT_FOR)] if self._any_limited else []
        running = Counter(self._tenants.values())
        rows = await tx.fetch_all(
            CLAIM_ALL if look else CLAIM_WAITING,
            {
                "worker_id": self._worker_id,
                "held": list(own),
                "can_run": list(can_run),
                "room": room,
                "counted": counted,
                "tenants": list(running),
                "counts": list(running.values()),
            },
        )
        self._tenants.update((row.run_id, row.tenant_id) for row in rows)
        return rows
