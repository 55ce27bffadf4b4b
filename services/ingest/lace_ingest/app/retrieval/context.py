"""Building a context: units found for each topic, counted as the model counts, and chosen under the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from lace_core.context import Candidate, LeftOut, Selection, Why, select
from lace_core.errors import LaceError, Reason
from lace_core.planning import Hit, relevance
from lace_ingest.app.model_ports import ModelCall
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.app.retrieval.search import search
from lace_ingest.domain.contexts import Asked, Context, Located, Passage, coverage_of, passage_text, too_small
from lace_ingest.domain.likeness import near_duplicates
from lace_ingest.domain.retrieval.hits import Found
from lace_ingest.domain.retrieval.query import Query, Search

_TIMEOUT_S = 60.0


async def build_context(ingest: Ingest, caller: Caller, asked: Asked) -> Context:
    """The units that cover the topics within the budget.

    Raises CONTEXT_BUDGET_TOO_SMALL where units were found and not one fits, and what search and count raise.
    """
    if ingest.models is None:
        raise LaceError(Reason.SERVICE_UNAVAILABLE, "No model gateway is known, and it counts the tokens.")
    settings = await ingest.models.settings.of(caller.tenant_id, caller.principal_id)
    depth = asked.depth or int(settings["retrieval.context_units"])
    queries = tuple(Query(topic.key, asked.texts[topic.key], depth) for topic in asked.topics)
    found = await search(ingest, caller, Search(queries, asked.filters, asked.mode, quoted=False))
    located = _located(queries, found)
    copies = await asyncio.to_thread(_duplicates, located, int(settings["retrieval.context_likeness"]))
    kept = _joined(located, copies)
    widest = 9 if not kept else int("9" * len(str(len(kept))))
    texts = [passage_text(widest, each.source, each.unit) for each in located]
    call = ModelCall(caller, settings, _TIMEOUT_S)
    counted = await ingest.models.tokens.count(call, texts, provider=asked.provider, model=asked.model)
    sizes = {each.unit.unit_id: size for each, size in zip(located, counted.tokens, strict=True)}
    least = int(settings["retrieval.context_relevance"]) if asked.least is None else asked.least
    candidates = [Candidate(each.unit.unit_id, sizes[each.unit.unit_id], each.relevance) for each in kept]
    chosen = await asyncio.to_thread(select, asked.topics, candidates, asked.budget, least=least)
    _refuse_nothing(chosen, asked.budget)
    by_topic = {
        topic.key: [each.tokens for each in candidates if _matches(each, topic.key, least)] for topic in asked.topics
    }
    smallest = {key: min(tokens) for key, tokens in by_topic.items() if tokens}
    return Context(
        passages=_passages(located, chosen),
        left_out=_left_out(located, copies, sizes, chosen),
        coverage=coverage_of(asked.topics, _counts(queries, found), chosen.covered, smallest),
        tokens=chosen.tokens,
        budget=asked.budget,
        count_method=counted.method,
        mode=found.mode,
        mode_reason=found.mode_reason,
    )


def _located(queries: Sequence[Query], found: Found) -> list[Located]:
    """Every unit that was found, in the order of sources and places."""
    sources = {source.source_id: source for source in found.sources}
    units = {unit.unit_id: (unit, sources[source_id]) for source_id, unit in found.units if source_id in sources}
    scores: dict[str, dict[str, tuple[str, str]]] = {unit_id: {} for unit_id in units}
    shares: dict[str, dict[str, int]] = {unit_id: {} for unit_id in units}
    for query, hits in zip(queries, found.hits, strict=True):
        known = [hit for hit in hits if hit.unit_id in units]
        ranked = [Hit(hit.unit_id, max(0, round(hit.score * 1_000_000)), hit.method) for hit in known]
        for hit in known:
            scores[hit.unit_id][query.key] = (format(hit.score, ".6f"), hit.method)
        for unit_id, (share, _) in relevance([ranked]).items():
            shares[unit_id][query.key] = share
    located = [Located(unit, source, scores[key], shares[key]) for key, (unit, source) in units.items()]
    return sorted(located, key=lambda each: (each.source.filename, each.source.source_id, each.unit.order))


def _duplicates(located: Sequence[Located], likeness: int) -> Mapping[str, str]:
    """By the id of each unit that repeats another that of the other: the one that matches a topic best, else the first.

    The same words in two kinds of units (a heading's list, a table) are the same words.
    """
    best = sorted(range(len(located)), key=lambda at: (-max(located[at].relevance.values(), default=0), at))
    copies = near_duplicates([located[at].unit.text for at in best], likeness)
    ids = [located[at].unit.unit_id for at in best]
    return {ids[copy]: ids[first] for copy, first in copies.items()}


def _joined(located: Sequence[Located], copies: Mapping[str, str]) -> list[Located]:
    """The units without copies; each matches a topic as well as the best of its copies does."""
    shares = {each.unit.unit_id: dict(each.relevance) for each in located}
    for copy, first in copies.items():
        for key, share in shares[copy].items():
            shares[first][key] = max(share, shares[first].get(key, 0))
    return [
        Located(each.unit, each.source, each.scores, shares[each.unit.unit_id])
        for each in located
        if each.unit.unit_id not in copies
    ]


def _refuse_nothing(chosen: Selection, budget: int) -> None:
    wanted = [each.tokens for each in chosen.left_out if each.why is Why.BUDGET]
    if wanted and not chosen.taken:
        raise too_small(min(wanted), budget)


def _matches(candidate: Candidate, key: str, least: int) -> bool:
    return candidate.relevance.get(key, 0) >= max(1, least)


def _counts(queries: Sequence[Query], found: Found) -> dict[str, int]:
    return {query.key: len(hits) for query, hits in zip(queries, found.hits, strict=True)}


def _passages(located: Sequence[Located], chosen: Selection) -> tuple[Passage, ...]:
    by_id = {each.unit.unit_id: each for each in located}
    found: list[Passage] = []
    for number, taken in enumerate(chosen.taken, 1):
        own = by_id[taken.unit_id]
        found.append(Passage(number, own, taken, passage_text(number, own.source, own.unit)))
    return tuple(found)


def _left_out(
    located: Sequence[Located], copies: Mapping[str, str], sizes: Mapping[str, int], chosen: Selection
) -> tuple[tuple[LeftOut, Located], ...]:
    """Everything that was found and is not in the context, the best first."""
    by_id = {each.unit.unit_id: each for each in located}
    left = [*chosen.left_out, *(_copy(by_id[copy], first, sizes[copy]) for copy, first in copies.items())]
    places = {unit_id: place for place, unit_id in enumerate(by_id)}
    left.sort(key=lambda each: (-each.relevance, places[each.unit_id]))
    return tuple((each, by_id[each.unit_id]) for each in left)


def _copy(located: Located, first: str, tokens: int) -> LeftOut:
    key, share = max(located.relevance.items(), key=lambda each: each[1])
    return LeftOut(located.unit.unit_id, Why.DUPLICATE, key, share, tokens, first)
