"""AuthService, SettingsService, TenantService and AuditService: decode, one use case, encode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from google.protobuf.struct_pb2 import Struct

from lace.control.v1 import control_pb2 as wire
from lace.control.v1 import control_pb2_grpc as grpc_wire
from lace_control.api import convert
from lace_control.api.mutations import mutation
from lace_control.app import audit, identities, quotas, settings, tenants, tokens
from lace_control.app.ports import Control, RevocationLog
from lace_control.domain.access import Caller
from lace_control.domain.settings import Scope
from lace_control.domain.tokens import NewToken
from lace_platform.paging import PageTokens
from lace_platform.rpc import current_call

HEARTBEAT_S = 5.0
_CREATE_TOKEN = "/lace.control.v1.AuthService/CreateToken"
_LIST_TOKENS = "/lace.control.v1.AuthService/ListTokens"
_REVOKE_TOKEN = "/lace.control.v1.AuthService/RevokeToken"
_PUT_SYSTEM = "/lace.control.v1.SettingsService/PutSystemSettings"
_PUT_TENANT = "/lace.control.v1.SettingsService/PutTenantSettings"
_PUT_USER = "/lace.control.v1.SettingsService/PutUserSettings"
_CREATE_TENANT = "/lace.control.v1.TenantService/CreateTenant"
_CREATE_PRINCIPAL = "/lace.control.v1.TenantService/CreatePrincipal"
_PUT_QUOTAS = "/lace.control.v1.TenantService/PutQuotas"
_LIST_AUDIT = "/lace.control.v1.AuditService/ListAuditEntries"


class AuthServicer(grpc_wire.AuthServiceServicer):
    """Tokens, identities, keys and revocations."""

    def __init__(
        self, control: Control, pages: PageTokens, revocations: RevocationLog, draining: asyncio.Event
    ) -> None:
        self._control = control
        self._pages = pages
        self._revocations = revocations
        self._draining = draining

    async def CreateToken(self, request: wire.CreateTokenRequest, context: Any) -> wire.CreateTokenResponse:
        """Makes a token for a principal."""
        kept = wire.CreateTokenResponse
        once = mutation(_CREATE_TOKEN, request, kept, _without_secret, convert.new_token_of_wire)
        wish = convert.token_wish_of_wire(request)
        return convert.new_token_to_wire(await tokens.create_token(self._control, _caller(), wish, once))

    async def ListTokens(self, request: wire.ListTokensRequest, context: Any) -> wire.ListTokensResponse:
        """Lists the tokens of the tenant."""
        caller = _caller()
        page = self._pages.page(_LIST_TOKENS, _of_tenant(caller), request)
        found = await tokens.list_tokens(self._control, caller, page.limit, page.name or None)
        shown, token = page.cut(found, lambda one: (one.token_id,))
        return wire.ListTokensResponse(tokens=map(convert.token_to_wire, shown), next_page_token=token)

    async def RevokeToken(self, request: wire.RevokeTokenRequest, context: Any) -> wire.Token:
        """Revokes a token."""
        once = mutation(_REVOKE_TOKEN, request, wire.Token, convert.token_to_wire, convert.token_of_wire)
        return convert.token_to_wire(await tokens.revoke_token(self._control, _caller(), request.token_id, once))

    async def Authenticate(self, request: wire.AuthenticateRequest, context: Any) -> wire.AuthenticateResponse:
        """Turns a bearer token into a signed identity."""
        return convert.authenticated_to_wire(await identities.authenticate(self._control, request.bearer))

    async def IssueServiceIdentity(
        self, request: wire.IssueServiceIdentityRequest, context: Any
    ) -> wire.IssueServiceIdentityResponse:
        """Turns a service's secret into a signed identity."""
        identity = await identities.issue_service_identity(self._control, request.service, request.secret)
        return convert.service_identity_to_wire(identity)

    async def IssueRunGrant(self, request: wire.IssueRunGrantRequest, context: Any) -> wire.IssueRunGrantResponse:
        """Gives a worker the identity under which a run acts."""
        identity = await identities.issue_run_grant(
            self._control, request.run_id, request.tenant_id, request.principal_id, request.scopes
        )
        return convert.run_grant_to_wire(identity)

    async def GetVerificationKeys(
        self, request: wire.GetVerificationKeysRequest, context: Any
    ) -> wire.GetVerificationKeysResponse:
        """The public keys that identities are verified with."""
        keys = identities.verification_keys(self._control)
        return wire.GetVerificationKeysResponse(keys=map(convert.key_to_wire, keys))

    async def WatchRevocations(
        self, request: wire.WatchRevocationsRequest, context: Any
    ) -> AsyncIterator[wire.WatchRevocationsResponse]:
        """Revocations after an epoch and then as they happen, with a sign of life where none happens."""
        epoch = request.after_epoch
        wait = 0.0
        while not self._draining.is_set():
            found = await self._revocations.after(epoch, wait)
            for revocation in found:
                yield convert.revocation_to_wire(revocation)
                epoch = revocation.epoch
            if not found:
                yield wire.WatchRevocationsResponse(epoch=epoch)
            wait = HEARTBEAT_S


