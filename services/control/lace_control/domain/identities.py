"""Signed identities: what goes into one, and which services there are to have one of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_control.domain.access import MEMBER_SCOPES, SERVICE, Kind
from lace_control.domain.tenants import Principal
from lace_control.domain.tokens import Token
from lace_core.errors import LaceError, Reason

SERVICES = frozenset(
    {"gateway", "control", "runs", "ingest", "llm_gateway", "compiler", "provenance", "standalone", "cli"}
)
# A run acts for a principal, it never administers: no token can be made in its name.
RUN_SCOPES = MEMBER_SCOPES


@dataclass(frozen=True)
class Claims:
    """What an identity says; `epoch` is the newest revocation that its issuer knew."""

    principal_id: str
    tenant_id: str
    roles: frozenset[str]
    scopes: frozenset[str]
    labels: frozenset[str]
    kind: Kind
    run_id: str | None
    token_id: str | None
    issued_at: datetime
    expires_at: datetime
    epoch: int


@dataclass(frozen=True)
class SignedIdentity:
    """The claims and the text that proves them."""

    claims: Claims
    signed: str


@dataclass(frozen=True)
class VerificationKey:
    """A public key that identities are verified with, in PEM."""

    key_id: str
    public_key_pem: str


@dataclass(frozen=True)
class Bearer:
    """Whom a token's secret belongs to, with the revocation epoch of the very moment that it was looked up."""

    token: Token
    principal: Principal
    epoch: int


def claims_of_bearer(bearer: Bearer, issued_at: datetime, expires_at: datetime) -> Claims:
    """A user's identity: all that the token says and no more."""
    principal = bearer.principal
    return Claims(
        principal_id=principal.principal_id,
        tenant_id=principal.tenant_id,
        roles=principal.roles,
        scopes=bearer.token.scopes,
        labels=principal.labels,
        kind="user",
        run_id=None,
        token_id=bearer.token.token_id,
        issued_at=issued_at,
        # An identity does not outlive its token.
        expires_at=min(expires_at, bearer.token.expires_at),
        epoch=bearer.epoch,
    )


def claims_of_service(service: str, epoch: int, issued_at: datetime, expires_at: datetime) -> Claims:
    """A service's own identity: no tenant, so that it reads nobody's data in its own name."""
    if service not in SERVICES:
        raise LaceError(Reason.PERMISSION_DENIED, f"There is no service {service}.")
    return Claims(
        principal_id=f"service:{service}",
        tenant_id="",
        roles=frozenset({SERVICE}),
        scopes=MEMBER_SCOPES,
        labels=frozenset(),
        kind="service",
        run_id=None,
        token_id=None,
        issued_at=issued_at,
        expires_at=expires_at,
        epoch=epoch,
    )


def claims_of_run(
    run_id: str, principal: Principal, scopes: frozenset[str], epoch: int, issued_at: datetime, expires_at: datetime
) -> Claims:
    """The identity under which a run acts: its principal's labels, and never a role that administers."""
    return Claims(
        principal_id=principal.principal_id,
        tenant_id=principal.tenant_id,
        roles=frozenset({"member"}),
        scopes=scopes,
        labels=principal.labels,
        kind="run",
        run_id=run_id,
        token_id=None,
        issued_at=issued_at,
        expires_at=expires_at,
        epoch=epoch,
    )
