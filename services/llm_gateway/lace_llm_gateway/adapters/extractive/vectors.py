"""Sparse term vectors, their likeness, and how central each text is among the others."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

Vector = Mapping[str, float]

_DAMPING = 0.85
_ROUNDS = 12
_WEAKEST = 0.05


class TermSpace:
    """Weighs terms by how few of the given texts hold them: what is everywhere tells nothing apart.

    That is also what stands in for stop words in languages of which no list is kept.
    """

    def __init__(self, texts: Iterable[Iterable[str]]) -> None:
        counts: Counter[str] = Counter()
        size = 0
        for terms in texts:
            counts.update(set(terms))
            size += 1
        self._rarity = {term: math.log((size + 1) / (count + 0.5)) for term, count in counts.items()}
        self._unseen = math.log((size + 1) / 0.5)

    def rarity(self, term: str) -> float:
        """The weight of a term; never negative."""
        return max(0.0, self._rarity.get(term, self._unseen))

    def vector(self, weighted: Iterable[str] | Mapping[str, float]) -> dict[str, float]:
        """The unit vector of terms, or of terms with weights of their own."""
        counts = weighted if isinstance(weighted, Mapping) else Counter(weighted)
        raw = {term: math.log1p(count) * self.rarity(term) for term, count in counts.items()}
        return unit(raw)


def unit(raw: Mapping[str, float]) -> dict[str, float]:
    """The same direction at length 1; empty stays empty."""
    length = math.sqrt(sum(value * value for value in raw.values()))
    return {term: value / length for term, value in raw.items() if value} if length else {}


def cosine(one: Vector, other: Vector) -> float:
    """Likeness of two unit vectors, 0 to 1."""
    if len(one) > len(other):
        one, other = other, one
    return sum(value * other[term] for term, value in one.items() if term in other)


def centroid(vectors: Sequence[Vector]) -> dict[str, float]:
    """The direction that vectors share."""
    total: dict[str, float] = defaultdict(float)
    for vector in vectors:
        for term, value in vector.items():
            total[term] += value
    return unit(total)


def centrality(vectors: Sequence[Vector]) -> list[float]:
    """How strongly each text is tied to the others (a random walk over their likeness), best 1, none 0."""
    links = _links(vectors)
    degrees = [sum(weights.values()) for weights in links]
    size = len(vectors)
    if not any(degrees):
        return [0.0] * size
    rank = [1.0 / size] * size
    for _ in range(_ROUNDS):
        flow = [(1 - _DAMPING) / size] * size
        for place, weights in enumerate(links):
            if degrees[place]:
                share = _DAMPING * rank[place] / degrees[place]
                for other, weight in weights.items():
                    flow[other] += share * weight
        rank = flow
    top = max(rank)
    return [value / top for value in rank]


def _links(vectors: Sequence[Vector]) -> list[dict[int, float]]:
    """Pairs that share a term, found through an inverted index, with their likeness where it is not negligible."""
    holders: dict[str, list[tuple[int, float]]] = defaultdict(list)
    links: list[dict[int, float]] = [{} for _ in vectors]
    for place, vector in enumerate(vectors):
        likeness: dict[int, float] = defaultdict(float)
        for term, value in vector.items():
            for other, its in holders[term]:
                likeness[other] += value * its
            holders[term].append((place, value))
        for other, weight in likeness.items():
            if weight > _WEAKEST:
                links[place][other] = links[other][place] = weight
    return links
