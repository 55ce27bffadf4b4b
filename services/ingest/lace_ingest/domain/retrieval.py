"""Queries and what they found."""

from __future__ import annotations

from dataclasses import dataclass

from lace_ingest.domain.documents import Unit
from lace_ingest.domain.sources import Source

DEFAULT_LIMIT = 10
METHOD = "bm25"
"""How units are found: BM25 over stemmed words, headings and captions counting more than text."""

K1 = 1.2
B = 0.75
HEADING_WEIGHT = 2.0
TITLE_WEIGHT = 0.5


@dataclass(frozen=True)
class Query:
    """Words to look for, any of which may match; `key` names the query in the answer."""

    key: str
    text: str
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True)
class Hit:
    """A unit that matched; `score` is a decimal number with six fractional digits."""

    unit_id: str
    score: str


@dataclass(frozen=True)
class Found:
    """The hits of each query, best first, and what they name, each once.

    `units` are (source id, unit); hits of equal score stand in the order of file name and place.
    """

    hits: tuple[tuple[Hit, ...], ...]
    units: tuple[tuple[str, Unit], ...]
    sources: tuple[Source, ...]
