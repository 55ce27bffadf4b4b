"""Features of words by which a few candidates are put into order: what of the query each holds, how rare, how near.

A deterministic function of the texts: no model, no index. The rarity of a word is taken among the candidates, which are
alike already, so that what tells them apart counts. On the collections of docs/benchmarks.md that is better than the
rarity among all units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from lace_ingest.domain.retrieval.fusion import rounded
from lace_ingest.domain.retrieval.words import stems

_Key = TypeVar("_Key")
# Shares of the score; they were fixed on one collection together with the weights in the settings.
COVERAGE, BIGRAMS, PROXIMITY = 0.2, 0.2, 0.6
NEAR = 25
"""Words that count as near each other."""


@dataclass(frozen=True)
class Document:
    """A candidate's text and the headings above it."""

    text: str
    headings: tuple[str, ...] = ()


def features(query: str, documents: Sequence[Document], section_boost: float = 0.0) -> list[Decimal]:
    """A score between 0 and 1 for each document; `section_boost` is the share that its headings have of it."""
    asked = stems(query)
    texts = [stems(document.text) for document in documents]
    headings = [frozenset(stems(" ".join(document.headings))) for document in documents]
    rarities = _rarities(asked, [frozenset(text).union(heads) for text, heads in zip(texts, headings, strict=True)])
    pairs = {pair: rarities[pair[0]] + rarities[pair[1]] for pair in pairwise(asked)}
    total, total_of_pairs = math.fsum(rarities.values()), math.fsum(pairs.values())
    if not total:
        return [Decimal(0)] * len(documents)

    def score(text: Sequence[str], heads: frozenset[str]) -> float:
        words = {word for word in text if word in rarities}
        covered = _sum(rarities, words | (heads & rarities.keys())) / total
        paired = _sum(pairs, set(pairwise(text)) & pairs.keys()) / total_of_pairs if total_of_pairs else covered
        said = COVERAGE * covered + BIGRAMS * paired + PROXIMITY * _nearest(text, rarities) / total
        return (1 - section_boost) * said + section_boost * _sum(rarities, heads & rarities.keys()) / total

    return [rounded(score(text, heads)) for text, heads in zip(texts, headings, strict=True)]


def _rarities(asked: Sequence[str], documents: Sequence[frozenset[str]]) -> dict[str, float]:
    """idf = ln(1 + (n − m + ½) / (m + ½)) of each word that m of the n documents hold; a word in none has no say."""
    found: dict[str, float] = {}
    for word in sorted(set(asked)):
        holding = sum(1 for words in documents if word in words)
        found[word] = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5)) if holding else 0.0
    return found


def _nearest(text: Sequence[str], rarities: Mapping[str, float]) -> float:
    """The most that the words of the query weigh which stand within `NEAR` words of each other, each counted once."""
    places = [(place, word) for place, word in enumerate(text) if word in rarities]
    held: dict[str, int] = {}
    best, first = 0.0, 0
    for place, word in places:
        held[word] = held.get(word, 0) + 1
        while place - places[first][0] > NEAR:
            left = places[first][1]
            held[left] -= 1
            if not held[left]:
                del held[left]
            first += 1
        best = max(best, _sum(rarities, held))
    return best


def _sum(weights: Mapping[_Key, float], keys: Iterable[_Key]) -> float:
    """In one order whatever that of the keys, so that the last bit is the same."""
    return math.fsum(weights[key] for key in keys)
