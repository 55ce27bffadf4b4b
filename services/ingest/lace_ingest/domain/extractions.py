"""Extractions: each reading of a source by one tool under its settings, and the exact words that its units hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_ingest.domain.documents import WHOLE, Unit
from lace_ingest.domain.extraction_warnings import ExtractionWarning
from lace_ingest.domain.sources import Source


@dataclass(frozen=True)
class Extraction:
    """What one reading of a source yielded; its units are never changed and never go.

    `extraction` names tool, version, rules and settings; `run_id` is empty where the run is not known. `language` is a
    BCP 47 tag, `extractability` the per mille of the content that gave text.
    """

    source_id: str
    extraction: str
    title: str
    page_count: int
    unit_count: int
    word_count: int
    run_id: str
    created_at: datetime
    warnings: tuple[ExtractionWarning, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    language: str = ""
    extractability: int = WHOLE


@dataclass(frozen=True)
class LocatedUnit:
    """A unit, its source, and the extraction that made it."""

    unit: Unit
    source: Source
    extraction: str

    @property
    def present(self) -> bool:
        """Whether the unit belongs to the source's present extraction."""
        return self.extraction == self.source.extraction


@dataclass(frozen=True)
class Quote:
    """The exact words of a span; `start` and `end` count code points of the unit's text, `sha256` its UTF-8 bytes."""

    located: LocatedUnit
    start: int
    end: int
    text: str
    sha256: str


def extraction_of(source: Source, created_at: datetime) -> Extraction:
    """The record of the reading that made a source ready."""
    return Extraction(
        source_id=source.source_id,
        extraction=source.extraction,
        title=source.title,
        page_count=source.page_count,
        unit_count=source.unit_count,
        word_count=source.word_count,
        run_id=source.run_id,
        created_at=created_at,
        warnings=source.warnings,
        metadata=source.metadata,
        language=source.language,
        extractability=source.extractability,
    )


def quote_of(located: LocatedUnit, start: int, end: int) -> Quote:
    """The words from `start` to `end`, to the end of the unit where `end` is 0. Raises INVALID_ARGUMENT."""
    text = located.unit.text
    stop = end or len(text)
    if not 0 <= start < stop <= len(text):
        problem = f"is no span of {located.unit.unit_id}, which has {len(text)} characters"
        details = [Detail("/start" if start >= stop else "/end", problem)]
        raise LaceError(Reason.INVALID_ARGUMENT, f"{start} to {stop} {problem}.", details=details)
    quote = text[start:stop]
    return Quote(located, start, stop, quote, sha256_hex(quote.encode()))


def unit_not_found(unit_id: str) -> LaceError:
    """No such unit, or none that the caller may see: from outside that is the same."""
    return LaceError(Reason.UNIT_NOT_FOUND, f"No unit {unit_id}.")


def extraction_not_found(source_id: str, extraction: str) -> LaceError:
    """The source was never read like that."""
    message = f"{source_id} was never read as {extraction}; GET /v1/sources/{source_id}/extractions lists how it was."
    return LaceError(Reason.EXTRACTION_NOT_FOUND, message)
