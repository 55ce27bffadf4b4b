"""What a reader without further rights may see of a text: a short sample with what looks like a secret masked."""

from __future__ import annotations

import re
from typing import Literal

Level = Literal["none", "sample", "hash"]
LEVELS: tuple[Level, ...] = ("none", "sample", "hash")

SAMPLE_LENGTH = 200
# Shown as it is, a text is still no longer than this: an event is not the place for a whole prompt.
PLAIN_LENGTH = 8000
_SEARCHED = 2000
_MASK = "[redacted]"
_SECRETS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    r"\b(?:sk|pk|rk|ghp|gho|ghs|ghu|xox[abposr]|lace|npg|glpat)[-_][A-Za-z0-9_-]{12,}",
    r"\bgithub_pat_\w{20,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\bAIza[\w-]{30,}",
    r"(?i:\bBearer)\s+\S+",
    r"\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+",
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,100}:[^\s@/]{1,200}@",
    r"(?i:(?:api[-_ ]?key|password|passwd|secret|token)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]{4,}",
)
_SECRET = re.compile("|".join(_SECRETS), re.DOTALL)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_LONG_NUMBER = re.compile(r"\b(?:\d[ -]?){12,19}\b")


def mask(text: str) -> str:
    """The text with secrets, mail addresses and long numbers masked."""
    for pattern in (_SECRET, _MAIL, _LONG_NUMBER):
        text = pattern.sub(_MASK, text)
    return text


def shown(text: str, level: Level = "sample") -> str:
    """What the level lets through: the text itself, its first characters masked and on one line, or nothing."""
    if level == "hash":
        return ""
    if level == "none":
        return _cut(text, PLAIN_LENGTH)
    return _cut(mask(" ".join(text[:_SEARCHED].split())), SAMPLE_LENGTH)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "\u2026"
