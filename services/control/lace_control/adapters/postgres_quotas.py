"""Quotas in Postgres."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from lace_control.adapters.postgres_settings import CHANGES_CHANNEL
from lace_control.domain.quotas import Limits, Quotas
from lace_platform.db.transaction import Transaction

_COLUMNS = "tenant_id, max_concurrent_runs, max_queued_runs, runs_per_minute, version, updated_by, updated_at"

PUT_QUOTAS = f"""
INSERT INTO control.tenant_quotas ({_COLUMNS})
VALUES (:tenant_id, :max_concurrent_runs, :max_queued_runs, :runs_per_minute, 1, :updated_by, :updated_at)
ON CONFLICT (tenant_id) DO UPDATE SET max_concurrent_runs = excluded.max_concurrent_runs,
  max_queued_runs = excluded.max_queued_runs, runs_per_minute = excluded.runs_per_minute,
  version = tenant_quotas.version + 1, updated_by = excluded.updated_by, updated_at = excluded.updated_at
RETURNING {_COLUMNS}
"""


class PostgresQuotaRepository:
    """Table control.tenant_quotas."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def get(self, tenant_id: str) -> Quotas:
        """The tenant's quotas; version 0 where none were ever set."""
        row = await self._tx.fetch_one(
            f"SELECT {_COLUMNS} FROM control.tenant_quotas WHERE tenant_id = :tenant_id", {"tenant_id": tenant_id}
        )
        return Quotas(tenant_id) if row is None else _quotas_of(row)

    async def put(self, tenant_id: str, limits: Limits, updated_by: str, updated_at: datetime) -> Quotas:
        """The tenant's next version."""
        values = {"tenant_id": tenant_id, **limits.as_details(), "updated_by": updated_by, "updated_at": updated_at}
        row = await self._tx.fetch_one(PUT_QUOTAS, values)
        assert row is not None
        await self._tx.notify_after_commit(CHANGES_CHANNEL)  # they travel with resolved settings
        return _quotas_of(row)


def _quotas_of(row: Row[Any]) -> Quotas:
    limits = Limits(row.max_concurrent_runs, row.max_queued_runs, row.runs_per_minute)
    return Quotas(row.tenant_id, limits, row.version, row.updated_by, row.updated_at)
