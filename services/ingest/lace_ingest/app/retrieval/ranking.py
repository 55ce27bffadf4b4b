"""One order for each question: candidates of words and of vectors fused, the best of them ordered once more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from lace_core.errors import LaceError
from lace_ingest.app.model_ports import EmbeddedTexts, ModelCall, Reranker
from lace_ingest.app.ports import Caller, UnitOfWork
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.retrieval import fusion
from lace_ingest.domain.retrieval.bm25 import METHOD
from lace_ingest.domain.retrieval.diversity import diversified
from lace_ingest.domain.retrieval.fusion import Fusion
from lace_ingest.domain.retrieval.hits import Candidate, Hit, StageScores
from lace_ingest.domain.retrieval.policy import Policy, Rerank
from lace_ingest.domain.retrieval.query import Mode, Query, Scope, VectorSearch
from lace_ingest.domain.retrieval.reranking import Document, features
from lace_ingest.domain.retrieval.words import stems

_SIGNS = ".,;:!?\"'()[]"

Units = Mapping[str, tuple[str, Unit]]
"""(source id, unit) by unit id."""


@dataclass(frozen=True)
class Stages:
    """What the stages found for one question; `fused` is the order that they come to before the last one."""

    query: Query
    lexical: Sequence[Candidate]
    dense: Mapping[str, Decimal]
    fused: Mapping[str, Decimal]
    rerank: Mapping[str, Decimal] = field(default_factory=dict)
    method: str = METHOD

    def corrected(self) -> str:
        """The question with the words in it that others were taken for."""
        taken = {one.word.lower(): one.taken_for for found in self.lexical for one in found.corrections}
        words = self.query.text.split()
        return " ".join(taken.get(word.lower().strip(_SIGNS), word) for word in words) if taken else self.query.text

    def best(self, count: int) -> list[str]:
        """The best by what is fused."""
        return fusion.best_first(self.fused)[:count]


async def find(
    work: UnitOfWork,
    caller: Caller,
    scope: Scope,
    queries: Sequence[Query],
    embedded: EmbeddedTexts | None,
    mode: Mode,
    policy: Policy,
) -> tuple[list[Stages], VectorSearch]:
    """The candidates of each question, and how vectors were compared; without vectors by words alone."""
    depth = max(policy.depth, *(query.limit for query in queries))
    tenant_id = caller.tenant_id
    lexical: Sequence[Sequence[Candidate]] = [[] for _ in queries]
    if mode is not Mode.DENSE:
        lexical = await work.lexical.candidates(tenant_id, scope, queries, depth)
    if embedded is None:
        return [_by_words(*pair) for pair in zip(queries, lexical, strict=True)], VectorSearch.NONE
    near = await work.vectors.candidates(tenant_id, scope, embedded.model, embedded.vectors, depth, policy.exact_units)
    nearest = [{one.unit_id: one.score for one in found} for found in near.candidates]
    if mode is Mode.DENSE:
        return [
            Stages(query, (), own, own, method=_told("dense", near.search))
            for query, own in zip(queries, nearest, strict=True)
        ], near.search
    # What words found is as near as it is, whether or not it is among the nearest.
    others = [
        [one.unit_id for one in found if one.unit_id not in own] for found, own in zip(lexical, nearest, strict=True)
    ]
    cosines = await work.vectors.cosines(tenant_id, scope, embedded.model, embedded.vectors, others)
    return [
        _fused(query, words, near.candidates[at], {**nearest[at], **cosines[at]}, policy, _told("hybrid", near.search))
        for at, (query, words) in enumerate(zip(queries, lexical, strict=True))
    ], near.search


def _told(method: str, search: VectorSearch) -> str:
    """A hit says of itself where not every vector was compared: another time it may be another."""
    return f"{method}-approximate" if search is VectorSearch.APPROXIMATE else method


def _by_words(query: Query, lexical: Sequence[Candidate]) -> Stages:
    scores = {one.unit_id: one.score for one in lexical}
    # The best of the question is 1, as in a fused score, so that what comes after weighs the same.
    return Stages(query, lexical, {}, fusion.weighted(scores, {}, scores, 0))


def _fused(
    query: Query,
    lexical: Sequence[Candidate],
    nearest: Sequence[Candidate],
    cosines: Mapping[str, Decimal],
    policy: Policy,
    method: str,
) -> Stages:
    words = {one.unit_id: one.score for one in lexical}
    if policy.fusion is Fusion.RECIPROCAL_RANK:
        ranks = fusion.reciprocal_rank((lexical, nearest), policy.rank_constant)
        scores = dict(fusion.spanned({unit_id: float(score) for unit_id, score in ranks.items()}))
    else:
        scores = fusion.weighted(words, cosines, {**words, **cosines}, policy.dense_weight)
    return Stages(query, lexical, cosines, scores, method=method)


def by_features(found: Sequence[Stages], units: Units, policy: Policy) -> list[Stages]:
    """The best of each question with the score of their words' features."""

    def ranked(stages: Stages) -> Stages:
        best = stages.best(policy.rerank_depth)
        scores = features(stages.corrected(), _documents(best, units), policy.section_boost)
        return replace(stages, rerank=dict(zip(best, scores, strict=True)), method=f"{stages.method}+features")

    return [ranked(stages) for stages in found]


