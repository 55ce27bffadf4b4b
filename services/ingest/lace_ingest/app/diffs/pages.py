"""Pages of what was computed as a whole: bounded by number and by length of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_CHARACTERS = 500_000
"""Text in a page at most, but for a single entry that is longer: an answer stays well below what a call may carry."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Entries, and the place of the next one; None at the end."""

    entries: Sequence[T]
    following: int | None


def page_of(entries: Sequence[T], start: int, size: int, length: Callable[[T], int]) -> Page[T]:
    """At most `size` entries from a place on; `length` is that of an entry's text in characters."""
    found: list[T] = []
    characters = 0
    for entry in entries[start : start + size]:
        characters += length(entry)
        if found and characters > MOST_CHARACTERS:
            break
        found.append(entry)
    end = start + len(found)
    return Page(found, end if end < len(entries) else None)
