"""Reads what reStructuredText marks inside its text: inline marks are dropped, notes and what refers to them kept."""

from __future__ import annotations

import re
from collections import Counter

from lace_ingest.domain.reading.anchors import anchor
from lace_ingest.domain.reading.pieces import Note, Piece, Prose, with_texts

_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_MARKS = (
    (re.compile(r"`([^`<>]+?)\s*<[^`<>]+>`__?", re.DOTALL), r"\1"),
    (re.compile(r":[a-z][\w:-]*:`~?([^`<>]+?)(?:\s*<[^`<>]+>)?`", re.DOTALL), r"\1"),
    (re.compile(r"``(.+?)``", re.DOTALL), r"\1"),
    (re.compile(r"`([^`]+)`__?"), r"\1"),
    (re.compile(r"\b([\w-]+)_(?=[\s.,;:)]|$)"), r"\1"),
    (re.compile(r"(?<!\w)\*\*(\S(?:.*?\S)?)\*\*(?!\w)"), r"\1"),
    (re.compile(r"(?<!\w)\*(\S(?:.*?\S)?)\*(?!\w)"), r"\1"),
    (re.compile(r"^\.\.\s+_.*$", re.DOTALL), ""),
)
_REFERENCE = re.compile(r"\s?\[(?P<label>#?[\w*-]*)\]_(?!\w)")
NOTE = re.compile(r"^\.\.\s+\[(?P<label>#?[\w*-]+|#|\*)\]\s+(?=\S)")
_COUNTED = ("#", "*")
_ENOUGH = 3


def is_restructured(text: str) -> bool:
    """Whether a text uses the literals and the code announcements of reStructuredText."""
    return len(_LITERAL.findall(text[:200_000])) >= _ENOUGH and "::\n" in text.replace("\r\n", "\n")


class Marks:
    """Takes the marks out of the pieces of one text, in order: notes without a label are told by their number."""

    def __init__(self) -> None:
        self._referred: Counter[str] = Counter()
        self._defined: Counter[str] = Counter()

    def read(self, piece: Piece) -> Piece:
        """The piece as prose, a note where it is the definition of one."""
        found = NOTE.match(piece.text) if isinstance(piece, Prose) else None
        if found is None or not isinstance(piece, Prose):
            return with_texts(piece, self._text)
        key = _counted(found["label"], self._defined)
        return Note(key, key.removeprefix("#"), self._text(piece.text[found.end() :]), line=piece.line)

    def _text(self, text: str) -> str:
        return without_marks(_REFERENCE.sub(lambda found: anchor(_counted(found["label"], self._referred)), text))


def _counted(label: str, counts: Counter[str]) -> str:
    if label not in _COUNTED:
        return label
    counts[label] += 1
    return f"{label}{counts[label]}"


def without_marks(text: str) -> str:
    """A paragraph, item or heading without its inline marks."""
    for pattern, replacement in _MARKS:
        text = pattern.sub(replacement, text)
    return text
