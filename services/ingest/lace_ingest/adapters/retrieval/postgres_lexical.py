"""Units by their words in Postgres: candidates, with the words that were taken for misspelt ones, and lexemes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lace_ingest.adapters.retrieval.lexical_guesses import guess
from lace_ingest.adapters.retrieval.lexical_postings import BLOCK_UNITS, configuration_of
from lace_ingest.adapters.retrieval.lexical_ranking import ranking
from lace_ingest.adapters.retrieval.planning import plan_as_written
from lace_ingest.adapters.retrieval.search_scope import scope_parameters
from lace_ingest.domain.retrieval.bm25 import score_of
from lace_ingest.domain.retrieval.hits import Candidate, Correction
from lace_ingest.domain.retrieval.passages import words_of
from lace_ingest.domain.retrieval.query import Query, Scope
from lace_platform.db.transaction import Transaction

_LONGEST_WORD = 40

_SEARCH = {of_kind: ranking(of_kind) for of_kind in (False, True)}
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


@dataclass(frozen=True)
class _Searched:
    """What a statement found: candidates, the lexemes that stand nowhere in scope, and all by configuration."""

    candidates: list[Candidate]
    missing: set[str]
    lexemes: dict[str, set[str]]


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
        self._asked: dict[tuple[str, str], frozenset[str]] = {}

    async def candidates(
        self, tenant_id: str, scope: Scope, queries: Sequence[Query], depth: int
    ) -> Sequence[Sequence[Candidate]]:
        """A statement for each query, and a second one where words are unknown but near known ones.

        What comes after in the transaction is planned as these are (planning.py).
        """
        await plan_as_written(self._tx)
        where = scope_parameters(tenant_id, scope)
        asked = {"kinds": sorted(kind.value for kind in scope.filters.kinds), "depth": depth, **where}
        searched = [await self._search(asked, query.text, ()) for query in queries]
        found = [one.candidates for one in searched]
        if not any(one.missing for one in searched):
            return found
        corrections = await self._corrections(where, queries, searched)
        if not any(corrections):
            return found
        for at, taken in enumerate(corrections):
            if taken:
                found[at] = (await self._search(asked, queries[at].text, set(taken.values()))).candidates
        return await self._explained(tenant_id, found, corrections)

    async def _search(self, asked: Mapping[str, Any], text: str, added: Collection[str]) -> _Searched:
        """The candidates of a query to whose lexemes some are added; its own lexemes are kept."""
        parameters = {**asked, "text": text.replace("\x00", " "), "added": sorted(added)}
        searched = _Searched([], set(), {})
        for row in await self._tx.fetch_all(_SEARCH[bool(asked["kinds"])], parameters):
            if row.unit_id is not None:
                searched.candidates.append(Candidate(row.unit_id, score_of(row.score), row.rank))
                continue
            searched.lexemes.setdefault(row.configuration, set()).add(row.lexeme)
            if row.is_missing:
                searched.missing.add(row.lexeme)
        if not added:
            self._asked.update({(name, text): frozenset(found) for name, found in searched.lexemes.items()})
        return searched

    async def _corrections(
        self, where: Mapping[str, Any], queries: Sequence[Query], searched: Sequence[_Searched]
    ) -> list[dict[str, str]]:
        """For each query the lexemes taken for its words of which none, by any language in scope, is there."""
        words = [words_of(query.text) if one.missing else set() for query, one in zip(queries, searched, strict=True)]
        every = set().union(*words)
        stems: dict[str, set[str]] = {word: set() for word in every}
        for configuration in sorted({name for one in searched for name in one.lexemes}):
            for word, lexemes in (await self._lexemes(configuration, every)).items():
                stems[word] |= lexemes
        unknown = [
            {word for word in found if stems[word] and stems[word] <= one.missing}
            for found, one in zip(words, searched, strict=True)
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
        known.update((text, self._asked[configuration, text]) for text in texts if (configuration, text) in self._asked)
        new = sorted(set(texts) - known.keys())
        if not new:
            return known
        parameters = {"configuration": configuration, "texts": [text.replace("\x00", " ") for text in new]}
        rows = await self._tx.fetch_all(_LEXEMES, parameters)
        found = {text: frozenset(row.lexemes) for text, row in zip(new, rows, strict=True)}
        self._memory.keep(configuration, found)
        return known | found
