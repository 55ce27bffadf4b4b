"""What an extractor finds in reading order, before it is cut into units; texts may hold anchors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lace_ingest.domain.documents import WHOLE, Box, UnitKind
from lace_ingest.domain.extraction_warnings import ExtractionWarning


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the outermost."""

    level: int
    text: str
    page: int = 0
    line: int = 0


@dataclass(frozen=True)
class Prose:
    """A paragraph, quoted passage or caption."""

    text: str
    kind: UnitKind = UnitKind.PARAGRAPH
    page: int = 0
    line: int = 0


@dataclass(frozen=True)
class Item:
    """One list item: `level` 0 is the outermost, `marker` is its bullet or number."""

    text: str
    level: int = 0
    marker: str = "-"


@dataclass(frozen=True)
class Listing:
    """A list, nested items in reading order."""

    items: tuple[Item, ...]
    page: int = 0
    line: int = 0


@dataclass(frozen=True)
class Grid:
    """A table; rows may be ragged, `header` may be empty; `head_columns` are those whose cells name their row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    page: int = 0
    line: int = 0
    head_columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """Program text, kept to the character; `boxes` are places in the reading's boxes."""

    text: str
    language: str = ""
    page: int = 0
    line: int = 0
    boxes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Note:
    """A foot- or endnote; a text refers to it by an anchor whose key is `key`."""

    key: str
    mark: str
    text: str
    kind: UnitKind = UnitKind.FOOTNOTE
    page: int = 0
    line: int = 0


Piece = Heading | Prose | Listing | Grid | Program | Note


@dataclass(frozen=True)
class Reading:
    """All that an extractor found.

    An anchor with the key `@7` says that text stands in the box `boxes[7]` from there on. `extractability` says how
    much of the document's content gave text, per mille.
    """

    pieces: tuple[Piece, ...]
    title: str = ""
    page_count: int = 0
    warnings: tuple[ExtractionWarning, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    boxes: tuple[Box, ...] = ()
    extractability: int = WHOLE


def with_texts(piece: Piece, change: Callable[[str], str]) -> Piece:
    """The piece with each of its texts changed; program text stays as it is."""
    match piece:
        case Prose() | Heading() | Note():
            return replace(piece, text=change(piece.text))
        case Listing():
            return replace(piece, items=tuple(replace(item, text=change(item.text)) for item in piece.items))
        case Grid():
            header, *rows = [tuple(map(change, row)) for row in (piece.header, *piece.rows)]
            return replace(piece, header=header, rows=tuple(rows), caption=change(piece.caption))
        case Program():
            return piece


def texts_of(piece: Piece) -> tuple[str, ...]:
    """Every text of a piece in reading order; none of program text."""
    match piece:
        case Prose() | Heading() | Note():
            return (piece.text,)
        case Listing():
            return tuple(item.text for item in piece.items)
        case Grid():
            return (piece.caption, *(cell for row in (piece.header, *piece.rows) for cell in row))
        case Program():
            return ()
