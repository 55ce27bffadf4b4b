"""How much an answer under a contract may hold: what nobody can read is refused before anything is made of it."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

LONGEST_ANSWER = 4_000_000
"""Characters of an answer: more would hold up everybody else while it is read."""
MOST_ITEMS = 2000
"""Entries of one list of an answer."""
MOST_IN_ALL = 20_000
"""Entries of all lists of an answer together."""


class Excess(NamedTuple):
    """A list that is too long, by its JSON Pointer, and how many entries it has; the pointer is empty for all lists."""

    pointer: str
    items: int


def excess(answer: Struct) -> Excess | None:
    """The first list of an answer that has too many entries, None where there is none.

    A list that is too long is not looked into, so the work is bounded whatever came.
    """
    total = 0
    left: list[tuple[str, object]] = [("", answer)]
    while left:
        pointer, value = left.pop()
        if isinstance(value, Struct):
            left.extend((f"{pointer}/{name}", getattr(value, name)) for name in reversed(value.__struct_fields__))
        elif isinstance(value, tuple):
            if len(value) > MOST_ITEMS:
                return Excess(pointer, len(value))
            total += len(value)
            if total > MOST_IN_ALL:
                return Excess("", total)
            left.extend((f"{pointer}/{at}", value[at]) for at in range(len(value) - 1, -1, -1))
    return None
