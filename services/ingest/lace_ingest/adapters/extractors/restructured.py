"""Drops the inline marks of reStructuredText from text that is written in it, so that it reads as prose."""

from __future__ import annotations

import re

_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_MARKS = (
    (re.compile(r"`([^`<>]+?)\s*<[^`<>]+>`__?", re.DOTALL), r"\1"),
    (re.compile(r":[a-z][\w:-]*:`~?([^`<>]+?)(?:\s*<[^`<>]+>)?`", re.DOTALL), r"\1"),
    (re.compile(r"``(.+?)``", re.DOTALL), r"\1"),
    (re.compile(r"`([^`]+)`__?"), r"\1"),
    (re.compile(r"\s?\[#?[\w*-]*\]_(?!\w)"), ""),
    (re.compile(r"\b([\w-]+)_(?=[\s.,;:)]|$)"), r"\1"),
    (re.compile(r"(?<!\w)\*\*(\S(?:.*?\S)?)\*\*(?!\w)"), r"\1"),
    (re.compile(r"(?<!\w)\*(\S(?:.*?\S)?)\*(?!\w)"), r"\1"),
    (re.compile(r"^\.\.\s+_.*$", re.DOTALL), ""),
    (re.compile(r"^\.\.\s+(?=\[)"), ""),
)
_ENOUGH = 3


def is_restructured(text: str) -> bool:
    """Whether a text uses the literals and the code announcements of reStructuredText."""
    return len(_LITERAL.findall(text[:200_000])) >= _ENOUGH and "::\n" in text.replace("\r\n", "\n")


def without_marks(text: str) -> str:
    """A paragraph, item or heading without its inline marks."""
    for pattern, replacement in _MARKS:
        text = pattern.sub(replacement, text)
    return text