class SettingsServicer(grpc_wire.SettingsServiceServicer):
    """Settings of the system, tenants and users, and what they come to."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def GetSystemSettings(self, request: wire.GetSystemSettingsRequest, context: Any) -> wire.Settings:
        """The settings of the system."""
        return await self._get(Scope.of_system())

    async def PutSystemSettings(self, request: wire.PutSystemSettingsRequest, context: Any) -> wire.Settings:
        """Replaces settings of the system."""
        return await self._put(_PUT_SYSTEM, Scope.of_system(), request, request.values, request.etag)

    async def GetTenantSettings(self, request: wire.GetTenantSettingsRequest, context: Any) -> wire.Settings:
        """The settings of a tenant."""
        return await self._get(Scope.of_tenant(request.tenant_id))

    async def PutTenantSettings(self, request: wire.PutTenantSettingsRequest, context: Any) -> wire.Settings:
        """Replaces settings of a tenant."""
        scope = Scope.of_tenant(request.tenant_id)
        return await self._put(_PUT_TENANT, scope, request, request.values, request.etag)

    async def GetUserSettings(self, request: wire.GetUserSettingsRequest, context: Any) -> wire.Settings:
        """The settings of a user."""
        return await self._get(Scope.of_user(_caller().tenant_id, request.user_id))

    async def PutUserSettings(self, request: wire.PutUserSettingsRequest, context: Any) -> wire.Settings:
        """Replaces settings of a user."""
        scope = Scope.of_user(_caller().tenant_id, request.user_id)
        return await self._put(_PUT_USER, scope, request, request.values, request.etag)

    async def ResolveSettings(self, request: wire.ResolveSettingsRequest, context: Any) -> wire.ResolveSettingsResponse:
        """What every setting comes to for the caller."""
        overrides = convert.values_of_wire(request.overrides)
        return convert.resolved_to_wire(await settings.resolve_settings(self._control, _caller(), overrides))

    async def ReadSettings(self, request: wire.ReadSettingsRequest, context: Any) -> wire.ReadSettingsResponse:
        """What is stored for anybody, for a service."""
        values = await settings.read_settings(self._control, request.tenant_id, request.principal_id)
        return convert.read_settings_to_wire(values)

    async def ListSettingDefinitions(
        self, request: wire.ListSettingDefinitionsRequest, context: Any
    ) -> wire.ListSettingDefinitionsResponse:
        """Every setting there is."""
        definitions = map(convert.definition_to_wire, settings.setting_definitions())
        return wire.ListSettingDefinitionsResponse(definitions=definitions)

    async def _get(self, scope: Scope) -> wire.Settings:
        return convert.settings_to_wire(await settings.get_settings(self._control, _caller(), scope))

    async def _put(self, route: str, scope: Scope, request: Any, values: Struct, etag: str) -> wire.Settings:
        once = mutation(route, request, wire.Settings, convert.settings_to_wire, convert.settings_of_wire)
        view = await settings.put_settings(self._control, _caller(), scope, convert.values_of_wire(values), etag, once)
        return convert.settings_to_wire(view)


class TenantServicer(grpc_wire.TenantServiceServicer):
    """Tenants and principals."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def Bootstrap(self, request: wire.BootstrapRequest, context: Any) -> wire.BootstrapResponse:
        """Makes the first tenant, its administrator and a token, once."""
        begun = await tenants.bootstrap(self._control, _caller(), request.tenant_name, request.principal_name)
        return convert.bootstrapped_to_wire(begun)

    async def CreateTenant(self, request: wire.CreateTenantRequest, context: Any) -> wire.Tenant:
        """Makes a tenant with its administrator."""
        once = mutation(_CREATE_TENANT, request, wire.Tenant, convert.tenant_to_wire, convert.tenant_of_wire)
        return convert.tenant_to_wire(await tenants.create_tenant(self._control, _caller(), request.name, once))

    async def GetTenant(self, request: wire.GetTenantRequest, context: Any) -> wire.Tenant:
        """A tenant."""
        return convert.tenant_to_wire(await tenants.get_tenant(self._control, _caller(), request.tenant_id))

    async def GetQuotas(self, request: wire.GetQuotasRequest, context: Any) -> wire.Quotas:
        """What a tenant may use at once."""
        return convert.quotas_to_wire(await quotas.get_quotas(self._control, _caller(), request.tenant_id))

    async def ReadQuotas(self, request: wire.ReadQuotasRequest, context: Any) -> wire.Quotas:
        """What any tenant may use at once and spend, for a service."""
        return convert.quotas_to_wire(await quotas.read_quotas(self._control, request.tenant_id))

    async def PutQuotas(self, request: wire.PutQuotasRequest, context: Any) -> wire.Quotas:
        """Replaces the quotas of a tenant."""
        once = mutation(_PUT_QUOTAS, request, wire.Quotas, convert.quotas_to_wire, convert.quotas_of_wire)
        limits = convert.limits_of_wire(request)
        return convert.quotas_to_wire(
            await quotas.put_quotas(self._control, _caller(), request.tenant_id, limits, once)
        )

    async def CreatePrincipal(self, request: wire.CreatePrincipalRequest, context: Any) -> wire.Principal:
        """Adds a principal to the caller's tenant."""
        once = mutation(
            _CREATE_PRINCIPAL, request, wire.Principal, convert.principal_to_wire, convert.principal_of_wire
        )
        made = await tenants.create_principal(
            self._control, _caller(), request.name, request.roles, request.labels, once
        )
        return convert.principal_to_wire(made)


