"""Identities: from a token's secret, for a service, and for a run."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from lace_control.app.ports import Control, UnitOfWork
from lace_control.domain.access import grantable_scopes, scopes_of
from lace_control.domain.identities import (
    RUN_SCOPES,
    Claims,
    SignedIdentity,
    VerificationKey,
    claims_of_bearer,
    claims_of_run,
    claims_of_service,
)
from lace_control.domain.settings import Scope, value_of
from lace_control.domain.tenants import principal_not_found
from lace_control.domain.tokens import Token, is_well_formed, require_usable, secret_hash, token_invalid
from lace_core.errors import LaceError, Reason


async def authenticate(control: Control, secret: str) -> SignedIdentity:
    """The identity of a token's principal. Raises TOKEN_INVALID, TOKEN_REVOKED, TOKEN_EXPIRED."""
    if not is_well_formed(secret):
        raise token_invalid()
    now = control.now()
    async with control.units.of_system() as uow:
        bearer = await uow.directory.bearer(secret_hash(secret))
        if bearer is None:
            raise token_invalid()
        require_usable(bearer.token, now)
        expires_at = now + await _identity_life(control, uow, now)
        minute = now.replace(second=0, microsecond=0)
        if _was_used_before(bearer.token, minute):
            await uow.directory.touch_token(bearer.token.token_id, minute)
            await uow.commit()
    return _signed(control, claims_of_bearer(bearer, now, expires_at))


async def issue_service_identity(control: Control, service: str, secret: str) -> SignedIdentity:
    """The identity of a service that knows the installation's secret. Raises TOKEN_INVALID, PERMISSION_DENIED."""
    # Compared in constant time; an installation without a secret has no services.
    if not control.service_secret or not hmac.compare_digest(secret.encode(), control.service_secret.encode()):
        raise LaceError(Reason.TOKEN_INVALID, "This is not the secret of the installation's services.")
    now = control.now()
    async with control.units.of_system() as uow:
        expires_at = now + await _identity_life(control, uow, now)
        claims = claims_of_service(service, await uow.epoch(), now, expires_at)
    return _signed(control, claims)


async def issue_run_grant(
    control: Control, run_id: str, tenant_id: str, principal_id: str, scopes: Sequence[str]
) -> SignedIdentity:
    """The identity under which a run acts for a principal: with the scopes that are named, and none where none is.

    Raises PRINCIPAL_NOT_FOUND; PERMISSION_DENIED for scopes that the principal or a run may not have.
    """
    now = control.now()
    async with control.units.of_tenant(tenant_id) as uow:
        principal = await uow.principals.get(tenant_id, principal_id)
        if principal is None:
            raise principal_not_found(principal_id)
        may = scopes_of(principal.roles) & RUN_SCOPES
        granted = grantable_scopes(scopes, holder=may, granter=may) if scopes else frozenset[str]()
        expires_at = now + await _identity_life(control, uow, now)
        claims = claims_of_run(run_id, principal, granted, await uow.epoch(), now, expires_at)
    return _signed(control, claims)


def verification_keys(control: Control) -> Sequence[VerificationKey]:
    """The public keys, the signing one first."""
    return control.signer.verification_keys()


async def _identity_life(control: Control, uow: UnitOfWork, now: datetime) -> timedelta:
    scope = Scope.of_system()
    stored = await uow.settings.current(scope.tenant_id, [scope])
    return timedelta(seconds=value_of("auth.identity_ttl_s", control.layers, stored, now))


def _was_used_before(token: Token, minute: datetime) -> bool:
    return token.last_used_at is None or token.last_used_at < minute


def _signed(control: Control, claims: Claims) -> SignedIdentity:
    return SignedIdentity(claims, control.signer.sign(claims))
