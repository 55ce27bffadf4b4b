"""The words in which differences are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

IDENTICAL = 1000
"""Similarity is a whole number per mille: of 1000, nothing differs."""


class Change(StrEnum):
    """What became of something from one version to the next."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"
    UNCHANGED = "unchanged"


class Level(StrEnum):
    """How close the look is: the counts alone, the text, the units, or the quotes taken from them."""

    SUMMARY = "summary"
    DOCUMENT = "document"
    EXTRACTION = "extraction"
    IMPACT = "impact"


MIRRORED = {Change.ADDED: Change.REMOVED, Change.REMOVED: Change.ADDED}
"""What a change is called the other way round, where that is another name."""


@dataclass(frozen=True)
class WordChange:
    """A stretch of text that was added, removed, or left as it was."""

    change: Change
    text: str


def before_of(words: Iterable[WordChange]) -> str:
    """The text before."""
    return "".join(word.text for word in words if word.change is not Change.ADDED)


def after_of(words: Iterable[WordChange]) -> str:
    """The text after."""
    return "".join(word.text for word in words if word.change is not Change.REMOVED)
