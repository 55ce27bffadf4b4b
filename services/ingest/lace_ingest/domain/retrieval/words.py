"""Words as the features of reranking compare them: one case, no accents, a light stem of English endings.

No dictionary and no language is asked: a stem need not be a word, only the same for forms of one. The lexemes by which
units are found are Postgres' own; these here order a few that were found.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")
_VOWEL = re.compile("[aeiouy]")
# Marks of Latin, Greek and Cyrillic; those of other scripts tell words apart.
_ACCENT = re.compile("[\u0300-\u036f]+")
_ENDINGS = ("ingly", "edly", "ing", "ed", "ly")
_DERIVED = (
    ("ational", "ate"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ness", ""),
    ("ment", ""),
    ("ity", ""),
    ("ive", ""),
    ("al", ""),
)
_SHORTEST = 3
# Words that say how one asks, not what about.
_STOP = frozenset(
    """a about after all also am an and any are as at be because been before being between both but by can could did do
    does doing down during each few for from further had has have having he her here hers him his how i if in into is it
    its itself just me more most my no nor not now of off on once only or other our ours out over own same she should so
    some such than that the their theirs them then there these they this those through to too under until up upon was we
    were what when where which while who whom whose why will with would you your yours""".split()
)


def stems(text: str) -> list[str]:
    """The stems of a text's words in order, without those that say nothing."""
    plain = text if text.isascii() else _unaccented(text)
    return [stem(word) for word in _WORD.findall(plain.lower()) if word not in _STOP]


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """What forms of one word have in common."""
    return _softened(_underived(_uninflected(_singular(word))))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("sses"):
        return word[:-2]
    if len(word) > _SHORTEST and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _uninflected(word: str) -> str:
    for ending in _ENDINGS:
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= _SHORTEST and _VOWEL.search(rest):
            doubled = len(rest) > _SHORTEST and rest[-1] == rest[-2] and rest[-1] not in "lsz"
            return rest[:-1] if doubled else rest
    return word


def _underived(word: str) -> str:
    for ending, instead in _DERIVED:
        if word.endswith(ending) and len(word) - len(ending) > _SHORTEST:
            return word[: -len(ending)] + instead
    return word


def _softened(word: str) -> str:
    """`analyse` and `analysing`, `study` and `studies` end alike."""
    if len(word) > 4 and word.endswith("e"):
        return word[:-1]
    return word[:-1] + "i" if len(word) > _SHORTEST and word.endswith("y") else word


def _unaccented(text: str) -> str:
    return unicodedata.normalize("NFKC", _ACCENT.sub("", unicodedata.normalize("NFKD", text)))
