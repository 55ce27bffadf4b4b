"""The one normalisation that every extracted text goes through; spans and hashes count its output.

It is part of the extraction version: NFC; lone surrogates become U+FFFD; the Latin ligatures U+FB00 to U+FB06 are
spelt out; soft hyphens, zero-width spaces, byte order marks, bidirectional and other control characters are dropped;
a run of white space is one space (in code, lines and their inner spacing stay as they are, and whatever else breaks a
line is a line break); ends are stripped.
"""

from __future__ import annotations

import re
import unicodedata

_LIGATURES = dict(zip(range(0xFB00, 0xFB07), ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True))
_DROPPED = dict.fromkeys((0x00AD, 0x200B, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_CONTROLS = dict.fromkeys((*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)))
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_TABLE: dict[int, str | None] = {**_LIGATURES, **_DROPPED, **_CONTROLS, **_SURROGATES}
_BREAK = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+(?:['\u2019.,-][^\W_]+)*")


def normalise(text: str) -> str:
    """Prose on one line: the module's rules, all white space as single spaces."""
    return _SPACE.sub(" ", _clean(text)).strip()


def normalise_code(text: str) -> str:
    """Program text: the module's rules, but lines and inner spacing kept; outer blank lines are dropped."""
    lines = _clean(_BREAK.sub("\n", text)).split("\n")
    kept = [line.rstrip() for line in lines]
    filled = [at for at, line in enumerate(kept) if line]
    return "\n".join(kept[filled[0] : filled[-1] + 1]) if filled else ""


def count_words(text: str) -> int:
    """Words; a CJK character counts as one."""
    return sum(1 for _ in _WORD.finditer(text))


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", text.translate(_TABLE))
