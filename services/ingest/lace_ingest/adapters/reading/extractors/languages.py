"""Tells the language of a document by its text, offline and with the same answer every time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from lace_ingest.domain.documents import Unit, UnitKind

_SAMPLE_CHARS = 20_000
_FEWEST_LETTERS = 20
_SHARE = 50  # per cent of the text: below, no one language is the document's
_UNKNOWN = "un"
_NO_TEXT = re.compile(r"[^\w\s'’.,;:!?-]|[\d_]", re.UNICODE)
_TAGS = {"iw": "he", "no": "nb", "jw": "jv", "in": "id", "mo": "ro", "sh": "sr-Latn", "zh-Hant": "zh-Hant"}
_WITHIN_WORDS = frozenset(("Mn", "Mc"))
_SILENT = frozenset((UnitKind.CODE,))


def language_of(units: Iterable[Unit]) -> str:
    """The BCP 47 tag of the language that most of the text is in; empty where it is too short or too mixed to tell."""
    text = _sample(units)
    if sum(map(str.isalpha, text)) < _FEWEST_LETTERS:
        return ""
    try:
        import pycld2  # type: ignore[import-untyped]
    except ImportError:  # no build of it for this Python: the language stays unsaid, nothing else depends on it
        return ""
    try:
        is_reliable, _, found = pycld2.detect(text, bestEffort=False)
    except pycld2.error:  # it takes no text with characters that its tables do not know
        return ""
    _, tag, share, _ = found[0]
    return _TAGS.get(tag, tag) if is_reliable and tag != _UNKNOWN and share >= _SHARE else ""


def _sample(units: Iterable[Unit]) -> str:
    """Running text from the beginning of the document, without figures and signs, which tell no language."""
    parts: list[str] = []
    length = 0
    for unit in units:
        if unit.kind in _SILENT:
            continue
        part = " ".join(_NO_TEXT.sub(_replacement, unit.text).split())
        parts.append(part)
        length += len(part)
        if length > _SAMPLE_CHARS:
            break
    return "\n".join(parts)[:_SAMPLE_CHARS]


def _replacement(found: re.Match[str]) -> str:
    """A space, but for the marks that are parts of their word: the vowels of Devanagari and its kin, accents."""
    sign = found.group()
    return sign if unicodedata.category(sign) in _WITHIN_WORDS else " "
