"""Who may do what: roles, the scopes that they allow, and the rule that nobody grants more than he has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lace_core.errors import LaceError, Reason

Kind = Literal["user", "service", "run"]

SYSTEM_ADMIN = "system_admin"
TENANT_ADMIN = "tenant_admin"
REVIEWER = "reviewer"
MEMBER = "member"
SERVICE = "service"
ADMIN = "admin"
# Prompts and answers whole: more than a member's token, and a run's grant, is for.
PAYLOADS_READ = "payloads:read"
# Deciding what the verification could not: who has documents written does not vouch for them by that alone.
REVIEWS_WRITE = "reviews:write"

MEMBER_SCOPES = frozenset(
    {
        "artifacts:read",
        "artifacts:write",
        "compile:write",
        "provenance:read",
        "providers:read",
        "runs:read",
        "runs:write",
        "settings:read",
        "settings:write",
        "sources:read",
        "sources:write",
    }
)
SCOPES = MEMBER_SCOPES | {ADMIN, PAYLOADS_READ, REVIEWS_WRITE}

_SCOPES_OF_ROLE = {
    SYSTEM_ADMIN: SCOPES,
    TENANT_ADMIN: SCOPES,
    REVIEWER: MEMBER_SCOPES | {REVIEWS_WRITE},
    MEMBER: MEMBER_SCOPES,
}
_ROLES_BELOW = {
    SYSTEM_ADMIN: frozenset({SYSTEM_ADMIN, TENANT_ADMIN, REVIEWER, MEMBER}),
    TENANT_ADMIN: frozenset({TENANT_ADMIN, REVIEWER, MEMBER}),
    REVIEWER: frozenset({REVIEWER, MEMBER}),
    MEMBER: frozenset({MEMBER}),
}


@dataclass(frozen=True)
class Caller:
    """Who asks. A service has no tenant (the empty text), a run acts as the principal who started it."""

    principal_id: str
    tenant_id: str
    roles: frozenset[str]
    scopes: frozenset[str]
    kind: Kind
    correlation_id: str

    @property
    def is_system_admin(self) -> bool:
        """Whether the whole installation is in the caller's hands."""
        return SYSTEM_ADMIN in self.roles

    def administers(self, tenant_id: str) -> bool:
        """Whether that tenant is in the caller's hands."""
        return self.is_system_admin or (self.tenant_id == tenant_id and TENANT_ADMIN in self.roles)


def scopes_of(roles: Iterable[str]) -> frozenset[str]:
    """All that principals of these roles may do."""
    return frozenset().union(*(_SCOPES_OF_ROLE.get(role, frozenset()) for role in roles))


def require_system_admin(caller: Caller) -> None:
    """Raises PERMISSION_DENIED for anyone else."""
    if not caller.is_system_admin:
        raise LaceError(Reason.PERMISSION_DENIED, f"This needs the role {SYSTEM_ADMIN}.")


def require_admin_of(caller: Caller, tenant_id: str) -> None:
    """Raises PERMISSION_DENIED for who does not administer the tenant."""
    if not caller.administers(tenant_id):
        raise LaceError(Reason.PERMISSION_DENIED, f"This needs the role {TENANT_ADMIN}.")


def require_visible_tenant(caller: Caller, tenant_id: str) -> None:
    """Raises TENANT_NOT_FOUND for a tenant that is not the caller's: whether it exists is not told."""
    if tenant_id != caller.tenant_id and not caller.is_system_admin:
        raise tenant_not_found(tenant_id)


def require_grantable_roles(caller: Caller, roles: Iterable[str]) -> None:
    """Raises PERMISSION_DENIED for roles above the caller's own."""
    own: frozenset[str] = frozenset().union(*(_ROLES_BELOW.get(role, frozenset()) for role in caller.roles))
    above = sorted(set(roles) - own)
    if above:
        raise LaceError(Reason.PERMISSION_DENIED, f"Your roles do not cover: {', '.join(above)}.")


def grantable_scopes(wanted: Iterable[str], *, holder: frozenset[str], granter: frozenset[str]) -> frozenset[str]:
    """The wanted scopes, or all of the holder's where none are named.

    Raises INVALID_ARGUMENT for scopes that do not exist, PERMISSION_DENIED for those that the holder's roles do not
    allow or that the granter does not hold.
    """
    scopes = frozenset(wanted) or holder
    unknown = sorted(scopes - SCOPES)
    if unknown:
        known = ", ".join(sorted(SCOPES))
        raise LaceError(Reason.INVALID_ARGUMENT, f"No scope {', '.join(unknown)}; there are {known}.")
    beyond = sorted(scopes - (holder & granter))
    if beyond:
        raise LaceError(Reason.PERMISSION_DENIED, f"These scopes cannot be granted here: {', '.join(beyond)}.")
    return scopes


def tenant_not_found(tenant_id: str) -> LaceError:
    """The same answer for a tenant that does not exist and for another's."""
    return LaceError(Reason.TENANT_NOT_FOUND, f"No tenant {tenant_id}.")
