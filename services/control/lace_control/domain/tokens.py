"""Service tokens: the text form of their secrets, and when one is good.

A secret is `lace_`, 40 characters of base32 (200 random bits) and 8 of a checksum. The checksum tells a mistyped
or invented token from a real one without a look-up; it protects nothing, the random bits do. Only the SHA-256 of
a secret is kept: it cannot be guessed back, and needs no slow hash, since 200 bits cannot be searched.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason

SECRET_BYTES = 25
LONGEST_LIFE = timedelta(days=400)
_MARK = "lace_"
_PREFIX_CHARACTERS = len(_MARK) + 6
_FORM = re.compile(rf"{_MARK}([a-z2-7]{{40}})([a-z2-7]{{8}})")


@dataclass(frozen=True)
class Token:
    """A token without its secret; times are aware UTC, `last_used_at` is kept to the minute."""

    token_id: str
    principal_id: str
    name: str
    scopes: frozenset[str]
    prefix: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class TokenWish:
    """What is asked for: the caller where `principal_id` is empty, all of his scopes where none is named.

    `ttl` is None where nothing is said of it.
    """

    name: str
    principal_id: str = ""
    scopes: tuple[str, ...] = ()
    ttl: timedelta | None = None


@dataclass(frozen=True)
class NewToken:
    """A token beside its secret, which exists here and nowhere else; empty when the answer is repeated."""

    token: Token
    secret: str


def compose_secret(random: bytes) -> str:
    """The secret's text for 25 random bytes."""
    if len(random) != SECRET_BYTES:
        raise ValueError(f"a secret is made of {SECRET_BYTES} bytes")
    body = base64.b32encode(random).decode().lower()
    return _MARK + body + _checksum(body)


def is_well_formed(secret: str) -> bool:
    """Whether the text is a secret's, as far as can be told without looking it up."""
    match = _FORM.fullmatch(secret)
    return match is not None and _checksum(match[1]) == match[2]


def secret_hash(secret: str) -> str:
    """What is kept of the secret: its SHA-256 in hexadecimal."""
    return sha256_hex(secret.encode())


def secret_prefix(secret: str) -> str:
    """The first characters, for people to recognise a token by: 30 bits of the 200."""
    return secret[:_PREFIX_CHARACTERS]


def check_life(ttl: timedelta) -> timedelta:
    """The life as asked for; raises INVALID_ARGUMENT for none, a negative one and more than 400 days."""
    if timedelta() < ttl <= LONGEST_LIFE:
        return ttl
    details = [Detail("/ttl", f"must be above zero and at most {LONGEST_LIFE.days} days")]
    raise LaceError(Reason.INVALID_ARGUMENT, f"/ttl: {details[0].description}.", details=details)


def require_usable(token: Token, now: datetime) -> None:
    """Raises TOKEN_REVOKED or TOKEN_EXPIRED."""
    if token.revoked_at is not None:
        raise LaceError(Reason.TOKEN_REVOKED, "This token was revoked.")
    if token.expires_at <= now:
        raise LaceError(Reason.TOKEN_EXPIRED, "This token expired; make a new one: lace token create.")


def token_invalid() -> LaceError:
    """The one answer to any secret that is not known."""
    return LaceError(Reason.TOKEN_INVALID, "This token is not known.")


def token_not_found(token_id: str) -> LaceError:
    """The same answer for a token that does not exist and for another tenant's."""
    return LaceError(Reason.TOKEN_NOT_FOUND, f"No token {token_id}.")


def _checksum(body: str) -> str:
    return base64.b32encode(hashlib.sha256(body.encode()).digest()[:5]).decode().lower()
