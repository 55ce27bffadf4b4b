"""The marks around data in a prompt, and what keeps data from being taken for anything else."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from lace_core.canonical import sha256_hex

NONCE_DIGITS = 16
MARKED = re.compile(r"<input-([0-9a-f]{16})>\n(.*?)\n</input-\1>", re.DOTALL)
# What must not stand literally between the marks; JSON can write all of it as escapes without changing its meaning.
# < > & begin or end marks and the special tokens of chat formats. [ before a capital does so in others ([INST]); the
# brackets of JSON itself are never followed by one. The rest cannot be seen: control characters, bidirectional
# overrides, zero-width and filler characters, variation selectors and the invisible alphabet of tag characters.
_UNSAFE = re.compile(
    "[<>&\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    r"|\[(?=/?[A-Z])"
)


def mark_as_data(canonical: str) -> str:
    """Canonical JSON between marks that name its own hash; nothing inside can be taken for a mark.

    The same data always gives the same text, which is what records are hashed over. It is not what is sent: whoever
    writes the whole of the data can work the hash out, so `sealed` puts a nonce in its place.
    """
    return _between(sha256_hex(canonical.encode())[:NONCE_DIGITS], escaped(canonical))


def escaped(canonical: str) -> str:
    """Canonical JSON with all that could act as more than data written as JSON escapes."""
    return _UNSAFE.sub(_escape, canonical)


def nonce_of(key: bytes, escaped_json: str) -> str:
    """The nonce of one call's data: HMAC-SHA256 of the data under the call's own key, 64 bits of it."""
    return hmac.new(key, b"nonce\0" + escaped_json.encode(), sha256).hexdigest()[:NONCE_DIGITS]


def sealed(nonce: str, escaped_json: str) -> str:
    """The data between marks that hold the nonce."""
    return _between(nonce, escaped_json)


def _between(nonce: str, escaped_json: str) -> str:
    return f"<input-{nonce}>\n{escaped_json}\n</input-{nonce}>"


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
