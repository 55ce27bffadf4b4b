"""How many tokens a call may take, where the model's own tokenizer is at hand and where it is not.

A bound must hold for any text, also for one that was written to break it. So it does not scale o200k's count: Thai
takes Claude 4.5 times as many tokens, and what o200k takes for forty runs of spaces can be five thousand elsewhere.
Each o200k token is charged by what it is made of (`charge`), held against four other tokenizers in docs/adr/0039.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

SIXTHS = 6  # charges are in sixths of a token, so that sums stay whole


class Family(StrEnum):
    """Models that count alike."""

    O200K = "o200k"
    CL100K = "cl100k"
    CLAUDE = "claude"
    GEMINI = "gemini"
    OTHER = "other"


@dataclass(frozen=True)
class Format:
    """Tokens beside the texts: of every request, of every message, and of asking for JSON under a schema."""

    request: int
    message: int
    schema: int


# OpenAI documents its own: three around each message, one for its role, three that begin the answer. For the others
# these are bounds: chat templates of open models write up to 60 tokens of their own (dates, a default system prompt),
# Anthropic up to 530 where it answers through a tool.
_FORMATS = {
    Family.O200K: Format(request=3, message=4, schema=64),
    Family.CL100K: Format(request=3, message=4, schema=64),
    Family.CLAUDE: Format(request=32, message=12, schema=600),
    Family.GEMINI: Format(request=32, message=12, schema=200),
    Family.OTHER: Format(request=96, message=16, schema=200),
}
_NAMES = (
    (Family.O200K, ("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss", "chatgpt-4o", "o1", "o3", "o4", "extractive")),
    (Family.CL100K, ("gpt-4", "gpt-3.5-turbo", "text-embedding-3", "text-embedding-ada-002")),
    (Family.CLAUDE, ("claude",)),
    (Family.GEMINI, ("gemini", "gemma")),
)


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """The family by the model's name, whatever stands before it (`ft:gpt-4o:…`, `anthropic/claude-…`)."""
    name = model.rsplit("/", 1)[-1].removeprefix("ft:").lower()
    for family, beginnings in _NAMES:
        if any(name == known or name.startswith((f"{known}-", f"{known}:")) for known in beginnings):
            return family
    return Family.OTHER


def format_of(family: Family) -> Format:
    """What the family's wire format adds."""
    return _FORMATS[family]


def byte_bound(text: str) -> int:
    """Tokens that no tokenizer exceeds: every token stands for a byte at least.

    Some tokenizers normalise first (NFKC), which can make a text longer: one character of U+FDFA becomes 33 bytes.
    """
    if text.isascii():
        return len(text)
    return max(_bytes(text), _bytes(unicodedata.normalize("NFKC", text)))


def charge(token: str | None) -> int:
    """What one o200k token may come to elsewhere, in sixths of a token; None is a piece of a character.

    Letters: one and a half, and no less than a third of their number (words that o200k has whole and others spell).
    A digit, a mark or a white space: one each; a space before a word goes with it. What is not ASCII is charged by
    its bytes (`beyond_ascii`), and not here.
    """
    if token is None or "\ufffd" in token:
        return SIXTHS
    letters = sum(character.isascii() and character.isalpha() for character in token)
    ascii_only = sum(map(str.isascii, token))
    led = len(token) > 1 and token[0] == " " and token[1].isascii() and token[1].isalpha()
    return (ascii_only - letters - led) * SIXTHS + (max(9, 2 * letters) if letters else 0)


def beyond_ascii(text: str) -> int:
    """Bytes of what is not ASCII, each a token at worst, also after NFKC."""
    if text.isascii():
        return 0
    return byte_bound(text) - sum(map(str.isascii, text))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
