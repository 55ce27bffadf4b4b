"""Units by their words in Postgres: candidates, with the words that were taken for misspelt ones, and lexemes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from lace_ingest.adapters.retrieval.lexical_guesses import guess
from lace_ingest.adapters.retrieval.lexical_postings import (
    BLOCK_UNITS,
    configuration_of,
    planned,
)
from lace_ingest.adapters.retrieval.lexical_ranking import ranking
from lace_ingest.adapters.retrieval.search_scope import scope_parameters
from lace_ingest.domain.retrieval.bm25 import score_of
from lace_ingest.domain.retrieval.hits import Candidate, Correction
from lace_ingest.domain.retrieval.passages import words_of
from lace_ingest.domain.retrieval.query import Query, Scope
from lace_platform.db.transaction import Transaction

_LONGEST_WORD = 40

_SEARCH = {(of_kind, many): ranking(of_kind, many) for of_kind in (False, True) for many in (False, True)}
# Which of the units hold which of the lexemes.
_HOLDING = f"""
    SELECT DISTINCT unit.unit_id, posting.lexeme
    FROM unnest(CAST(:unit_ids AS text[])) AS found(unit_id)
    CROSS JOIN LATERAL (
        SELECT * FROM ingest.source_units AS unit
        WHERE unit.tenant_id = :tenant_id AND unit.unit_id = found.unit_id OFFSET 0) AS unit
    CROSS JOIN LATERAL (
        SELECT block.block_id FROM ingest.lexical_blocks AS block
        WHERE block.tenant_id = :tenant_id AND block.source_id = unit.source_id
          AND block.extraction = unit.extraction AND block.part = unit.place / {BLOCK_UNITS} OFFSET 0) AS block
    CROSS JOIN unnest(CAST(:lexemes AS text[])) AS wanted(lexeme)
    CROSS JOIN LATERAL (
        SELECT posting.lexeme, posting.entries FROM ingest.lexical_postings AS posting
        WHERE posting.tenant_id = :tenant_id AND posting.lexeme = wanted.lexeme AND posting.block_id = block.block_id
        OFFSET 0) AS posting
    CROSS JOIN LATERAL unnest(posting.entries) AS entry
    WHERE entry & {BLOCK_UNITS - 1} = unit.place % {BLOCK_UNITS}
"""
_LEXEMES = """
    SELECT tsvector_to_array(to_tsvector(CAST(:configuration AS regconfig), ingest.lexical_text(given.text))) AS lexemes
    FROM unnest(CAST(:texts AS text[])) WITH ORDINALITY AS given(text, at)
    ORDER BY at
