"""Searching: candidates, and the answer made of the hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lace_core.errors import LaceError
from lace_core.settings import check_values
from lace_ingest.app.model_ports import ModelCall
from lace_ingest.app.ports import Caller, Ingest, UnitOfWork
from lace_ingest.app.retrieval.dense import Questions, embed_questions
from lace_ingest.app.retrieval.quoting import with_passages
from lace_ingest.app.retrieval.ranking import Stages, find, hits_of, reranked
from lace_ingest.app.retrieval.scoping import scope_of
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.retrieval.bm25 import METHOD
from lace_ingest.domain.retrieval.hits import Candidate, Found, Hit, StageScores
from lace_ingest.domain.retrieval.policy import Policy, policy_of
from lace_ingest.domain.retrieval.query import Mode, Query, Scope, Search, VectorSearch

_BY_SETTING = "The setting retrieval.mode says so."


async def search(ingest: Ingest, caller: Caller, asked: Search) -> Found:
    """The best units for each query among those that the caller may see and the filters let through.

    Raises BUNDLE_NOT_FOUND, BUNDLE_EMPTY, and SETTING_* for settings that a request cannot change.
    """
    scope = await scope_of(ingest, caller, asked.filters)
    if asked.mode is Mode.LEXICAL:
        return await _by_words(ingest, caller, scope, asked, "")
    settings = await _settings(ingest, caller, asked)
    policy = policy_of(settings)
    mode = policy.mode if asked.mode is Mode.AUTO else asked.mode
    if mode is Mode.LEXICAL:
        return await _by_words(ingest, caller, scope, asked, _BY_SETTING)
    questions = await embed_questions(ingest, caller, scope, asked, settings, policy)
    return await _in_stages(ingest, caller, scope, asked, mode, questions, settings, policy)


async def _by_words(ingest: Ingest, caller: Caller, scope: Scope, asked: Search, reason: str) -> Found:
    """BM25 and nothing behind it: the same units, the same answer, whatever vectors and models there are."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        depth = max(query.limit for query in asked.queries)
        candidates = await work.lexical.candidates(caller.tenant_id, scope, asked.queries, depth)
        hits = [_hits(query, found) for query, found in zip(asked.queries, candidates, strict=True)]
        units = await work.units.get(caller.tenant_id, _named(hits))
        return await _found(work, caller, asked, hits, units, Mode.LEXICAL, reason)


async def _in_stages(
    ingest: Ingest,
    caller: Caller,
    scope: Scope,
    asked: Search,
    mode: Mode,
    questions: Questions,
    settings: Mapping[str, Any],
    policy: Policy,
) -> Found:
    """Candidates, fused, ordered once more and spread; no transaction is open while a model is asked."""
    used = Mode.LEXICAL if questions.embedded is None else Mode.HYBRID if mode is Mode.AUTO else mode
    async with ingest.units_of_work(caller.tenant_id) as work:
        stages, vectors = await find(work, caller, scope, asked.queries, questions.embedded, used, policy)
        units = {unit.unit_id: (source_id, unit) for source_id, unit in await _best(work, caller, stages, policy)}
    reason = questions.reason
    if used is not Mode.DENSE:
        call = ModelCall(caller, settings, policy.timeout_s, run_id=asked.run_id)
        reranker = ingest.models.reranker if ingest.models else None
        stages, without = await reranked(reranker, call, stages, units, policy)
        reason = " ".join(filter(None, (reason, without)))
    hits = [hits_of(one, units, policy) for one in stages]
    async with ingest.units_of_work(caller.tenant_id) as work:
        named = [units[unit_id] for unit_id in _named(hits)]
        return await _found(work, caller, asked, hits, named, used, reason, vectors, questions.units_without_vector)


async def _best(
    work: UnitOfWork, caller: Caller, stages: Sequence[Stages], policy: Policy
) -> Sequence[tuple[str, Unit]]:
    """The units that may come into the answer."""
    wanted = [unit_id for one in stages for unit_id in one.best(max(policy.rerank_depth, one.query.limit))]
    return await work.units.get(caller.tenant_id, list(dict.fromkeys(wanted)))


async def _found(
    work: UnitOfWork,
    caller: Caller,
    asked: Search,
    hits: Sequence[Sequence[Hit]],
    units: Sequence[tuple[str, Unit]],
    mode: Mode,
    reason: str,
    vectors: VectorSearch = VectorSearch.NONE,
    units_without_vector: int = 0,
) -> Found:
    source_ids = sorted({source_id for source_id, _ in units})
    sources = await work.sources.ready(caller.tenant_id, caller.labels, source_ids) if source_ids else ()
    languages = {source.source_id: source.language for source in sources}
    shown = await with_passages(work, caller, asked.queries, hits, units, languages) if asked.quoted else hits
    return Found(
        hits=tuple(map(tuple, shown)),
        units=tuple(units),
        sources=tuple(sources),
        mode=mode,
        mode_reason=reason,
        vectors=vectors,
        units_without_vector=units_without_vector,
    )


async def _settings(ingest: Ingest, caller: Caller, asked: Search) -> Mapping[str, Any]:
    """A run's pinned ones, or what holds for the caller now with what the request changes.

    Where control is away this process's own hold. Raises SETTING_* for what a request cannot change.
    """
    defaults = ingest.models.defaults if ingest.models else {}
    if asked.run_id and asked.settings:
        return {**defaults, **asked.settings}
    given = check_values(asked.settings, "request")
    try:
        stored = await ingest.models.settings.of(caller.tenant_id, caller.principal_id) if ingest.models else defaults
    except LaceError:
        stored = defaults
    return {**stored, **given}


def _hits(query: Query, candidates: Sequence[Candidate]) -> list[Hit]:
    return [
        Hit(one.unit_id, one.score, METHOD, StageScores(lexical=one.score), corrections=one.corrections)
        for one in candidates[: query.limit]
    ]


def _named(hits: Sequence[Sequence[Hit]]) -> list[str]:
    return list(dict.fromkeys(hit.unit_id for found in hits for hit in found))
