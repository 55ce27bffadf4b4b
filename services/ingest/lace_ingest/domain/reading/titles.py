"""Finds a document's title: named by its format, its one top heading, a header of named fields, or its file name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from lace_ingest.domain.reading.anchors import without_anchors
from lace_ingest.domain.reading.pieces import Heading, Piece, Prose, Reading
from lace_ingest.domain.reading.text import normalise

_FIELD = re.compile(r"(?:^|\s)Title:\s+(?P<title>.+?)(?=\s+[A-Z][A-Za-z]*(?:-[A-Z][A-Za-z]*)*:(?:\s|$)|$)")
_WITHIN = 600
_OPENING = 5  # pieces among which a title may stand again


def title_from_header(text: str) -> str:
    """The value of a field `Title:` among the first words of a normalised text; empty where there is none."""
    found = _FIELD.search(text[:_WITHIN])
    return found["title"].strip()[:300] if found else ""


def title_from_filename(filename: str) -> str:
    """The file name without its ending, its separators as spaces."""
    stem = PurePosixPath(filename).stem
    return re.sub(r"[_\s]+", " ", stem).strip() or filename


def take_title(reading: Reading) -> tuple[str, tuple[Piece, ...]]:
    """The title of a reading and its pieces without what only repeats it.

    A heading that opens the document, alone at its level or worded as the declared title, is the title and no
    section: it would stand above every unit and tell none from another. A first line that is the title says nothing.
    """
    declared = without_anchors(normalise(reading.title))
    first = reading.pieces[0] if reading.pieces else None
    if isinstance(first, Heading):
        text = without_anchors(normalise(first.text))
        others = [piece.level for piece in reading.pieces[1:] if isinstance(piece, Heading)]
        if text.casefold() == declared.casefold() or (others and min(others) > first.level):
            return declared or text, reading.pieces[1:]
    opening = tuple(piece for piece in reading.pieces[:_OPENING] if not _repeats(piece, declared))
    return declared, opening + reading.pieces[_OPENING:]


def _repeats(piece: Piece, title: str) -> bool:
    return isinstance(piece, Prose) and without_anchors(normalise(piece.text)).casefold() == title.casefold()