"""


Found = list[list[Candidate]]


class LexemeMemory:
    """The lexemes of words by configuration: a pure function that costs a trip, kept for as many as come again."""

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._known: dict[str, dict[str, frozenset[str]]] = {}

    def known(self, configuration: str, texts: Collection[str]) -> dict[str, frozenset[str]]:
        """Those of these texts that are kept."""
        known = self._known.get(configuration, {})
        return {text: known[text] for text in texts if text in known}

    def keep(self, configuration: str, found: Mapping[str, frozenset[str]]) -> None:
        """Keep words; a long text is none."""
        known = self._known.setdefault(configuration, {})
        if len(known) > self._most:
            known.clear()
        known.update((text, lexemes) for text, lexemes in found.items() if len(text) <= _LONGEST_WORD)


class PostgresLexicalIndex:
    """Tables ingest.lexical_blocks, _postings and _trigrams; see app.ports.LexicalIndex."""

    def __init__(self, tx: Transaction, memory: LexemeMemory) -> None:
        self._tx = tx
        self._memory = memory

    async def candidates(
        self, tenant_id: str, scope: Scope, queries: Sequence[Query], depth: int
    ) -> Sequence[Sequence[Candidate]]:
        """All queries in one statement, and in a second one where words are unknown but near known ones."""
        async with planned(self._tx):
            return await self._candidates(tenant_id, scope, queries, depth)

    async def _candidates(self, tenant_id: str, scope: Scope, queries: Sequence[Query], depth: int) -> Found:
        where = scope_parameters(tenant_id, scope)
        asked = {
            "texts": [query.text.replace("\x00", " ") for query in queries],
            "kinds": sorted(kind.value for kind in scope.filters.kinds),
            "depth": depth,
            **where,
        }
        found, missing, present = await self._search(asked, [{} for _ in queries])
        if not any(missing):
            return found
        corrections = await self._corrections(where, queries, missing, present)
        if not any(corrections):
            return found
        found, *_ = await self._search(asked, corrections)
        return await self._explained(tenant_id, found, corrections)

    async def _search(
        self, asked: Mapping[str, Any], corrections: Sequence[Mapping[str, str]]
    ) -> tuple[Found, list[set[str]], Sequence[str]]:
        """The candidates of each query, and its lexemes that stand nowhere; if any, the configurations in scope."""
        added = [(at, lexeme) for at, taken in enumerate(corrections, 1) for lexeme in sorted(set(taken.values()))]
        parameters = {**asked, "added_at": [at for at, _ in added], "added": [lexeme for _, lexeme in added]}
        found: Found = [[] for _ in corrections]
        missing: list[set[str]] = [set() for _ in corrections]
        present: Sequence[str] = ()
        for row in await self._tx.fetch_all(_SEARCH[bool(asked["kinds"]), len(corrections) > 1], parameters):
            if row.unit_id is None:
                missing[row.at - 1].add(row.missing)
                present = row.present
            else:
                found[row.at - 1].append(Candidate(row.unit_id, score_of(row.score), row.rank))
        return found, missing, sorted(present)

    async def _corrections(
        self, where: Mapping[str, Any], queries: Sequence[Query], missing: Sequence[Set[str]], present: Sequence[str]
    ) -> list[dict[str, str]]:
        """For each query the lexemes taken for its words of which none, by any language in scope, is there."""
        words = [words_of(query.text) if lost else set() for query, lost in zip(queries, missing, strict=True)]
        every = set().union(*words)
        stems: dict[str, set[str]] = {word: set() for word in every}
        for configuration in present:
            for word, lexemes in (await self._lexemes(configuration, every)).items():
                stems[word] |= lexemes
        unknown = [
            {word for word in found if stems[word] and stems[word] <= lost}
            for found, lost in zip(words, missing, strict=True)
        ]
        guesses = await guess(self._tx, where, {stem for found in unknown for word in found for stem in stems[word]})
        return [
            {
                word: taken[0]
                for word in sorted(found)
                if (taken := sorted(guesses[s] for s in stems[word] & set(guesses)))
            }
            for found in unknown
        ]

    async def _explained(self, tenant_id: str, found: Found, corrections: Sequence[Mapping[str, str]]) -> Found:
        """The candidates, each with the corrections of which it holds the lexeme."""
        parameters = {
            "tenant_id": tenant_id,
            "unit_ids": sorted({one.unit_id for each in found for one in each}),
            "lexemes": sorted({lexeme for taken in corrections for lexeme in taken.values()}),
        }
        rows = await self._tx.fetch_all(_HOLDING, parameters)
        holding = {(row.unit_id, row.lexeme) for row in rows}
        return [
            [
                replace(
                    one,
                    corrections=tuple(
                        Correction(word, lexeme) for word, lexeme in taken.items() if (one.unit_id, lexeme) in holding
                    ),
                )
                for one in each
            ]
            for each, taken in zip(found, corrections, strict=True)
        ]

    async def lexemes(self, tenant_id: str, language: str, texts: Collection[str]) -> Mapping[str, frozenset[str]]:
        """As to_tsvector has them, those of words out of memory where they have come before."""
        return await self._lexemes(configuration_of(language), texts)

    async def _lexemes(self, configuration: str, texts: Collection[str]) -> Mapping[str, frozenset[str]]:
        known = self._memory.known(configuration, texts)
        new = sorted(set(texts) - known.keys())
        if not new:
            return known
        parameters = {"configuration": configuration, "texts": [text.replace("\x00", " ") for text in new]}
        rows = await self._tx.fetch_all(_LEXEMES, parameters)
        found = {text: frozenset(row.lexemes) for text, row in zip(new, rows, strict=True)}
        self._memory.keep(configuration, found)
        return known | found
