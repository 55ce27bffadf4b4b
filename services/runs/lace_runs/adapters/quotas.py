"""What tenants may use at once, in Postgres: as control told it with the settings of a tenant's last start."""

from __future__ import annotations

from datetime import datetime

from lace_platform.db.transaction import Transaction
from lace_runs.domain.quotas import Limits

# An answer of control's that was overtaken by a newer one changes nothing.
PUT_LIMITS = """
INSERT INTO runs.tenant_limits AS l (tenant_id, max_concurrent_runs, max_queued_runs, runs_per_minute, version)
VALUES (:tenant_id, :max_concurrent_runs, :max_queued_runs, :runs_per_minute, :version)
ON CONFLICT (tenant_id) DO UPDATE SET max_concurrent_runs = excluded.max_concurrent_runs,
  max_queued_runs = excluded.max_queued_runs, runs_per_minute = excluded.runs_per_minute, version = excluded.version
WHERE l.version < excluded.version
"""

NTH_START = """
SELECT created_at FROM runs.runs WHERE tenant_id = :tenant_id AND created_at > :since
ORDER BY created_at DESC OFFSET :nth - 1 LIMIT 1
"""

NTH_WAITING = """
SELECT 1 FROM runs.runs WHERE tenant_id = :tenant_id AND state = 'queued' OFFSET :nth - 1 LIMIT 1
"""


class PostgresQuotas:
    """Quotas within one transaction; see app.ports.QuotaRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def get(self, tenant_id: str) -> Limits:
        """What was told of the tenant; no limits where nothing was."""
        row = await self._tx.fetch_one(
            """SELECT max_concurrent_runs, max_queued_runs, runs_per_minute, version FROM runs.tenant_limits
               WHERE tenant_id = :tenant_id""",
            {"tenant_id": tenant_id},
        )
        return Limits() if row is None else Limits(*row)

    async def put(self, tenant_id: str, limits: Limits) -> None:
        """Keep what was told, unless something newer was."""
        await self._tx.execute(PUT_LIMITS, {"tenant_id": tenant_id, **vars(limits)})

    async def one_at_a_time(self, tenant_id: str) -> None:
        """Until the transaction ends, nobody else counts for this tenant."""
        await self._tx.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))", {"name": f"starts of {tenant_id}"}
        )

    async def started_at(self, tenant_id: str, nth: int, since: datetime) -> datetime | None:
        """When the n-th newest run was asked for; None where there are fewer since that moment."""
        row = await self._tx.fetch_one(NTH_START, {"tenant_id": tenant_id, "nth": nth, "since": since})
        return None if row is None else row.created_at

    async def has_waiting(self, tenant_id: str, count: int) -> bool:
        """Whether so many runs wait for a worker."""
        return await self._tx.fetch_one(NTH_WAITING, {"tenant_id": tenant_id, "nth": count}) is not None
