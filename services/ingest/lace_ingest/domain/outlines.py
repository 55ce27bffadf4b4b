"""What a source speaks of, section by section."""

from __future__ import annotations

from dataclasses import dataclass

from lace_ingest.domain.documents import Unit, UnitKind
from lace_ingest.domain.reading.text import count_words
from lace_ingest.domain.sources import Source

LEAD_CHARS = 400


@dataclass(frozen=True)
class Section:
    """A section: words and tables directly in it, and its first sentence (or list item)."""

    heading_path: tuple[str, ...]
    words: int
    tables: int
    lead: str


@dataclass(frozen=True)
class Outline:
    """The sections of a source in reading order."""

    source: Source
    sections: tuple[Section, ...]


def lead_of(unit: Unit) -> str:
    """What a unit begins with; empty for what is no prose."""
    if unit.kind not in (UnitKind.PARAGRAPH, UnitKind.LIST, UnitKind.QUOTE) or not unit.spans:
        return ""
    first = unit.spans[0]
    return unit.text[first.start : first.end][:LEAD_CHARS]


def sections_of(units: tuple[Unit, ...]) -> tuple[Section, ...]:
    """The sections that units make; one whose heading path comes up again is one section."""
    grouped: dict[tuple[str, ...], list[Unit]] = {}
    for unit in units:
        grouped.setdefault(unit.heading_path, []).append(unit)
    return tuple(
        Section(
            path,
            sum(count_words(unit.text) for unit in members),
            sum(unit.kind is UnitKind.TABLE for unit in members),
            next((lead for unit in members if (lead := lead_of(unit))), ""),
        )
        for path, members in grouped.items()
    )
