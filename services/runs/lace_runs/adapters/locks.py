"""Who may write an artifact: one run under its worker's lease, or one person for the length of a transaction.

A run's lock is renewed with its worker's lease and lasts a little longer than a crashed run needs to go on elsewhere;
the run's next holder takes it at once, as the same run under its next epoch.
"""

from __future__ import annotations

import math

from lace_core.errors import Detail, LaceError, Reason
from lace_platform.db.transaction import Transaction

LOCK_S = 10
RENEW_LOCKS_S = 1.0
# A process that is stopped between two statements of a fenced transaction must not keep its run from the others.
_IDLE = "3s"

# The row of the run stays as it is until the transaction ends: whoever claims the run waits, or passes it over.
FENCE = """
SELECT set_config('idle_in_transaction_session_timeout', :idle, true)
FROM runs.runs q JOIN runs.workers w ON w.worker_id = q.worker_id
WHERE q.tenant_id = :tenant_id AND q.run_id = :run_id AND q.epoch = :epoch AND w.expires_at > clock_timestamp()
FOR SHARE OF q
"""

# What has ended or stands still writes nothing: it must not keep out the one that takes its place.
TAKE_LOCK = """
INSERT INTO runs.artifact_locks (tenant_id, artifact_id, lock_owner, lock_epoch, lock_type, acquired_at, heartbeat_at,
  expires_at)
VALUES (:tenant_id, :artifact_id, :owner, :epoch, 'write', now(), now(), now() + make_interval(secs => :ttl))
ON CONFLICT (tenant_id, artifact_id) DO UPDATE SET
  acquired_at = CASE WHEN artifact_locks.lock_owner = excluded.lock_owner THEN artifact_locks.acquired_at
    ELSE now() END,
  lock_owner = excluded.lock_owner, lock_epoch = excluded.lock_epoch, heartbeat_at = now(),
  expires_at = excluded.expires_at
WHERE (artifact_locks.lock_owner = excluded.lock_owner AND artifact_locks.lock_epoch <= excluded.lock_epoch)
  OR artifact_locks.expires_at < now()
  OR EXISTS (SELECT FROM runs.runs AS r WHERE r.tenant_id = artifact_locks.tenant_id
    AND r.run_id = artifact_locks.lock_owner AND r.state IN ('paused', 'succeeded', 'failed', 'cancelled'))
RETURNING lock_owner
"""

HOLDER = """
SELECT lock_owner, extract(epoch FROM expires_at - now()) AS seconds FROM runs.artifact_locks
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id
"""

RELEASE_LOCK = """
DELETE FROM runs.artifact_locks
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND lock_owner = :owner AND lock_epoch <= :epoch
"""

# By the worker, for all runs that it holds; with the run's epoch, so that a taken-over run's lock goes on with it.
RENEW_LOCKS = """
UPDATE runs.artifact_locks l SET heartbeat_at = now(), expires_at = now() + make_interval(secs => %(lock_s)s),
  lock_epoch = q.epoch
FROM runs.runs q WHERE q.tenant_id = l.tenant_id AND q.run_id = l.lock_owner AND q.worker_id = %(worker_id)s
  AND q.state IN ('running', 'pausing')
"""
FORGET_LOCKS = "DELETE FROM runs.artifact_locks WHERE expires_at < now() - interval '1 hour'"


async def hold_fence(tx: Transaction, tenant_id: str, run_id: str, epoch: int) -> None:
    """Make sure until the transaction's end that the run is this worker's; raises LaceError RUN_FENCED."""
    key = {"tenant_id": tenant_id, "run_id": run_id, "epoch": epoch, "idle": _IDLE}
    if await tx.fetch_one(FENCE, key) is None:
        raise LaceError(Reason.RUN_FENCED, f"{run_id} is not held under epoch {epoch} any more.")


async def take_lock(tx: Transaction, tenant_id: str, artifact_id: str, owner: str, epoch: int, ttl_s: float) -> None:
    """Take or renew the right to write; raises LaceError ARTIFACT_LOCKED while another owner's is good."""
    key = {"tenant_id": tenant_id, "artifact_id": artifact_id}
    if await tx.fetch_one(TAKE_LOCK, {**key, "owner": owner, "epoch": epoch, "ttl": ttl_s}) is not None:
        return
    holder = await tx.fetch_one(HOLDER, key)
    who = holder.lock_owner if holder else "another run"
    wait = max(1, math.ceil(holder.seconds)) if holder else 1
    raise LaceError(
        Reason.ARTIFACT_LOCKED,
        f"{who} is writing {artifact_id}; wait for it or cancel it.",
        details=[Detail("lock_owner", who)],
        retryable=True,
        retry_after=float(wait),
    )


async def release_lock(tx: Transaction, tenant_id: str, artifact_id: str, owner: str, epoch: int) -> None:
    """Give the right back; a later holder's stays."""
    await tx.execute(RELEASE_LOCK, {"tenant_id": tenant_id, "artifact_id": artifact_id, "owner": owner, "epoch": epoch})
