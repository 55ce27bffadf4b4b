"""The audit log in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from lace_control.domain.audit import AuditEntry
from lace_platform.db.transaction import Transaction

_NEWEST = """
    SELECT audit_id, occurred_at, principal_id, action, subject, outcome, correlation_id, details_json
    FROM control.audit_log
    WHERE tenant_id = :tenant_id
      AND (CAST(:occurred_at AS timestamptz) IS NULL
           OR (occurred_at, audit_id) < (CAST(:occurred_at AS timestamptz), CAST(:audit_id AS text)))
    ORDER BY occurred_at DESC, audit_id DESC LIMIT :limit
"""

_ONE = """
    SELECT audit_id, occurred_at, principal_id, action, subject, outcome, correlation_id, details_json
    FROM control.audit_log WHERE tenant_id = :tenant_id AND audit_id = :audit_id
"""


class PostgresAuditRepository:
    """Table control.audit_log, which only grows."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, entry: AuditEntry) -> AuditEntry:
        """Keep an entry; gives the one that is kept under its id, where one was before."""
        row = {
            "tenant_id": tenant_id,
            "audit_id": entry.audit_id,
            "occurred_at": entry.occurred_at,
            "principal_id": entry.principal_id,
            "action": entry.action,
            "subject": entry.subject,
            "outcome": entry.outcome,
            "correlation_id": entry.correlation_id,
            "details": dict(entry.details),
        }
        added = await self._tx.execute(
            """
            INSERT INTO control.audit_log (tenant_id, audit_id, occurred_at, principal_id, action, subject, outcome,
                correlation_id, details_json)
            VALUES (:tenant_id, :audit_id, :occurred_at, :principal_id, :action, :subject, :outcome, :correlation_id,
                :details)
            ON CONFLICT (tenant_id, audit_id) DO NOTHING
            """,
            row,
        )
        return entry if added.rowcount else await self._kept(tenant_id, entry)

    async def newest(self, tenant_id: str, limit: int, before: tuple[datetime, str] | None) -> Sequence[AuditEntry]:
        """Entries by time and id, newest first."""
        occurred_at, audit_id = before or (None, None)
        rows = await self._tx.fetch_all(
            _NEWEST,
            {"tenant_id": tenant_id, "occurred_at": occurred_at, "audit_id": audit_id, "limit": limit},
        )
        return [_entry(row) for row in rows]

    async def _kept(self, tenant_id: str, entry: AuditEntry) -> AuditEntry:
        row = await self._tx.fetch_one(
            _ONE,
            {"tenant_id": tenant_id, "audit_id": entry.audit_id},
        )
        return entry if row is None else _entry(row)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        audit_id=row.audit_id,
        occurred_at=row.occurred_at,
        principal_id=row.principal_id,
        action=row.action,
        subject=row.subject,
        outcome=row.outcome,
        correlation_id=row.correlation_id,
        details=row.details_json,
    )
