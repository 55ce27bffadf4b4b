"""Words of a query that stand nowhere in scope, and which known ones they are taken for: trigrams, then edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from lace_ingest.adapters.retrieval.search_scope import SCOPE
from lace_ingest.domain.retrieval.spelling import SHORTEST, best_guess, may_mean
from lace_platform.db.transaction import Transaction

_MOST_GUESSES = 50

# An edit touches at most three trigrams, a swap four. No index of the extension pg_trgm: below a row policy Postgres
# uses none whose operator could tell of the rows that it compares, but equality it knows to keep them to itself.
_SIMILAR = """
    SELECT word.word, near.lexeme
    FROM unnest(CAST(:words AS text[])) AS word(word) CROSS JOIN LATERAL (
        SELECT known.lexeme
        FROM (SELECT DISTINCT substr(' ' || word.word || ' ', at, 3) AS trigram
              FROM generate_series(1, length(word.word)) AS at) AS part
        CROSS JOIN LATERAL (
            SELECT posted.lexeme, posted.trigram FROM ingest.lexical_trigrams AS posted
            WHERE posted.tenant_id = :tenant_id AND posted.trigram = part.trigram
            OFFSET 0) AS known
        WHERE left(known.lexeme, 1) = left(word.word, 1) AND abs(length(known.lexeme) - length(word.word)) <= 2
        GROUP BY known.lexeme
        HAVING count(DISTINCT known.trigram) >= CASE WHEN length(word.word) < 6 THEN 1 ELSE 2 END
    ) AS near
"""
# Among all the tenant's words only those of units in scope can be meant: what may not be seen is not guessed at.
_COUNTED = f"""
    WITH wanted AS MATERIALIZED ({SCOPE}
    ), scope AS MATERIALIZED (
        SELECT block.block_id FROM wanted JOIN ingest.lexical_blocks AS block USING (source_id, extraction)
        WHERE block.tenant_id = :tenant_id
    ), posted AS MATERIALIZED (
        SELECT known.lexeme, posting.block_id, posting.units
        FROM unnest(CAST(:lexemes AS text[])) AS known(lexeme) CROSS JOIN LATERAL (
            SELECT posting.block_id, posting.units FROM ingest.lexical_postings AS posting
            WHERE posting.tenant_id = :tenant_id AND posting.lexeme = known.lexeme
            OFFSET 0) AS posting
    )
    SELECT lexeme, sum(units) AS units FROM posted JOIN scope USING (block_id) GROUP BY lexeme
"""


async def guess(tx: Transaction, scope: Mapping[str, Any], words: Set[str]) -> Mapping[str, str]:
    """The lexeme that each of these (stemmed) words is taken for; none for those that are near no word in scope.

    `scope` are the parameters of SCOPE. Of very many words only the first are guessed at.
    """
    wanted = sorted(word for word in words if word.isalpha() and len(word) >= SHORTEST)[:_MOST_GUESSES]
    if not wanted:
        return {}
    rows = await tx.fetch_all(_SIMILAR, {"tenant_id": scope["tenant_id"], "words": wanted})
    near: dict[str, set[str]] = {}
    for row in rows:
        if may_mean(row.word, row.lexeme):
            near.setdefault(row.word, set()).add(row.lexeme)
    units = await _counted(tx, scope, sorted(set().union(*near.values()))) if near else {}
    guesses = {word: best_guess(word, {one: units.get(one, 0) for one in known}) for word, known in near.items()}
    return {word: lexeme for word, lexeme in guesses.items() if lexeme is not None}


async def _counted(tx: Transaction, scope: Mapping[str, Any], lexemes: Sequence[str]) -> Mapping[str, int]:
    rows = await tx.fetch_all(_COUNTED, {**scope, "lexemes": list(lexemes)})
    return {row.lexeme: int(row.units) for row in rows}