class AuditServicer(grpc_wire.AuditServiceServicer):
    """The audit log."""

    def __init__(self, control: Control, pages: PageTokens) -> None:
        self._control = control
        self._pages = pages

    async def ListAuditEntries(
        self, request: wire.ListAuditEntriesRequest, context: Any
    ) -> wire.ListAuditEntriesResponse:
        """Lists the audit entries of the tenant, newest first."""
        caller = _caller()
        page = self._pages.page(_LIST_AUDIT, _of_tenant(caller), request)
        found = await audit.list_audit_entries(self._control, caller, page.limit, page.moment)
        shown, token = page.cut(found, lambda entry: (entry.occurred_at, entry.audit_id))
        return wire.ListAuditEntriesResponse(entries=map(convert.entry_to_wire, shown), next_page_token=token)

    async def RecordAuditEntry(self, request: wire.RecordAuditEntryRequest, context: Any) -> wire.AuditEntry:
        """Records an entry on behalf of a service."""
        entry = convert.entry_of_wire(request.entry)
        return convert.entry_to_wire(await audit.record_audit_entry(self._control, request.tenant_id, entry))


def _caller() -> Caller:
    return convert.caller_of(current_call())


def _of_tenant(caller: Caller) -> dict[str, object]:
    return {"tenant_id": caller.tenant_id}


def _without_secret(made: NewToken) -> wire.CreateTokenResponse:
    """What is kept of the answer, for whoever repeats the request."""
    return convert.new_token_to_wire(replace(made, secret=""))
