"""Links to stored files: signed by HMAC, good for one file, one name and a while, without a login."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from lace_core.errors import LaceError, Reason

PATH = "/v1/blobs/"
_CONTEXT = b"lace-signed-blob-v1\0"


@dataclass(frozen=True)
class SignedBlob:
    """What a link grants: the file, the name to save it under, until when (seconds since the epoch), for whom."""

    uri: str
    filename: str
    expires_at: int
    tenant_id: str


class UrlSigner:
    """Makes and checks the tokens of links; every process with the same secret checks the tokens of all."""

    def __init__(self, secret: str, *, now: Callable[[], float] = time.time) -> None:
        if not secret:
            raise ValueError("links cannot be signed without a secret")
        self._secret = secret.encode()
        self._now = now

    def path(self, uri: str, *, filename: str, ttl_s: int, tenant_id: str = "") -> str:
        """The path of a link that is good for `ttl_s` seconds."""
        expires_at = int(self._now()) + ttl_s
        payload = orjson.dumps([uri, filename, expires_at, tenant_id])
        return f"{PATH}{_encode(payload)}.{_encode(self._seal(payload))}"

    def verify(self, token: str) -> SignedBlob:
        """What the token grants; raises LaceError SIGNED_URL_INVALID or SIGNED_URL_EXPIRED."""
        body, _, seal = token.partition(".")
        try:
            payload, given = _decode(body), _decode(seal)
        except ValueError:
            raise _altered() from None
        # The exact text is compared too: base64 has several spellings of the same bytes.
        if not hmac.compare_digest(given, self._seal(payload)) or token != f"{_encode(payload)}.{_encode(given)}":
            raise _altered()
        uri, filename, expires_at, tenant_id = orjson.loads(payload)
        if expires_at <= self._now():
            raise LaceError(Reason.SIGNED_URL_EXPIRED, "The link expired; ask for a new one.")
        return SignedBlob(uri, filename, expires_at, tenant_id)

    def _seal(self, payload: bytes) -> bytes:
        return hmac.new(self._secret, _CONTEXT + payload, hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _altered() -> LaceError:
    return LaceError(Reason.SIGNED_URL_INVALID, "The link was altered.")
