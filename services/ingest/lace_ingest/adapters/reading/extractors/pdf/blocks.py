"""What a page is made of before its text is joined: paragraphs, headings, lists, tables, code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lace_ingest.adapters.reading.extractors.pdf.lines import Line
from lace_ingest.adapters.reading.extractors.pdf.tables import Cell


class BlockKind(StrEnum):
    """What a block is; `RUN` is text of which only its look can tell whether it is a heading or a paragraph."""

    HEADING = "heading"
    TEXT = "text"
    RUN = "run"
    CAPTION = "caption"
    QUOTE = "quote"
    LIST = "list"
    TABLE = "table"
    CODE = "code"
    NOTE = "note"


@dataclass(frozen=True)
class Entry:
    """An item of a list."""

    lines: tuple[Line, ...]
    level: int
    marker: str


@dataclass(frozen=True)
class Block:
    """One block of one page; `begins_before` and `goes_on` say that it is part of a block that crosses pages.

    `column` counts the columns of the page in reading order; `mark` is that of a note, which
    `is_named` where tags call it one; `head_columns` are the columns
    of a table that its tags name as heads of the rows.
    """

    kind: BlockKind
    page: int
    lines: tuple[Line, ...] = ()
    level: int = 0
    entries: tuple[Entry, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    heads: int = 0
    begins_before: bool = False
    goes_on: bool = False
    column: int = 0
    mark: str = ""
    is_named: bool = False
    head_columns: tuple[int, ...] = ()
