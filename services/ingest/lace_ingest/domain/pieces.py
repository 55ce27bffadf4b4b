"""What an extractor finds in reading order, before it is cut into units."""

from __future__ import annotations

from dataclasses import dataclass

from lace_ingest.domain.documents import UnitKind


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
    """A table; rows may be ragged, `header` may be empty."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    page: int = 0
    line: int = 0


@dataclass(frozen=True)
class Program:
    """Program text, kept to the character."""

    text: str
    language: str = ""
    page: int = 0
    line: int = 0


Piece = Heading | Prose | Listing | Grid | Program


@dataclass(frozen=True)
class Reading:
    """All that an extractor found."""

    pieces: tuple[Piece, ...]
    title: str = ""
    page_count: int = 0
    warnings: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
