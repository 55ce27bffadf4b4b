"""Units by their words in memory, behind the same port as Postgres; words are compared as they stand, unstemmed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from lace_ingest.domain.documents import Unit
from lace_ingest.domain.retrieval.bm25 import HEADING_WEIGHT, TITLE_WEIGHT, rarity, score_of, share
from lace_ingest.domain.retrieval.hits import Candidate
from lace_ingest.domain.retrieval.query import Query, Scope
from lace_ingest.domain.sources import Source

_WORD = re.compile(r"\w+")
_STOP = frozenset("a an and are as at be by for in is it of on or that the this to was were with".split())


class Scoped(Protocol):
    """What the index needs of the sources."""

    def in_scope(self, tenant_id: str, scope: Scope) -> Sequence[Source]:
        """The sources that a search may see."""


class Present(Protocol):
    """What the index needs of the units."""

    def present(self, tenant_id: str, source: Source) -> Sequence[Unit]:
        """Units of the source's present extraction."""


class MemoryLexicalIndex:
    """See app.ports.LexicalIndex."""

    def __init__(self, sources: Scoped, units: Present) -> None:
        self._sources = sources
        self._units = units

    async def candidates(
        self, tenant_id: str, scope: Scope, queries: Sequence[Query], depth: int
    ) -> Sequence[Sequence[Candidate]]:
        """BM25 over all units in scope."""
        found = [
            (source, unit)
            for source in self._sources.in_scope(tenant_id, scope)
            for unit in self._units.present(tenant_id, source)
        ]
        weights = [_weights(source, unit) for source, unit in found]
        lengths = [len(_words_of(source, unit)) for source, unit in found]
        units = [unit for _, unit in found]
        return [_best(set(words_of(query.text)), units, weights, lengths, scope, depth) for query in queries]

    async def lexemes(self, tenant_id: str, language: str, texts: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The words of each text."""
        return {text: frozenset(words_of(text)) for text in texts}


def words_of(text: str) -> list[str]:
    """The words of a text that are looked for."""
    return [word for word in _WORD.findall(text.lower()) if word not in _STOP]


def _best(
    words: set[str],
    units: Sequence[Unit],
    weights: Sequence[Mapping[str, float]],
    lengths: Sequence[int],
    scope: Scope,
    depth: int,
) -> list[Candidate]:
    scores = _scores(words, weights, lengths)
    kinds = scope.filters.kinds
    ranked = sorted(
        (at for at, score in scores.items() if score and (not kinds or units[at].kind in kinds)),
        key=lambda at: (-scores[at], units[at].unit_id),
    )
    return [Candidate(units[at].unit_id, score_of(scores[at]), rank) for rank, at in enumerate(ranked[:depth], 1)]


def _scores(words: set[str], weights: Sequence[Mapping[str, float]], lengths: Sequence[int]) -> Mapping[int, int]:
    """The score in millionths of each unit that holds a word, by its place."""
    mean = max(sum(lengths) / max(len(lengths), 1), 1.0)
    scores: Counter[int] = Counter()
    for word in words:
        holding = [at for at, found in enumerate(weights) if word in found]
        idf = rarity(len(weights), len(holding))
        for at in holding:
            scores[at] += share(idf, weights[at][word], lengths[at], mean)
    return scores


def _headings(unit: Unit) -> str:
    return " ".join((*unit.heading_path, unit.table.caption if unit.table else ""))


def _words_of(source: Source, unit: Unit) -> list[str]:
    return [*words_of(unit.text), *words_of(_headings(unit)), *words_of(source.title)]


def _weights(source: Source, unit: Unit) -> dict[str, float]:
    weights: dict[str, float] = {}
    for text, weight in ((unit.text, 1.0), (_headings(unit), HEADING_WEIGHT), (source.title, TITLE_WEIGHT)):
        for word in words_of(text):
            weights[word] = weights.get(word, 0.0) + weight
    return weights
