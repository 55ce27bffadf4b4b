"""Which words changed between two sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal

Change = Literal["same", "removed", "added"]

_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")
_MOST_TOKENS = 2000  # on both sides together; longer texts are told as a whole
_LEAST_ALIKE = 0.3


def word_changes(before: str, after: str) -> Iterator[tuple[Change, str]]:
    """Pieces of both texts in order; texts that have little in common are told one after the other."""
    old, new = _TOKENS.findall(before), _TOKENS.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if len(old) + len(new) > _MOST_TOKENS or matcher.quick_ratio() < _LEAST_ALIKE or matcher.ratio() < _LEAST_ALIKE:
        yield from _one_after_the_other(before, after)
        return
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind == "equal":
            yield "same", "".join(old[start:end])
            continue
        yield from _one_after_the_other("".join(old[start:end]), "".join(new[other_start:other_end]))


def _one_after_the_other(before: str, after: str) -> Iterator[tuple[Change, str]]:
    if before:
        yield "removed", before
    if after:
        yield "added", after
