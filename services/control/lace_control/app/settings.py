"""Settings: reading and replacing them at a scope, and what they come to for one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lace_control.app.audit import note, refusals_noted
from lace_control.app.ports import Control, Mutation, UnitOfWork, unit_for
from lace_control.domain.access import (
    Caller,
    require_admin_of,
    require_system_admin,
    require_visible_tenant,
    tenant_not_found,
)
from lace_control.domain.settings import (
    Entry,
    ResolvedSettings,
    Scope,
    SettingsView,
    StoredSettings,
    changes,
    require_etag,
    view_at,
)
from lace_control.domain.tenants import principal_not_found
from lace_core.canonical import canonical_json
from lace_core.settings import SETTINGS, Layer, Setting, Snapshot, check_values, resolve


async def get_settings(control: Control, caller: Caller, scope: Scope) -> SettingsView:
    """What is set at the scope; of users only for themselves and for who administers the tenant.

    Raises TENANT_NOT_FOUND, PRINCIPAL_NOT_FOUND, PERMISSION_DENIED.
    """
    _require_readable(caller, scope)
    async with unit_for(control, caller, scope.tenant_id) as uow:
        await _require_existing(uow, scope)
        [stored] = await uow.settings.current(scope.tenant_id, [scope])
    return view_at(stored, control.now())


async def put_settings(
    control: Control,
    caller: Caller,
    scope: Scope,
    values: Mapping[str, Any],
    etag: str,
    mutation: Mutation[SettingsView],
) -> SettingsView:
    """Replace all that is set at the scope by a new version; older versions are kept.

    Raises SETTING_*, ETAG_MISMATCH, TENANT_NOT_FOUND, PRINCIPAL_NOT_FOUND, PERMISSION_DENIED, IDEMPOTENCY_*.
    """
    subject = f"settings/{scope.scope_type}/{scope.scope_id}".rstrip("/")
    async with refusals_noted(control, caller, "settings.put", subject):
        _require_writable(caller, scope)
        checked = check_values(values, scope.scope_type)
        async with unit_for(control, caller, scope.tenant_id) as uow:
            await _require_existing(uow, scope)
            view = await uow.once(mutation, lambda: _put(control, uow, caller, scope, checked, etag, subject))
            await uow.commit()
    return view


async def resolve_settings(control: Control, caller: Caller, overrides: Mapping[str, Any]) -> ResolvedSettings:
    """What every setting comes to for the caller; the snapshot is kept under its hash.

    A service, which has no tenant, gets what holds for the system, and no snapshot. Raises SETTING_*.
    """
    request = Layer("request", check_values(overrides, "request"))
    if not caller.tenant_id:
        scope = Scope.of_system()
        async with control.units.of_system() as system:
            return ResolvedSettings(await _resolve(control, system, scope.tenant_id, [scope], request), "")
    tenant_id = caller.tenant_id
    scopes = [Scope.of_system(), Scope.of_tenant(tenant_id), Scope.of_user(tenant_id, caller.principal_id)]
    async with control.units.of_tenant(tenant_id) as uow:
        snapshot = await _resolve(control, uow, tenant_id, scopes, request)
        uri = await uow.snapshots.uri_of(tenant_id, snapshot.settings_hash)
        quotas = await uow.quotas.get(tenant_id)
    return ResolvedSettings(snapshot, uri or await _keep(control, tenant_id, snapshot), quotas)


async def read_settings(control: Control, tenant_id: str, principal_id: str) -> Mapping[str, Any]:
    """What is stored for anybody of any tenant, for a service; an empty principal is the tenant itself."""
    scopes = [Scope.of_system(), Scope.of_tenant(tenant_id)]
    if principal_id:
        scopes.append(Scope.of_user(tenant_id, principal_id))
    async with control.units.of_tenant(tenant_id) as uow:
        snapshot = await _resolve(control, uow, tenant_id, scopes, Layer("request", {}))
    stored = {scope.scope_type for scope in scopes}
    return {key: value for key, value in snapshot.values.items() if snapshot.trace[key][0] in stored}


def setting_definitions() -> list[Setting]:
    """Every setting there is, sorted by key; of secrets no value is in it."""
    return [SETTINGS[key] for key in sorted(SETTINGS)]


async def _put(
    control: Control,
    uow: UnitOfWork,
    caller: Caller,
    scope: Scope,
    values: Mapping[str, Any],
    etag: str,
    subject: str,
) -> SettingsView:
    now = control.now()
    await uow.settings.lock(scope.tenant_id, scope)
    [before] = await uow.settings.current(scope.tenant_id, [scope])
    require_etag(before, etag)
    entries = tuple(Entry(control.new_id("set"), key, value, effective_from=now) for key, value in values.items())
    after = StoredSettings(scope, before.version + 1, caller.principal_id, now, entries)
    await uow.settings.add(scope.tenant_id, after)
    view = view_at(after, now)
    details = {"version": after.version, "changes": changes(before.values_at(now), view.values)}
    await note(control, uow, caller, "settings.put", subject, details)
    return view


async def _resolve(control: Control, uow: UnitOfWork, tenant_id: str, scopes: list[Scope], request: Layer) -> Snapshot:
    now = control.now()
    stored = await uow.settings.current(tenant_id, scopes)
    return resolve([*control.layers, *(settings.layer_at(now) for settings in stored), request])


async def _keep(control: Control, tenant_id: str, snapshot: Snapshot) -> str:
    """The file first, then the row that says where it is: its address is its content's hash, so that a file whose
    row was not written is no harm."""
    uri = await control.snapshots.put(tenant_id, snapshot.settings_hash, canonical_json(dict(snapshot.values)))
    async with control.units.of_tenant(tenant_id) as uow:
        await uow.snapshots.add(tenant_id, snapshot.settings_hash, uri, control.now())
        await uow.commit()
    return uri


def _require_readable(caller: Caller, scope: Scope) -> None:
    if scope.scope_type == "tenant":
        require_visible_tenant(caller, scope.scope_id)
    elif scope.scope_type == "user":
        _require_user_or_admin(caller, scope)


def _require_writable(caller: Caller, scope: Scope) -> None:
    if scope.scope_type == "system":
        require_system_admin(caller)
    elif scope.scope_type == "tenant":
        require_visible_tenant(caller, scope.scope_id)
        require_admin_of(caller, scope.scope_id)
    else:
        _require_user_or_admin(caller, scope)


def _require_user_or_admin(caller: Caller, scope: Scope) -> None:
    if not scope.tenant_id:
        # A service has no tenant, so there are no users whom it could mean.
        raise principal_not_found(scope.scope_id)
    if scope.scope_id != caller.principal_id:
        require_admin_of(caller, scope.tenant_id)


async def _require_existing(uow: UnitOfWork, scope: Scope) -> None:
    if scope.scope_type == "tenant" and await uow.tenants.get(scope.scope_id) is None:
        raise tenant_not_found(scope.scope_id)
    if scope.scope_type == "user" and await uow.principals.get(scope.tenant_id, scope.scope_id) is None:
        raise principal_not_found(scope.scope_id)
