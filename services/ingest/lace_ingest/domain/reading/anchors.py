"""Marks inside the text of a piece for what hangs on a place in it: a note referred to, a line of a page beginning.

An anchor is a key between two Unicode noncharacters, which no text holds: it survives joining and normalisation, and
is taken out before sentences and spans are counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_ANCHOR = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_FOREIGN = dict.fromkeys(range(0xFDD0, 0xFDF0))
_NO_SPACE_BEFORE = frozenset(" .,;:!?)]\u2019\u201d")

Anchors = tuple[tuple[int, str], ...]
"""(place in code points, key) of each anchor, in order of place."""


def anchor(key: str) -> str:
    """The mark for a key."""
    return f"{_OPEN}{key}{_CLOSE}"


def anchored(text: str, anchors: Sequence[tuple[int, str]]) -> str:
    """The text with the anchors put in at their places; those of one place keep their order."""
    parts: list[str] = []
    last = 0
    for at, key in sorted(anchors, key=lambda found: found[0]):
        parts.extend((text[last:at], anchor(key)))
        last = at
    return "".join((*parts, text[last:]))


def without_noncharacters(text: str) -> str:
    """Foreign text without what could pass for an anchor."""
    return text.translate(_FOREIGN)


def without_anchors(text: str) -> str:
    """The text alone."""
    return take_anchors(text)[0] if _OPEN in text else text


def take_anchors(text: str) -> tuple[str, Anchors]:
    """The text without its anchors, and where in it they stood; a space that only parted one from a word goes too."""
    if _OPEN not in text:
        return text, ()
    parts: list[str] = []
    found: list[tuple[int, str]] = []
    length = 0
    at = 0
    for mark in _ANCHOR.finditer(text):
        part = text[at : mark.start()]
        at = mark.end()
        following = text[at : at + 1]
        if part.endswith(" ") and (not following or following in _NO_SPACE_BEFORE):
            part = part[:-1]
        parts.append(part)
        length += len(part)
        found.append((length, mark[1]))
    parts.append(text[at:])
    return without_noncharacters("".join(parts)), tuple(found)
