"""The sequence of revocations in Postgres."""

from __future__ import annotations

from datetime import datetime

from lace_control.domain.revocations import Revocation, Subject
from lace_platform.db.transaction import Transaction

CHANNEL = "control_revocations"

# The row lock on the counter is held until the commit, so that epochs become visible in their order, without gaps.
_ADD = """
    WITH counted AS (
        UPDATE control.revocation_counter SET epoch = epoch + 1 RETURNING epoch
    )
    INSERT INTO control.revocations (epoch, tenant_id, subject_type, subject_id, revoked_at)
    SELECT epoch, :tenant_id, :subject_type, :subject_id, :revoked_at FROM counted
    RETURNING epoch
"""


class PostgresRevocationRepository:
    """Tables control.revocations and control.revocation_counter."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, subject: Subject, subject_id: str, revoked_at: datetime) -> Revocation:
        """Revoke at the next epoch, and wake those who follow after the commit."""
        row = await self._tx.fetch_one(
            _ADD,
            {"tenant_id": tenant_id, "subject_type": subject, "subject_id": subject_id, "revoked_at": revoked_at},
        )
        assert row is not None, "the migration makes the counter's row"
        await self._tx.notify_after_commit(CHANNEL)
        return Revocation(row.epoch, subject, subject_id, revoked_at)


async def newest_epoch(tx: Transaction) -> int:
    """The newest revocation's epoch."""
    row = await tx.fetch_one("SELECT epoch FROM control.revocation_counter")
    assert row is not None, "the migration makes the counter's row"
    return int(row.epoch)
