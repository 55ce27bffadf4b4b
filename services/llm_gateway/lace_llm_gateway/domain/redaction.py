"""Short samples of prompts and answers for the ledger, with what looks like a secret or an address masked."""

from __future__ import annotations

import re

_LENGTH = 200
_SEARCHED = 2000
_SECRET = re.compile(
    r"\b(?:sk|pk|rk|ghp|gho|xox[abp])[-_][A-Za-z0-9_-]{12,}|\bBearer\s+\S+|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+|"
    r"(?i:(?:api[-_ ]?key|password|secret|token)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]{4,}"
)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_LONG_NUMBER = re.compile(r"\b(?:\d[ -]?){12,19}\b")


def sample(text: str) -> str:
    """The first characters on one line, redacted."""
    line = " ".join(text[:_SEARCHED].split())
    for pattern in (_SECRET, _MAIL, _LONG_NUMBER):
        line = pattern.sub("[redacted]", line)
    return line if len(line) <= _LENGTH else line[: _LENGTH - 1].rstrip() + "\u2026"
