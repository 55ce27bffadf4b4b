"""Vectors of units: which model made them, and the pieces of a unit's text that they are made of.

A unit has a vector for each piece, and is as near to a question as the nearest of them. Small models blur long texts:
on the collections of docs/benchmarks.md pieces of 500 characters are better than of 250 and of 1,000, and the nearest
piece is better than the mean of all.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from lace_ingest.domain.documents import Span

Vector = array  # array("f", …): float32
WINDOW_CHARACTERS = 500
WINDOW_TOKENS = 200
MOST_PIECES = 1000
_HEADING_CHARACTERS = 120
# An upper estimate, as no tokenizer is at hand here: a word of Latin letters is cut into pieces of four, anything else
# counts by the character.
_TOKEN = re.compile(r"[A-Za-z]{1,4}|\S")


@dataclass(frozen=True)
class EmbeddingModel:
    """A model as the gateway resolved it; vectors of two models, or of two lengths of one, are not compared."""

    provider: str
    model: str
    dimensions: int

    @property
    def name(self) -> str:
        """`provider/model`, as settings and answers have it."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True)
class VectorSet:
    """The vectors of one reading of a source in one space, as far as they are made: `embedded` of `units` units.

    A space holds a tenant's vectors of one model. `last_place` is the place of the last unit that has its vectors, -1
    before the first; `principal_id` is who gave the source.
    """

    set_id: int
    space_id: int
    tenant_id: str
    source_id: str
    extraction: str
    principal_id: str
    units: int
    embedded: int
    last_place: int
    attempts: int


@dataclass(frozen=True)
class UnitText:
    """What of a unit is embedded; `spans` are its sentences, items or rows."""

    unit_id: str
    place: int
    text: str
    heading_path: tuple[str, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class UnitVector:
    """The vector of one piece of a unit, pieces counted from 0."""

    unit_id: str
    part: int
    vector: Vector[float]


def pieces_of(unit: UnitText) -> list[str]:
    """The unit's text in pieces of whole sentences where they fit, each below the headings that it stands under.

    What is behind the first `MOST_PIECES` is left to words: such a unit is data, not prose.
    """
    above = ". ".join(unit.heading_path)[-_HEADING_CHARACTERS:]
    places = islice(_windows(unit.text, unit.spans), MOST_PIECES)
    windows = (unit.text[start:end].strip() for start, end in places)
    return [f"{above}. {window}" if above else window for window in windows if window] or [above or unit.text]


def halves_of(text: str) -> tuple[str, str] | None:
    """A piece that a model finds too long, in two; None where nothing is left to divide."""
    middle = len(text) // 2
    cut = text.rfind(" ", len(text) // 4, middle + 1)
    cut = cut if cut > 0 else middle
    one, other = text[:cut].strip(), text[cut:].strip()
    return (one, other) if one and other else None


def _windows(text: str, spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    start = end = spans[0].start if spans else 0
    for span in spans or (Span(0, len(text)),):
        if end > start and not _fits(text, start, span.end):
            yield start, end
            start = span.start
        end = span.end
        while not _fits(text, start, end):
            cut = _cut(text, start, end)
            yield start, cut
            start = cut
    if end > start:
        yield start, end


def _fits(text: str, start: int, end: int) -> bool:
    return end - start <= WINDOW_CHARACTERS and len(_TOKEN.findall(text, start, end)) <= WINDOW_TOKENS


def _cut(text: str, start: int, end: int) -> int:
    """Where the longest piece from `start` ends that fits, at a space where there is one in its second half."""
    limit = min(end, start + WINDOW_CHARACTERS)
    for count, found in enumerate(_TOKEN.finditer(text, start, limit), 1):
        if count == WINDOW_TOKENS:
            limit = min(limit, found.end())
            break
    space = text.rfind(" ", start + (limit - start) // 2, limit)
    return space if space > start else max(limit, start + 1)
