"""Quotas in Postgres."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from lace_control.domain.quotas import LIMITS, Limits, Quotas
from lace_platform.db.listener import SETTINGS_CHANGED
from lace_platform.db.transaction import Transaction

_LIMITS = ", ".join(LIMITS)
_COLUMNS = f"tenant_id, {_LIMITS}, version, updated_by, updated_at"

PUT_QUOTAS = f"""
INSERT INTO control.tenant_quotas ({_COLUMNS})
VALUES (:tenant_id, {", ".join(f":{name}" for name in LIMITS)}, 1, :updated_by, :updated_at)
ON CONFLICT (tenant_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in LIMITS)},
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
        await self._tx.notify_after_commit(SETTINGS_CHANGED)  # they travel with resolved settings
        return _quotas_of(row)


def _quotas_of(row: Row[Any]) -> Quotas:
    limits = Limits(**{name: getattr(row, name) for name in LIMITS})
    return Quotas(row.tenant_id, limits, row.version, row.updated_by, row.updated_at)
