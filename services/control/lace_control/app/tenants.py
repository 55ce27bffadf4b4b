"""Tenants and principals: how the installation begins, and how more of them come."""

from __future__ import annotations

from collections.abc import Sequence

from lace_control.app.audit import note, refusals_noted
from lace_control.app.ports import Control, Mutation, SystemUnitOfWork
from lace_control.app.tokens import issue_token
from lace_control.domain.access import (
    MEMBER,
    SCOPES,
    SYSTEM_ADMIN,
    TENANT_ADMIN,
    Caller,
    require_admin_of,
    require_grantable_roles,
    require_system_admin,
    require_visible_tenant,
    tenant_not_found,
)
from lace_control.domain.tenants import Bootstrapped, Principal, Tenant, administrator_id, principal_not_found
from lace_control.domain.tokens import LONGEST_LIFE
from lace_core.errors import LaceError, Reason
from lace_core.labels import is_owner_label

_FIRST_TOKEN = "first token"


async def bootstrap(control: Control, caller: Caller, tenant_name: str, principal_name: str) -> Bootstrapped:
    """The first tenant, its administrator and a token; made once, whoever comes later gets them without the secret."""
    async with control.units.of_system() as uow:
        await uow.directory.lock_bootstrap()
        tenant = await uow.directory.first_tenant()
        if tenant is not None:
            return await _begun(uow, tenant)
        made = await _begin(control, uow, caller, tenant_name, principal_name)
        await uow.commit()
    return made


async def create_tenant(control: Control, caller: Caller, name: str, mutation: Mutation[Tenant]) -> Tenant:
    """A tenant with its administrator, whose id is `administrator_id` of the tenant's.

    Raises PERMISSION_DENIED, IDEMPOTENCY_*.
    """
    async with refusals_noted(control, caller, "tenant.create", name):
        require_system_admin(caller)
        async with control.units.of_system() as uow:
            tenant = await uow.once(mutation, lambda: _create_tenant(control, uow, caller, name))
            await uow.commit()
    return tenant


async def get_tenant(control: Control, caller: Caller, tenant_id: str) -> Tenant:
    """The caller's tenant, or any for who administers the system. Raises TENANT_NOT_FOUND."""
    require_visible_tenant(caller, tenant_id)
    async with control.units.of_tenant(tenant_id) as uow:
        tenant = await uow.tenants.get(tenant_id)
    if tenant is None:
        raise tenant_not_found(tenant_id)
    return tenant


async def create_principal(
    control: Control,
    caller: Caller,
    name: str,
    roles: Sequence[str],
    labels: Sequence[str],
    mutation: Mutation[Principal],
) -> Principal:
    """A principal in the caller's tenant, member where no role is named, with no role above the caller's.

    Labels are the administrator's to give, as he administers what they protect; but an owner's label is nobody's to
    give. Raises PERMISSION_DENIED, IDEMPOTENCY_*.
    """
    async with refusals_noted(control, caller, "principal.create", name):
        require_admin_of(caller, caller.tenant_id)
        wanted = frozenset(roles) or frozenset({MEMBER})
        require_grantable_roles(caller, wanted)
        _require_grantable(labels)
        async with control.units.of_tenant(caller.tenant_id) as uow:

            async def effect() -> Principal:
                made = Principal(
                    control.new_id("prn"), caller.tenant_id, name, wanted, frozenset(labels), control.now()
                )
                await uow.principals.add(caller.tenant_id, made)
                details = {"roles": sorted(wanted), "labels": sorted(labels)}
                await note(control, uow, caller, "principal.create", made.principal_id, details)
                return made

            principal = await uow.once(mutation, effect)
            await uow.commit()
    return principal


def _require_grantable(labels: Sequence[str]) -> None:
    for label in filter(is_owner_label, labels):
        raise LaceError(Reason.PERMISSION_DENIED, f"{label}: each principal holds its own label, and no other's.")


async def _begun(uow: SystemUnitOfWork, tenant: Tenant) -> Bootstrapped:
    principal_id = administrator_id(tenant.tenant_id)
    principal = await uow.principals.get(tenant.tenant_id, principal_id)
    if principal is None:
        raise principal_not_found(principal_id)
    return Bootstrapped(tenant, principal, "")


async def _begin(
    control: Control, uow: SystemUnitOfWork, caller: Caller, tenant_name: str, principal_name: str
) -> Bootstrapped:
    roles = frozenset({SYSTEM_ADMIN, TENANT_ADMIN})
    tenant, principal = await _add_tenant(control, uow, tenant_name, principal_name, roles)
    token = await issue_token(control, uow, principal, _FIRST_TOKEN, SCOPES, LONGEST_LIFE)
    details = {"principal_id": principal.principal_id, "token_id": token.token.token_id}
    await note(control, uow, caller, "tenant.bootstrap", tenant.tenant_id, details, tenant_id=tenant.tenant_id)
    return Bootstrapped(tenant, principal, token.secret)


async def _create_tenant(control: Control, uow: SystemUnitOfWork, caller: Caller, name: str) -> Tenant:
    tenant, principal = await _add_tenant(control, uow, name, "administrator", frozenset({TENANT_ADMIN}))
    details = {"name": name, "principal_id": principal.principal_id}
    await note(control, uow, caller, "tenant.create", tenant.tenant_id, details)
    return tenant


async def _add_tenant(
    control: Control, uow: SystemUnitOfWork, name: str, administrator: str, roles: frozenset[str]
) -> tuple[Tenant, Principal]:
    tenant = Tenant(control.new_id("ten"), name, control.now())
    await uow.tenants.add(tenant.tenant_id, tenant)
    principal_id = administrator_id(tenant.tenant_id)
    principal = Principal(principal_id, tenant.tenant_id, administrator, roles, frozenset(), tenant.created_at)
    await uow.principals.add(tenant.tenant_id, principal)
    return tenant, principal
