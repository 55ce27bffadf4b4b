"""What reading a document yields: units that stand by themselves, each with its place and exact spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

EXTRACTION_VERSION = "lace-extract/1"
"""Names the rules by which units are made; it changes whenever the same bytes would give other units."""

UNIT_CHARACTERS = 1200


def extraction_name(unit_characters: int = UNIT_CHARACTERS) -> str:
    """Names an extraction: its rules, and the length of paragraphs where it is not the usual one."""
    suffix = "" if unit_characters == UNIT_CHARACTERS else f"+{unit_characters}"
    return EXTRACTION_VERSION + suffix


class UnitKind(StrEnum):
    """What a unit is."""

    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"
    QUOTE = "quote"
    CAPTION = "caption"


@dataclass(frozen=True)
class Span:
    """A stretch of a unit's text in code points: `start` included, `end` not."""

    start: int
    end: int


@dataclass(frozen=True)
class UnitTable:
    """A table: every row has as many cells as there are heads; a table without heads has empty ones."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Unit:
    """A piece of a source that stands by itself.

    `spans` are its sentences, list items or table rows; `page` and `line` count from 1 and are 0 where the format
    has none; `heading_path` is outermost first.
    """

    unit_id: str
    order: int
    kind: UnitKind
    text: str
    text_hash: str
    spans: tuple[Span, ...]
    heading_path: tuple[str, ...] = ()
    page: int = 0
    line: int = 0
    table: UnitTable | None = None
    language: str = ""


@dataclass(frozen=True)
class ExtractedDocument:
    """A document as read: `title` is empty where it names none, `metadata` holds what its format says about it."""

    title: str
    units: tuple[Unit, ...]
    page_count: int = 0
    word_count: int = 0
    extraction: str = EXTRACTION_VERSION
    warnings: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
