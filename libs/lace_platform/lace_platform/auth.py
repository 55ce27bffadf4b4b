"""Identities: who calls, for which tenant and with what rights, as signed by control and verified by everyone.

An identity is an EdDSA JWT of a few minutes. Verifying one needs no call: the public keys and the revocations
are followed in the background. Revocations count up as epochs; an identity says which epoch its issuer knew, so
that one revocation voids all that was issued before it and nothing after.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lace_core.errors import LaceError, Reason

ISSUER = "lace-control"
AUDIENCE = "lace"
LONGEST_LIFE_S = 3600.0
_ALGORITHM = "EdDSA"
_SKEW_S = 5.0
_CACHE_SIZE = 4096
_CLAIMS = ("sub", "ten", "roles", "scopes", "labels", "kind", "iat", "exp", "epoch", "iss", "aud")

Kind = Literal["user", "service", "run"]


@dataclass(frozen=True)
class Identity:
    """Who acts. `tenant_id` is empty for services, `run_id` set for run grants only, times are aware UTC."""

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


def require_scope(identity: Identity | None, scope: str) -> Identity:
    """The identity, when it holds the scope; raises LaceError TOKEN_MISSING or PERMISSION_DENIED."""
    known = require_identity(identity)
    if scope not in known.scopes:
        raise LaceError(Reason.PERMISSION_DENIED, f"This needs the scope {scope}.")
    return known


def require_identity(identity: Identity | None) -> Identity:
    """The identity, when there is one; raises LaceError TOKEN_MISSING."""
    if identity is None:
        raise LaceError(Reason.TOKEN_MISSING, "Send Authorization: Bearer <token>.")
    return identity


def generate_private_key() -> str:
    """A new Ed25519 private key in PEM (PKCS #8, not encrypted)."""
    key = Ed25519PrivateKey.generate()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


class IdentitySigner:
    """Signs identities with control's private key; the key id is derived from the public key."""

    def __init__(self, private_key_pem: str) -> None:
        key = serialization.load_pem_private_key(private_key_pem.encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the signing key must be an Ed25519 key")
        self._key = key
        form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.public_key_pem = key.public_key().public_bytes(*form).decode()
        self.key_id = hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]

    def sign(self, identity: Identity) -> str:
        """The identity as a JWT; raises ValueError for one that lives longer than an hour."""
        if (identity.expires_at - identity.issued_at).total_seconds() > LONGEST_LIFE_S:
            raise ValueError("an identity lives one hour at most: revocations are kept no longer")
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": identity.principal_id,
            "ten": identity.tenant_id,
            "roles": sorted(identity.roles),
            "scopes": sorted(identity.scopes),
            "labels": sorted(identity.labels),
            "kind": identity.kind,
            "run": identity.run_id,
            "tok": identity.token_id,
            "iat": identity.issued_at.timestamp(),
            "exp": identity.expires_at.timestamp(),
            "epoch": identity.epoch,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"kid": self.key_id})


class IdentityVerifier:
    """Verifies identities against the followed keys and revocations; one per process."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()
        self._revoked: dict[tuple[str, str], _Revocation] = {}
        self.epoch = 0
        self.on_unknown_key: Callable[[], None] = lambda: None
        self.on_revoked: Callable[[], None] = lambda: None  # a caller's token; grants of runs end all the time

    def verify(self, token: str) -> Identity:
        """The identity that the JWT carries.

        Raises LaceError TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED; SERVICE_UNAVAILABLE before the keys are known.
        """
        fingerprint = hashlib.sha256(token.encode()).digest()
        identity = self._verified.get(fingerprint)
        if identity is None:
            identity = self._decode(token)
            self._remember(fingerprint, identity)
        # Never cached: time passes, and a revocation counts from the moment it is known.
        if identity.expires_at.timestamp() <= self._now():
            self._verified.pop(fingerprint, None)
            raise LaceError(Reason.TOKEN_EXPIRED, "This identity expired.")
        self._refuse_revoked(identity)
        return identity

    def update_keys(self, public_keys: Mapping[str, str]) -> None:
        """Replaces the trusted keys: PEM by key id. What a key that is gone has signed is no longer believed."""
        keys: dict[str, Ed25519PublicKey] = {}
        for key_id, pem in public_keys.items():
            key = serialization.load_pem_public_key(pem.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError(f"key {key_id} is not an Ed25519 key")
            keys[key_id] = key
        if {name: key.public_bytes_raw() for name, key in keys.items()} != {
            name: key.public_bytes_raw() for name, key in self._keys.items()
        }:
            self._keys = keys
            self._verified.clear()

    def revoke(
        self, *, epoch: int, token_id: str | None = None, principal_id: str | None = None, run_id: str | None = None
    ) -> None:
        """Voids what was issued, before that epoch, for a token, a principal or a run."""
        self.epoch = max(self.epoch, epoch)
        noted_at = self._now()
        for subject in (("token", token_id), ("principal", principal_id), ("run", run_id)):
            kind, name = subject
            if name:
                self._revoked[kind, name] = _Revocation(epoch, noted_at)
        self._forget_old(noted_at)
        if token_id or principal_id:
            self.on_revoked()

    def _decode(self, token: str) -> Identity:
        claims = self._claims(token)
        try:
            return _identity(claims)
        except (TypeError, ValueError, OverflowError):
            raise _invalid() from None

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            key = self._keys.get(key_id)
            if key is None:
                raise self._unknown_key()
            options: Any = {"require": list(_CLAIMS), "verify_exp": False}
            return jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=_SKEW_S,
                options=options,
            )
        except jwt.PyJWTError:
            raise _invalid() from None

    def _unknown_key(self) -> LaceError:
        self.on_unknown_key()
        if self._keys:
            return _invalid()
        return LaceError(
            Reason.SERVICE_UNAVAILABLE,
            "The keys that identities are verified with are not known yet; try again.",
            retryable=True,
            retry_after=0.5,
        )

    def _remember(self, fingerprint: bytes, identity: Identity) -> None:
        self._verified[fingerprint] = identity
        if len(self._verified) > _CACHE_SIZE:
            self._verified.popitem(last=False)

    def _refuse_revoked(self, identity: Identity) -> None:
        if not self._revoked:
            return
        for subject in (
            ("token", identity.token_id or ""),
            ("principal", identity.principal_id),
            ("run", identity.run_id or ""),
        ):
            revocation = self._revoked.get(subject)
            if revocation is not None and identity.epoch < revocation.epoch:
                raise LaceError(Reason.TOKEN_REVOKED, "This token was revoked.")

    def _forget_old(self, now: float) -> None:
        """Whatever a revocation voids has expired by itself after the longest life of an identity."""
        oldest = now - LONGEST_LIFE_S - _SKEW_S
        for subject in [name for name, revocation in self._revoked.items() if revocation.noted_at < oldest]:
            del self._revoked[subject]


@dataclass(frozen=True)
class _Revocation:
    epoch: int
    noted_at: float


def _identity(claims: Mapping[str, Any]) -> Identity:
    if claims["kind"] not in ("user", "service", "run"):
        raise ValueError("unknown kind")
    return Identity(
        principal_id=str(claims["sub"]),
        tenant_id=str(claims["ten"]),
        roles=frozenset(claims["roles"]),
        scopes=frozenset(claims["scopes"]),
        labels=frozenset(claims["labels"]),
        kind=claims["kind"],
        run_id=claims.get("run"),
        token_id=claims.get("tok"),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        epoch=int(claims["epoch"]),
    )


def _invalid() -> LaceError:
    return LaceError(Reason.TOKEN_INVALID, "This token is not known.")
