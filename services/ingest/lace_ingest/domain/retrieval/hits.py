"""What is found: candidates of a stage, hits with their scores, and the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from lace_ingest.domain.documents import Span, Unit
from lace_ingest.domain.retrieval.query import Mode, VectorSearch
from lace_ingest.domain.sources import Source


@dataclass(frozen=True)
class Correction:
    """A word of a query that stands nowhere in scope, and the lexeme that was taken for it."""

    word: str
    taken_for: str


@dataclass(frozen=True)
class Candidate:
    """A unit that a stage found: its score, its rank from 1, and the corrections of which it holds the lexeme.

    Scores are rounded to six fractional digits before they are compared; equal ones stand in the order of unit ids.
    """

    unit_id: str
    score: Decimal
    rank: int
    corrections: tuple[Correction, ...] = ()


@dataclass(frozen=True)
class Passage:
    """Where in a unit the answer stands: the best of its spans, and the words in it that match.

    `span` and `matches` count code points of the unit's text.
    """

    span: Span
    matches: tuple[Span, ...] = ()


@dataclass(frozen=True)
class StageScores:
    """A hit's score at every stage; None where the stage did not see the unit."""

    lexical: Decimal | None = None
    dense: Decimal | None = None
    fused: Decimal | None = None
    rerank: Decimal | None = None


@dataclass(frozen=True)
class Hit:
    """A unit that answers; `passage` is None only before it was looked for."""

    unit_id: str
    score: Decimal
    method: str
    scores: StageScores = field(default_factory=StageScores)
    passage: Passage | None = None
    corrections: tuple[Correction, ...] = ()


@dataclass(frozen=True)
class Found:
    """The hits of each query, best first, and what they name, each once.

    `units` are (source id, unit). `mode` is the one used, `mode_reason` why it is not the one asked for.
    `units_without_vector` counts the units in scope that only their words can find.
    """

    hits: tuple[tuple[Hit, ...], ...]
    units: tuple[tuple[str, Unit], ...]
    sources: tuple[Source, ...]
    mode: Mode = Mode.LEXICAL
    mode_reason: str = ""
    vectors: VectorSearch = VectorSearch.NONE
    units_without_vector: int = 0
