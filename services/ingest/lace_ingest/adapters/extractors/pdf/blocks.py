"""What a page is made of before its text is joined: paragraphs, headings, lists, tables, code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lace_ingest.adapters.extractors.pdf.lines import Line


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


@dataclass(frozen=True)
class Entry:
    """An item of a list."""

    lines: tuple[Line, ...]
    level: int
    marker: str


@dataclass(frozen=True)
class Block:
    """One block of one page; `begins_before` and `goes_on` say that it is part of a block that crosses pages."""

    kind: BlockKind
    page: int
    lines: tuple[Line, ...] = ()
    level: int = 0
    entries: tuple[Entry, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    heads: int = 0
    begins_before: bool = False
    goes_on: bool = False
