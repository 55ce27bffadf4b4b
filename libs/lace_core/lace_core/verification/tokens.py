"""What a text is compared by: its tokens, and the keys by which two of them are the same."""

from __future__ import annotations

from dataclasses import dataclass

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Token:
    """A word, number or mark of a statement: what it is compared by, and a number as it is written."""

    key: str
    figure: str = ""


Tokens = tuple[Token, ...]
