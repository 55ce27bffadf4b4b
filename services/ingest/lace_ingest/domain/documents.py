"""What reading a document yields: units that stand by themselves, each with its place and exact spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lace_ingest.domain.extraction_warnings import ExtractionWarning

RULES = "lace-2"
"""Names the rules by which units are made; it changes whenever the same bytes would give other units."""

UNIT_CHARACTERS = 1200

WHOLE = 1000
"""Extractability of a document of which nothing is missing, per mille."""


def extraction_name(tool: str, unit_characters: int = UNIT_CHARACTERS) -> str:
    """Names an extraction, for instance `pdf/pypdfium2-5.15.2/lace-2+1200`.

    `tool` is the format, with the library that reads it and its version where there is one; then come our rules, and
    the length at which paragraphs are split: all that other units of the same bytes could come from.
    """
    return f"{tool}/{RULES}+{unit_characters}"


class UnitKind(StrEnum):
    """What a unit is."""

    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"
    QUOTE = "quote"
    CAPTION = "caption"
    FOOTNOTE = "footnote"
    ENDNOTE = "endnote"


@dataclass(frozen=True)
class Span:
    """A stretch of a unit's text in code points: `start` included, `end` not."""

    start: int
    end: int


@dataclass(frozen=True)
class Box:
    """Where text stands on a page as it is shown: points from its top left corner; `page` counts from 1."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class UnitTable:
    """A table: every row has as many cells as there are heads; a table without heads has empty ones.

    `head_columns` are the places of the columns whose cells name their row.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    head_columns: tuple[int, ...] = ()

    def told(self, row: int) -> str:
        """A row with its heads beside each cell: `Section A. Readings: 28; Mean (mm): 10.6`."""
        cells = self.rows[row]
        names = ", ".join(self._named(at, cells[at]) for at in self.head_columns if cells[at])
        rest = [
            f"{self.header[at]}: {cell}" if self.header[at] else cell
            for at, cell in enumerate(cells)
            if cell and at not in self.head_columns
        ]
        return ". ".join(part for part in (names, "; ".join(rest)) if part)

    def _named(self, at: int, cell: str) -> str:
        head = self.header[at]
        return f"{head} {cell}" if head and not cell.casefold().startswith(head.casefold()) else cell


@dataclass(frozen=True)
class Unit:
    """A piece of a source that stands by itself.

    `spans` are its sentences, list items or table rows; `page` and `line` count from 1 and are 0 where the format
    has none; `heading_path` is outermost first. `start` and `end` are its place in the document's whole text in code
    points (see whole_text). `boxes` are where it stands on its pages, `span_boxes` the same for each span where the
    format tells. A note has its `note_mark` and names the units that refer to it in `referred_from`; a unit names its
    notes in `notes`.
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
    start: int = 0
    end: int = 0
    boxes: tuple[Box, ...] = ()
    note_mark: str = ""
    referred_from: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExtractedDocument:
    """A document as read: `title` is empty where it names none, `metadata` holds what its format says about it.

    `language` is a BCP 47 tag, empty where the text is too short to tell; `extractability` says how much of the
    document's content gave text, per mille.
    """

    title: str
    units: tuple[Unit, ...]
    page_count: int = 0
    word_count: int = 0
    extraction: str = ""
    warnings: tuple[ExtractionWarning, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    language: str = ""
    extractability: int = WHOLE
