"""Tells captions from prose and gives a table the caption that stands next to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeGuard

from lace_ingest.domain.documents import UnitKind
from lace_ingest.domain.reading.anchors import without_anchors
from lace_ingest.domain.reading.pieces import Grid, Piece, Prose

_NUMBERED = r"(?:\s*(?:[A-Z]\.?)?\d+(?:[.-]\d+)*[a-z]?\s*(?:[.:)\u2013\u2014-]|\s|$)|\s*[A-Z]\s*[.:])"
_TABLE = re.compile(rf"^(?:Table|TABLE|Tab\.|Tabelle|Tableau)(?:{_NUMBERED}|\s*:)")
_FIGURE = re.compile(rf"^(?:Figure|FIGURE|Fig\.|Abbildung|Abb\.|Chart|Box|Photo|Map)(?:{_NUMBERED}|\s*:)")
_LONGEST = 400
_REFERENCE = re.compile(
    r"^\S+\s+\S+\s+(?:shows?|gives?|lists?|is|are|was|were|has|have|summari[sz]es|compares?|presents?)\b"
)


def with_captions(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The same pieces, captions marked as such and a table's caption moved into the table."""
    result: list[Piece] = []
    for piece in map(_marked, pieces):
        last = result[-1] if result else None
        if isinstance(piece, Grid) and not piece.caption and _is_table_caption(last):
            result[-1] = replace(piece, caption=last.text)
        elif isinstance(last, Grid) and not last.caption and _is_table_caption(piece) and last.page == piece.page:
            result[-1] = replace(last, caption=piece.text)
        else:
            result.append(piece)
    return tuple(result)


def _marked(piece: Piece) -> Piece:
    if isinstance(piece, Prose) and piece.kind is UnitKind.PARAGRAPH and is_caption(piece.text):
        return replace(piece, kind=UnitKind.CAPTION)
    return piece


def is_caption(text: str) -> bool:
    """Whether a paragraph is worded as a caption: "Table 3: …", "Figure 2.1 …", but not "Table 3 shows …"."""
    stripped = without_anchors(text).strip()
    return (
        len(stripped) <= _LONGEST
        and bool(_TABLE.match(stripped) or _FIGURE.match(stripped))
        and not _REFERENCE.match(stripped)
    )


def _is_table_caption(piece: Piece | None) -> TypeGuard[Prose]:
    return (
        isinstance(piece, Prose)
        and piece.kind is UnitKind.CAPTION
        and bool(_TABLE.match(without_anchors(piece.text).strip()))
    )
