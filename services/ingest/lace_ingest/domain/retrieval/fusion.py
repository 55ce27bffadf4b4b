"""One order out of several: reciprocal ranks, and a weighted sum of scores that were brought to one scale.

Reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009) needs no scores, and so cannot tell a clear best from one
among equals: where questions are worded like the text it is worse than the words alone. The weighted sum keeps what
scores say: words by the best of the query, cosines by the span from the least to the best among the candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

from lace_ingest.domain.retrieval.hits import Candidate

PER_MILLE = 1000
_MICRO = 1_000_000


class Fusion(StrEnum):
    """How two orders become one."""

    WEIGHTED = "weighted"
    RECIPROCAL_RANK = "reciprocal_rank"


def rounded(score: float) -> Decimal:
    """A score with six fractional digits, as all are compared."""
    return Decimal(round(score * _MICRO)).scaleb(-6)


def best_first(scores: Mapping[str, Decimal]) -> list[str]:
    """Unit ids by falling score, of equals the lesser id."""
    return sorted(scores, key=lambda unit_id: (-scores[unit_id], unit_id))


def ranked(scores: Mapping[str, Decimal]) -> list[Candidate]:
    """The same with their ranks, from 1."""
    return [Candidate(unit_id, scores[unit_id], rank) for rank, unit_id in enumerate(best_first(scores), 1)]


def reciprocal_rank(stages: Iterable[Sequence[Candidate]], k: int) -> dict[str, Decimal]:
    """Σ 1 / (k + rank) over the stages that found a unit."""
    found: dict[str, float] = {}
    for stage in stages:
        for candidate in stage:
            found[candidate.unit_id] = found.get(candidate.unit_id, 0.0) + 1 / (k + candidate.rank)
    return {unit_id: rounded(score) for unit_id, score in found.items()}


def weighted(
    lexical: Mapping[str, Decimal], dense: Mapping[str, Decimal], unit_ids: Iterable[str], dense_weight: int
) -> dict[str, Decimal]:
    """(1 − w) · words + w · cosine, each between 0 and 1, with w in thousandths.

    A unit without words of the query has 0 for them. One that has no vector yet is not held to be far away: its words
    speak for both.
    """
    words, cosines = _by_the_best(lexical), _by_the_span(dense)
    weight = dense_weight / PER_MILLE
    found: dict[str, Decimal] = {}
    for unit_id in unit_ids:
        word = words.get(unit_id, 0.0)
        found[unit_id] = rounded((1 - weight) * word + weight * cosines.get(unit_id, word))
    return found


def blended(fused: Mapping[str, Decimal], rerank: Mapping[str, Decimal], rerank_weight: int) -> dict[str, Decimal]:
    """(1 − w) · fused + w · rerank; a unit that was not reranked has 0 for it."""
    weight = Decimal(rerank_weight) / PER_MILLE
    return {
        unit_id: ((1 - weight) * score + weight * rerank.get(unit_id, Decimal(0))).quantize(Decimal("0.000001"))
        for unit_id, score in fused.items()
    }


def spanned(scores: Mapping[str, float]) -> dict[str, Decimal]:
    """Scores on a scale of their own brought to that from 0 to 1."""
    return {unit_id: rounded(share) for unit_id, share in _by_the_span(scores).items()}


def _by_the_best(scores: Mapping[str, Decimal]) -> dict[str, float]:
    best = float(max(scores.values(), default=Decimal(0)))
    return {unit_id: float(score) / best if best > 0 else 0.0 for unit_id, score in scores.items()}


def _by_the_span(scores: Mapping[str, Decimal] | Mapping[str, float]) -> dict[str, float]:
    numbers = {unit_id: float(score) for unit_id, score in scores.items()}
    least, best = min(numbers.values(), default=0.0), max(numbers.values(), default=0.0)
    return {unit_id: (number - least) / (best - least) if best > least else 1.0 for unit_id, number in numbers.items()}
