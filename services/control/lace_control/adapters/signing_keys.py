"""The installation's signing keys: kept in Postgres, sealed under the services' secret, shared by all replicas."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Row

from lace_control.domain.identities import Claims, VerificationKey
from lace_platform.auth import Identity, IdentitySigner, generate_private_key
from lace_platform.clock import utc_now
from lace_platform.db.database import SystemDatabase
from lace_platform.db.transaction import Transaction

_NONCE_BYTES = 12
_SALT = b"lace control"
_PURPOSE = b"signing keys v1"

# A key that no longer signs is published for as long as an identity signed with it may live, and a little more.
_USABLE = """
    SELECT key_id, public_key_pem, sealed_private_key, retired_at FROM control.signing_keys
    WHERE retired_at IS NULL OR retired_at > clock_timestamp() - interval '65 minutes'
    ORDER BY created_at DESC, key_id
"""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class KeySigner:
    """Signs with one key; others are still believed."""

    signer: IdentitySigner
    others: Sequence[VerificationKey] = ()

    def sign(self, claims: Claims) -> str:
        """The claims as an EdDSA JWT."""
        return self.signer.sign(Identity(**vars(claims)))

    def verification_keys(self) -> Sequence[VerificationKey]:
        """The signing key first."""
        return [VerificationKey(self.signer.key_id, self.signer.public_key_pem), *self.others]


async def open_signer(database: SystemDatabase, service_secret: str) -> KeySigner:
    """A signer with the installation's key, which is made at the first start.

    Where the secret has changed, keys sealed under the former one can no longer be opened: they are retired, and a
    new one is made. Raises ValueError for an empty secret.
    """
    if not service_secret:
        raise ValueError("the signing keys are sealed under service_secret, which is empty")
    async with database.transaction() as tx:
        # Replicas that start together make one key between them.
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('control.signing_keys', 0))")
        rows = await tx.fetch_all(_USABLE)
        signer = _opened(rows, service_secret)
        if signer is None:
            signer = await _make(tx, service_secret)
            await tx.commit()
    others = [VerificationKey(row.key_id, row.public_key_pem) for row in rows if row.key_id != signer.key_id]
    return KeySigner(signer, others)


def seal(private_key_pem: str, key_id: str, secret: str) -> bytes:
    """The key, encrypted with AES-GCM under a key derived from the secret; bound to its id."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_sealing_key(secret)).encrypt(nonce, private_key_pem.encode(), key_id.encode())


def unseal(sealed: bytes, key_id: str, secret: str) -> str | None:
    """The key in PEM; None where it was sealed under another secret, for another id, or was altered."""
    nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(_sealing_key(secret)).decrypt(nonce, encrypted, key_id.encode()).decode()
    except InvalidTag:
        return None


def _opened(rows: Sequence[Row[Any]], secret: str) -> IdentitySigner | None:
    for row in rows:
        if row.retired_at is None:
            private_key_pem = unseal(bytes(row.sealed_private_key), row.key_id, secret)
            if private_key_pem is not None:
                return IdentitySigner(private_key_pem)
    return None


async def _make(tx: Transaction, secret: str) -> IdentitySigner:
    private_key_pem = generate_private_key()
    signer = IdentitySigner(private_key_pem)
    retired = await tx.execute("UPDATE control.signing_keys SET retired_at = :now WHERE retired_at IS NULL", _now())
    if retired.rowcount:
        _log.warning("signing_keys_retired", count=retired.rowcount, cause="sealed under another service_secret")
    row = {
        "key_id": signer.key_id,
        "public_key_pem": signer.public_key_pem,
        "sealed": seal(private_key_pem, signer.key_id, secret),
        **_now(),
    }
    await tx.execute(
        """
        INSERT INTO control.signing_keys (key_id, public_key_pem, sealed_private_key, created_at)
        VALUES (:key_id, :public_key_pem, :sealed, :now)
        """,
        row,
    )
    return signer


def _now() -> dict[str, Any]:
    return {"now": utc_now()}


def _sealing_key(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=_SALT, info=_PURPOSE).derive(secret.encode())
