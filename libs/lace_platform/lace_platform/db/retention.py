"""Deletes what the infrastructure tables no longer need: sent messages, handled jobs, expired request keys."""

from __future__ import annotations

from datetime import timedelta

from lace_platform.db.database import SystemDatabase

PUBLISHED_KEPT = timedelta(days=3)
# Longer than the bus keeps a message: a message delivered again late must still be known as handled.
EXECUTIONS_KEPT = timedelta(days=30)
_BATCH = 5_000

# By physical address: a bounded batch needs no key and no order.
_PRUNE_OUTBOX = """
    DELETE FROM outbox_events WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM outbox_events WHERE status = 'published' AND published_at < now() - :age
        LIMIT :batch FOR UPDATE SKIP LOCKED))
"""
_PRUNE_EXECUTIONS = """
    DELETE FROM job_executions WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM job_executions WHERE executed_at < now() - :age
        LIMIT :batch FOR UPDATE SKIP LOCKED))
"""
_PRUNE_KEYS = """
    DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM idempotency_keys WHERE expires_at < now()
        LIMIT :batch FOR UPDATE SKIP LOCKED))
"""


async def prune(db: SystemDatabase) -> int:
    """Delete one batch of outdated rows of each table; returns how many rows went."""
    async with db.transaction() as tx:
        results = [
            await tx.execute(_PRUNE_OUTBOX, {"age": PUBLISHED_KEPT, "batch": _BATCH}),
            await tx.execute(_PRUNE_EXECUTIONS, {"age": EXECUTIONS_KEPT, "batch": _BATCH}),
            await tx.execute(_PRUNE_KEYS, {"batch": _BATCH}),
        ]
        await tx.commit()
    return sum(result.rowcount for result in results)
