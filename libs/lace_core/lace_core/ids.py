"""Derived, typed ids: the same parts always give the same id."""

from __future__ import annotations

import base64
import hashlib

_LENGTH = 26


def derive(prefix: str, *parts: str) -> str:
    """`prefix_` and 26 base32 characters (130 bits) of a SHA-256 over the length-framed parts."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return f"{prefix}_{base64.b32encode(digest.digest()).decode().lower()[:_LENGTH]}"
