"""Tenants and the principals who act in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.ids import derive


@dataclass(frozen=True)
class Tenant:
    """An organisation whose data nobody else sees; `created_at` is aware UTC."""

    tenant_id: str
    name: str
    created_at: datetime


@dataclass(frozen=True)
class Principal:
    """Someone or something that acts in one tenant; `labels` are the security labels that it may see."""

    principal_id: str
    tenant_id: str
    name: str
    roles: frozenset[str]
    labels: frozenset[str]
    created_at: datetime


@dataclass(frozen=True)
class Bootstrapped:
    """The first tenant and its administrator; `secret` is the administrator's token, empty once it was given out."""

    tenant: Tenant
    principal: Principal
    secret: str


def administrator_id(tenant_id: str) -> str:
    """The id of a tenant's first administrator, derived so that whoever knows the tenant can name him."""
    return derive("prn", tenant_id, "administrator")


def principal_not_found(principal_id: str) -> LaceError:
    """The same answer for a principal that does not exist and for another tenant's."""
    return LaceError(Reason.PRINCIPAL_NOT_FOUND, f"No principal {principal_id}.")
