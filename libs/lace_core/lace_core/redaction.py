"""What a reader without further rights may see of a text: a short sample with what looks like a secret masked."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Level = Literal["none", "sample", "hash"]
LEVELS: tuple[Level, ...] = ("none", "sample", "hash")

SAMPLE_LENGTH = 200
# Shown as it is, a text is still no longer than this: an event is not the place for a whole prompt.
PLAIN_LENGTH = 8000
_SEARCHED = 2000
# What begins within the sample has its sign within so many characters more: the longest way is that to an @.
_HEAD = SAMPLE_LENGTH + 100
_MASK = "[redacted]"
# One place for what is not to be shown and not to be sent. The expressions are written in what Python's `re` and RE2
# (which has no look-around and never backtracks) both understand, and mean the same in both.
SECRETS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
    r"\b(?:sk|pk|rk|ghp|gho|ghs|ghu|xox[abposr]|lace|npg|glpat)[-_][A-Za-z0-9_-]{12,}",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"(?i:\bBearer)\s+\S+",
    r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,100}:[^\s@/]{1,200}@",
    r"(?i:(?:api[-_ ]?key|password|passwd|secret|token)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]{4,}",
)
_LETTERS = "A-Za-z0-9\u00c0-\u024f\u0370-\u052f"  # as names are written in Latin, Greek and Cyrillic
EMAILS = (rf"[{_LETTERS}._%+-]{{1,64}}@[{_LETTERS}-]{{1,63}}(?:\.[{_LETTERS}-]{{1,63}}){{1,8}}",)
# Only numbers that are written as telephone numbers are: a document is full of figures.
PHONES = (
    r"(?:\+|\b00)[1-9]\d{0,2}[ .()/-]{0,2}(?:\d[ .()/-]{0,2}){5,12}\d",
    r"\(0?\d{2,4}\)[ .-]?\d{3,4}[ .-]?\d{3,4}\b",
    r"\b\d{3}[.-]\d{3}[.-]\d{4}\b",
    r"\b0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5}\b",
    r"(?i:\b(?:tel|telephone|phone|fax|mobile)\b)[.: ]{1,3}\d[\d .()/-]{5,16}\d",
)
# What a text must hold, in small letters, so that the secret of the same place can be in it: looking for some words
# takes a hundredth of the time of an expression, and most texts have none of them.
_SIGNS = (
    "-----begin",
    "",  # of too many words; see _JOINED
    "github_pat_",
    "akia asia",
    "aiza",
    "bearer",
    "eyj",
    "://",
    "key password passwd secret token",
)
_WORDS = tuple((word, place) for place, words in enumerate(_SIGNS) for word in words.split())
# What every key of the second place holds behind its name.
_JOINED = re.compile(r"[-_][A-Za-z0-9_-]{12}")
_JOINED_PLACE = 1
# Every telephone number without such a word, and every long number, has seven digits that are not far apart.
_PHONE_SIGNS = ("tel", "phone", "fax", "mobile")
_DIGITS = re.compile(r"\d(?:[ .()/-]{0,2}\d){6}")
_MAIL = re.compile("|".join(EMAILS))
_PHONE = re.compile("|".join(PHONES))
_LONG_NUMBER = re.compile(r"\b(?:\d[ -]?){12,19}\b")
_ANY_WORD = ("@", *_PHONE_SIGNS, *(word for word, _ in _WORDS))


def mask(text: str) -> str:
    """The text with secrets, mail addresses, telephone numbers and long numbers masked."""
    lowered = text.casefold()  # as expressions see it that do not care for case
    signs = [place for word, place in _WORDS if word in lowered]
    if _JOINED.search(text):
        signs.append(_JOINED_PLACE)
    if signs:
        text = _secrets(frozenset(signs)).sub(_MASK, text)
    if "@" in text:
        text = _MAIL.sub(_MASK, text)
    if _DIGITS.search(text) or [word for word in _PHONE_SIGNS if word in lowered]:
        text = _LONG_NUMBER.sub(_MASK, _PHONE.sub(_MASK, text))
    return text


@lru_cache(maxsize=512)
def _secrets(places: frozenset[int]) -> re.Pattern[str]:
    return re.compile("|".join(SECRETS[at] for at in sorted(places)).replace(r"\z", r"\Z"))


def shown(text: str, level: Level = "sample") -> str:
    """What the level lets through: the text itself, its first characters masked and on one line, or nothing."""
    if level == "hash":
        return ""
    if level == "none":
        return _cut(text, PLAIN_LENGTH)
    head = " ".join(text[: 2 * _HEAD].split())
    if (len(head) >= _HEAD or len(text) <= 2 * _HEAD) and _is_clean(head[:_HEAD]):
        return _cut(head, SAMPLE_LENGTH)  # nothing in the sample is masked, whatever comes behind it
    return _cut(mask(" ".join(text[:_SEARCHED].split())), SAMPLE_LENGTH)


def _is_clean(text: str) -> bool:
    """Whether no part of the text can be a secret, an address or a number, nor begin one."""
    lowered = text.casefold()
    for word in _ANY_WORD:
        if word in lowered:
            return False
    return _JOINED.search(text) is None and _DIGITS.search(text) is None


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "\u2026"
