"""Foreign text as it may be shown: what would steer a terminal, or turn a line around, is made visible."""

from __future__ import annotations

import unicodedata

_STEERING = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_CONTROL_PICTURES = 0x2400


def printable(text: str) -> str:
    """One line: white space is single spaces, control characters are their pictures, other steering ones \\u{…}."""
    return "".join(_shown(char) for char in " ".join(text.split()))


def visible(text: str) -> str:
    """The same with white space as it is, but for lines and tabs, which are spaces."""
    return "".join(" " if char in "\n\r\t" else _shown(char) for char in text)


def _shown(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    if unicodedata.category(char) not in _STEERING:
        return char
    if ord(char) < 0x20:
        return chr(_CONTROL_PICTURES + ord(char))
    return "\u2421" if char == "\x7f" else f"\\u{{{ord(char):x}}}"
