"""Tenants and principals in Postgres."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from lace_control.domain.tenants import Principal, Tenant
from lace_platform.db.transaction import Transaction


class PostgresTenantRepository:
    """Table control.tenants."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, tenant: Tenant) -> None:
        """Keep a new tenant."""
        row = {"tenant_id": tenant_id, "name": tenant.name, "created_at": tenant.created_at}
        await self._tx.execute(
            "INSERT INTO control.tenants (tenant_id, name, created_at) VALUES (:tenant_id, :name, :created_at)", row
        )

    async def get(self, tenant_id: str) -> Tenant | None:
        """The tenant, if there is one."""
        row = await self._tx.fetch_one(
            "SELECT tenant_id, name, created_at FROM control.tenants WHERE tenant_id = :tenant_id",
            {"tenant_id": tenant_id},
        )
        return None if row is None else tenant_of(row)


class PostgresPrincipalRepository:
    """Table control.principals."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, principal: Principal) -> None:
        """Keep a new principal."""
        row = {
            "principal_id": principal.principal_id,
            "tenant_id": tenant_id,
            "name": principal.name,
            "roles": sorted(principal.roles),
            "labels": sorted(principal.labels),
            "created_at": principal.created_at,
        }
        await self._tx.execute(
            """
            INSERT INTO control.principals (principal_id, tenant_id, name, roles, labels, created_at)
            VALUES (:principal_id, :tenant_id, :name, CAST(:roles AS text[]), CAST(:labels AS text[]), :created_at)
            """,
            row,
        )

    async def get(self, tenant_id: str, principal_id: str) -> Principal | None:
        """The principal, if the tenant has it."""
        row = await self._tx.fetch_one(
            """
            SELECT principal_id, tenant_id, name, roles, labels, created_at
            FROM control.principals WHERE tenant_id = :tenant_id AND principal_id = :principal_id
            """,
            {"tenant_id": tenant_id, "principal_id": principal_id},
        )
        return None if row is None else principal_of(row)


def tenant_of(row: Row[Any]) -> Tenant:
    """The tenant in a row."""
    return Tenant(tenant_id=row.tenant_id, name=row.name, created_at=row.created_at)


def principal_of(row: Row[Any]) -> Principal:
    """The principal in a row."""
    return Principal(
        principal_id=row.principal_id,
        tenant_id=row.tenant_id,
        name=row.name,
        roles=frozenset(row.roles),
        labels=frozenset(row.labels),
        created_at=row.created_at,
    )
