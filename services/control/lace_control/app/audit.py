"""The audit log: what the use cases of this service write into it, what others record, and reading it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from lace_control.app.ports import Control, UnitOfWork
from lace_control.domain.access import Caller, require_admin_of, tenant_not_found
from lace_control.domain.audit import AuditEntry, Outcome
from lace_core.errors import LaceError, Reason

_REFUSALS = frozenset({Reason.PERMISSION_DENIED, Reason.SETTING_SCOPE_FORBIDDEN, Reason.TENANT_NOT_FOUND})


async def note(
    control: Control,
    uow: UnitOfWork,
    caller: Caller,
    action: str,
    subject: str,
    details: Mapping[str, Any],
    *,
    tenant_id: str | None = None,
) -> None:
    """Write what the caller did into the log of his tenant, in the same unit of work.

    A service, which has no tenant of its own, names the one that it acted on.
    """
    await uow.audit.add(tenant_id or caller.tenant_id, _entry(control, caller, action, subject, "done", details))


@asynccontextmanager
async def refusals_noted(control: Control, caller: Caller, action: str, subject: str) -> AsyncIterator[None]:
    """Write into the caller's log what he was refused, in a unit of work of its own, and let the refusal pass on."""
    try:
        yield
    except LaceError as error:
        if error.reason in _REFUSALS and caller.tenant_id:
            details = {"reason": error.reason.value}
            async with control.units.of_tenant(caller.tenant_id) as uow:
                await uow.audit.add(caller.tenant_id, _entry(control, caller, action, subject, "refused", details))
                await uow.commit()
        raise


async def list_audit_entries(
    control: Control, caller: Caller, limit: int, before: tuple[datetime, str] | None
) -> Sequence[AuditEntry]:
    """Entries of the caller's tenant, newest first; for who administers it."""
    require_admin_of(caller, caller.tenant_id)
    async with control.units.of_tenant(caller.tenant_id) as uow:
        return await uow.audit.newest(caller.tenant_id, limit, before)


async def record_audit_entry(control: Control, tenant_id: str, entry: AuditEntry) -> AuditEntry:
    """Record what another service did; the same id again changes nothing. Raises TENANT_NOT_FOUND."""
    known = entry if entry.audit_id else replace(entry, audit_id=control.new_id("aud"))
    async with control.units.of_tenant(tenant_id) as uow:
        if await uow.tenants.get(tenant_id) is None:
            raise tenant_not_found(tenant_id)
        kept = await uow.audit.add(tenant_id, known)
        await uow.commit()
    return kept


def _entry(
    control: Control, caller: Caller, action: str, subject: str, outcome: Outcome, details: Mapping[str, Any]
) -> AuditEntry:
    return AuditEntry(
        audit_id=control.new_id("aud"),
        occurred_at=control.now(),
        principal_id=caller.principal_id,
        action=action,
        subject=subject,
        outcome=outcome,
        correlation_id=caller.correlation_id,
        details=details,
    )
