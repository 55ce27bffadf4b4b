"""Service tokens: making, listing and revoking them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from lace_control.app.audit import note, refusals_noted
from lace_control.app.ports import Control, Mutation, UnitOfWork, unit_for
from lace_control.domain.access import (
    Caller,
    grantable_scopes,
    require_admin_of,
    require_grantable_roles,
    scopes_of,
)
from lace_control.domain.settings import Scope, value_of
from lace_control.domain.tenants import Principal, principal_not_found
from lace_control.domain.tokens import (
    SECRET_BYTES,
    NewToken,
    Token,
    TokenWish,
    check_life,
    compose_secret,
    secret_hash,
    secret_prefix,
    token_not_found,
)


async def create_token(
    control: Control,
    caller: Caller,
    wish: TokenWish,
    mutation: Mutation[NewToken],
) -> NewToken:
    """A token for the caller or the principal that he names, with no more rights than the caller has.

    Only who administers the system makes tokens for principals of other tenants. Raises PRINCIPAL_NOT_FOUND,
    PERMISSION_DENIED, INVALID_ARGUMENT, IDEMPOTENCY_*.
    """
    principal_id = wish.principal_id or caller.principal_id
    async with refusals_noted(control, caller, "token.create", principal_id):
        require_admin_of(caller, caller.tenant_id)
        principal = await _principal(control, caller, principal_id)
        require_grantable_roles(caller, principal.roles)
        granted = grantable_scopes(wish.scopes, holder=scopes_of(principal.roles), granter=caller.scopes)
        async with unit_for(control, caller, principal.tenant_id) as uow:
            life = await _life(control, uow, principal.tenant_id, wish.ttl)
            made = await uow.once(mutation, lambda: _create(control, uow, caller, principal, wish.name, granted, life))
            await uow.commit()
    return made


async def list_tokens(control: Control, caller: Caller, limit: int, before: str | None) -> Sequence[Token]:
    """Tokens of the caller's tenant, newest first; for who administers it."""
    require_admin_of(caller, caller.tenant_id)
    async with control.units.of_tenant(caller.tenant_id) as uow:
        return await uow.tokens.newest(caller.tenant_id, limit, before)


async def revoke_token(control: Control, caller: Caller, token_id: str, mutation: Mutation[Token]) -> Token:
    """The token, void from now on; a second revocation changes nothing. Raises TOKEN_NOT_FOUND, IDEMPOTENCY_*."""
    async with refusals_noted(control, caller, "token.revoke", token_id):
        require_admin_of(caller, caller.tenant_id)
        async with control.units.of_tenant(caller.tenant_id) as uow:
            token = await uow.once(mutation, lambda: _revoke(control, uow, caller, token_id))
            await uow.commit()
    return token


async def issue_token(
    control: Control, uow: UnitOfWork, principal: Principal, name: str, scopes: frozenset[str], ttl: timedelta
) -> NewToken:
    """A new token and its secret, of which only the hash is kept; rights were checked before."""
    now = control.now()
    secret = compose_secret(control.random_bytes(SECRET_BYTES))
    token = Token(
        token_id=control.new_id("tok"),
        principal_id=principal.principal_id,
        name=name,
        scopes=scopes,
        prefix=secret_prefix(secret),
        created_at=now,
        expires_at=now + ttl,
    )
    await uow.tokens.add(principal.tenant_id, token, secret_hash(secret))
    return NewToken(token, secret)


async def _create(
    control: Control,
    uow: UnitOfWork,
    caller: Caller,
    principal: Principal,
    name: str,
    scopes: frozenset[str],
    life: timedelta,
) -> NewToken:
    made = await issue_token(control, uow, principal, name, scopes, life)
    details = {"principal_id": principal.principal_id, "scopes": sorted(scopes)}
    await note(control, uow, caller, "token.create", made.token.token_id, details)
    return made


async def _life(control: Control, uow: UnitOfWork, tenant_id: str, ttl: timedelta | None) -> timedelta:
    """As asked for, or what the tenant's settings say where nothing was asked."""
    if ttl is not None:
        return check_life(ttl)
    stored = await uow.settings.current(tenant_id, [Scope.of_system(), Scope.of_tenant(tenant_id)])
    return timedelta(days=value_of("auth.token_ttl_days", control.layers, stored, control.now()))


async def _principal(control: Control, caller: Caller, principal_id: str) -> Principal:
    """A principal of the caller's tenant, or of any for who administers the system."""
    if caller.is_system_admin:
        async with control.units.of_system() as system:
            principal = await system.directory.find_principal(principal_id)
    else:
        async with control.units.of_tenant(caller.tenant_id) as uow:
            principal = await uow.principals.get(caller.tenant_id, principal_id)
    if principal is None:
        raise principal_not_found(principal_id)
    return principal


async def _revoke(control: Control, uow: UnitOfWork, caller: Caller, token_id: str) -> Token:
    tenant_id, now = caller.tenant_id, control.now()
    token = await uow.tokens.lock(tenant_id, token_id)
    if token is None:
        raise token_not_found(token_id)
    if token.revoked_at is not None:
        return token
    await uow.tokens.revoke(tenant_id, token_id, now)
    await note(control, uow, caller, "token.revoke", token_id, {"principal_id": token.principal_id})
    await uow.revocations.add(tenant_id, "token", token_id, now)
    return replace(token, revoked_at=now)
