"""Giving each hit its passage: what to quote of it, and which words to mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lace_ingest.app.ports import Caller, UnitOfWork
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.retrieval.hits import Correction, Hit
from lace_ingest.domain.retrieval.passages import Lexemes, best_passage, matching, words_of
from lace_ingest.domain.retrieval.query import Query

Languages = Mapping[str, str]
"""The language of each source, by its id."""


async def with_passages(
    work: UnitOfWork,
    caller: Caller,
    queries: Sequence[Query],
    hits: Sequence[Sequence[Hit]],
    units: Sequence[tuple[str, Unit]],
    languages: Languages,
) -> tuple[tuple[Hit, ...], ...]:
    """The hits of each query with their passages; `units` are those that they name."""
    words: dict[str, set[str]] = {}
    for source_id, unit in units:
        words.setdefault(languages.get(source_id, ""), set()).update(words_of(unit.text))
    texts = [query.text for query in queries]
    known = {
        language: await work.lexical.lexemes(caller.tenant_id, language, {*found, *texts})
        for language, found in words.items()
    }
    named = {unit.unit_id: (languages.get(source_id, ""), unit) for source_id, unit in units}
    marked: dict[tuple[str, str, tuple[Correction, ...]], Lexemes] = {}

    def shown(query: Query, hit: Hit) -> Hit:
        language, unit = named[hit.unit_id]
        key = (query.text, language, hit.corrections)
        if key not in marked:
            lexemes = known[language]
            marked[key] = matching(lexemes, lexemes[query.text] | {one.taken_for for one in hit.corrections})
        return replace(hit, passage=best_passage(unit, marked[key]))

    return tuple(tuple(shown(query, hit) for hit in found) for query, found in zip(queries, hits, strict=True))
