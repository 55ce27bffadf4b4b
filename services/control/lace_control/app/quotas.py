"""Quotas: what a tenant may use at once and spend, told to the services that hold it to them."""

from __future__ import annotations

from lace_control.app.audit import note, refusals_noted
from lace_control.app.ports import Control, Mutation, UnitOfWork, unit_for
from lace_control.domain.access import Caller, require_system_admin, require_visible_tenant, tenant_not_found
from lace_control.domain.quotas import Limits, Quotas


async def get_quotas(control: Control, caller: Caller, tenant_id: str) -> Quotas:
    """The quotas of the caller's tenant, or of any for who administers the system. Raises TENANT_NOT_FOUND."""
    require_visible_tenant(caller, tenant_id)
    async with unit_for(control, caller, tenant_id) as uow:
        await _require_tenant(uow, tenant_id)
        return await uow.quotas.get(tenant_id)


async def read_quotas(control: Control, tenant_id: str) -> Quotas:
    """The quotas of any tenant, for a service. Raises TENANT_NOT_FOUND."""
    async with control.units.of_tenant(tenant_id) as uow:
        await _require_tenant(uow, tenant_id)
        return await uow.quotas.get(tenant_id)


async def put_quotas(
    control: Control, caller: Caller, tenant_id: str, limits: Limits, mutation: Mutation[Quotas]
) -> Quotas:
    """Replace a tenant's quotas; they hold from its next start of a run on, and within seconds for model calls.

    Raises PERMISSION_DENIED, TENANT_NOT_FOUND, IDEMPOTENCY_*.
    """
    async with refusals_noted(control, caller, "quotas.put", tenant_id):
        require_system_admin(caller)
        async with unit_for(control, caller, tenant_id) as uow:
            await _require_tenant(uow, tenant_id)
            quotas = await uow.once(mutation, lambda: _put(control, uow, caller, tenant_id, limits))
            await uow.commit()
    return quotas


async def _put(control: Control, uow: UnitOfWork, caller: Caller, tenant_id: str, limits: Limits) -> Quotas:
    before = (await uow.quotas.get(tenant_id)).limits
    quotas = await uow.quotas.put(tenant_id, limits, caller.principal_id, control.now())
    details = {"before": before.as_details(), "after": limits.as_details(), "version": quotas.version}
    await note(control, uow, caller, "quotas.put", tenant_id, details)
    return quotas


async def _require_tenant(uow: UnitOfWork, tenant_id: str) -> None:
    if await uow.tenants.get(tenant_id) is None:
        raise tenant_not_found(tenant_id)