async def by_model(
    reranker: Reranker, call: ModelCall, found: Sequence[Stages], units: Units, policy: Policy
) -> list[Stages]:
    """The best of each question with the score of the model, brought to the scale from 0 to 1. Raises LaceError."""

    async def ranked(stages: Stages) -> Stages:
        best = stages.best(policy.rerank_depth)
        if not best:
            return stages
        texts = ["\n".join((*one.headings, one.text)) for one in _documents(best, units)]
        scores = await reranker.rerank(call, stages.query.text, texts)
        rerank = fusion.spanned(dict(zip(best, scores, strict=True)))
        return replace(stages, rerank=rerank, method=f"{stages.method}+model")

    return [await ranked(stages) for stages in found]


async def reranked(
    reranker: Reranker | None, call: ModelCall, found: Sequence[Stages], units: Units, policy: Policy
) -> tuple[list[Stages], str]:
    """The stages with the last one, and a sentence where features took the place of a model."""
    reason = ""
    if policy.rerank is Rerank.MODEL and reranker is not None:
        try:
            async with asyncio.timeout(policy.timeout_s):
                return await by_model(reranker, call, found, units, policy), ""
        except TimeoutError:
            reason = f"The model that reranks did not answer within {policy.timeout_s:g} s; features of words did."
        except LaceError as error:
            reason = f"The model that reranks did not answer ({error.reason.value}); features of words did."
    if policy.rerank is Rerank.OFF:
        return list(found), ""
    if len(found) == 1:
        return by_features(found, units, policy), reason
    return await asyncio.to_thread(by_features, found, units, policy), reason


def hits_of(stages: Stages, units: Units, policy: Policy) -> list[Hit]:
    """The question's hits, best first, those that the limits of diversity put back behind the others."""
    final = fusion.blended(stages.fused, stages.rerank, policy.rerank_weight) if stages.rerank else stages.fused
    known = [unit_id for unit_id in fusion.best_first(final) if unit_id in units]
    sources = {unit_id: units[unit_id][0] for unit_id in known}
    lexical = {one.unit_id: one for one in stages.lexical}

    def words_of(unit_id: str) -> frozenset[str]:
        return frozenset(stems(units[unit_id][1].text))

    return [
        Hit(
            unit_id,
            final[unit_id],
            stages.method,
            StageScores(
                lexical=lexical[unit_id].score if unit_id in lexical else None,
                dense=stages.dense.get(unit_id),
                fused=stages.fused[unit_id],
                rerank=stages.rerank.get(unit_id),
            ),
            corrections=lexical[unit_id].corrections if unit_id in lexical else (),
        )
        for unit_id in diversified(known, words_of, sources, policy.diversity, stages.query.limit)
    ]


def _documents(unit_ids: Sequence[str], units: Units) -> list[Document]:
    return [Document(units[unit_id][1].text, units[unit_id][1].heading_path) for unit_id in unit_ids]
