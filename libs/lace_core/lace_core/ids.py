"""Derived, typed ids: the same parts always give the same id."""

from __future__ import annotations

import hashlib

_LENGTH = 26
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]
_SHIFTS = range(5 * (_LENGTH - 2), -1, -10)


def derive(prefix: str, *parts: str) -> str:
    """`prefix_` and 26 base32 characters (130 bits) of a SHA-256 over the length-framed parts."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    # base64.b32encode of the whole digest gives the same, and takes ten times as long.
    bits = int.from_bytes(digest.digest()[:17]) >> (8 * 17 - 5 * _LENGTH)
    pairs = [_PAIRS[bits >> shift & 1023] for shift in _SHIFTS]
    return f"{prefix}_{''.join(pairs)}"
