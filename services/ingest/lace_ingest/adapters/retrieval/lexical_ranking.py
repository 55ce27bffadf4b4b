"""BM25 as one statement: what is counted in scope, what blocks can score at most, and the best units for each question.

A lexeme's postings stand in blocks of 128 units of one extraction (lexical_postings.py). What is counted, a lexeme's
units in scope and the scope's mean length, is counted over the blocks in scope: exact for every scope, with nothing
kept for all that a reading would have to wait for. The best blocks by a bound of what their units can score are scored
first; then those whose bound reaches the score that is the last to be given (block-max pruning: Ding and Suel, Faster
Top-k Document Retrieval Using Block-Max Indexes, SIGIR 2011). What is left out cannot be among the best, so that the
answer is that of scoring everything.
"""

from __future__ import annotations

from lace_ingest.adapters.retrieval.lexical_postings import BLOCK_UNITS, LENGTH_AT, WEIGHT_AT
from lace_ingest.adapters.retrieval.search_scope import SCOPE
from lace_ingest.domain.retrieval.bm25 import BASE, K1, LONGEST, MICRO, SLOPE

FIRST_BLOCKS = 16
"""Blocks scored to learn what the last score to be given is at least."""

# A lexeme's share of a score in millionths, as domain.retrieval.bm25 has it; both parts of its last fraction may be
# doubled, which changes no bit of the outcome.
_SHARE = "(term.scale / (1 + ({base} + {slope} * {length}) / {weight}))::integer"
_MOST = _SHARE.format(base=BASE, slope="(SELECT slope FROM total)", length="held.shortest", weight="held.heaviest")
_OF_KIND = f"""
    SELECT scored.* FROM scored JOIN scope USING (block_id) CROSS JOIN LATERAL (
        SELECT FROM ingest.source_units AS unit
        WHERE unit.tenant_id = :tenant_id AND unit.source_id = scope.source_id AND unit.extraction = scope.extraction
          AND unit.place = scope.part * {BLOCK_UNITS} + scored.place AND unit.kind = ANY(CAST(:kinds AS text[]))
        OFFSET 0) AS unit
"""
# Questions as words by the languages in scope, the rows of these words, and what each word weighs.
_COUNTED = f"""
    WITH wanted AS NOT MATERIALIZED ({SCOPE}
    ), scope AS MATERIALIZED (
        SELECT block.block_id, block.source_id, block.extraction, block.part, block.configuration, block.units,
               block.length
        FROM wanted JOIN ingest.lexical_blocks AS block USING (source_id, extraction)
        WHERE block.tenant_id = :tenant_id
    ), total AS MATERIALIZED (
        SELECT coalesce(sum(units), 0)::double precision AS units,
               {SLOPE}::double precision / greatest(sum(length)::double precision / sum(units), 1) AS slope
        FROM scope
    ), present AS MATERIALIZED (
        SELECT DISTINCT configuration FROM scope
    ), asked AS MATERIALIZED (
        SELECT query.at, present.configuration, found.lexeme
        FROM present, unnest(CAST(:texts AS text[])) WITH ORDINALITY AS query(text, at), LATERAL unnest(to_tsvector(
                 CAST(present.configuration AS regconfig), ingest.lexical_text(query.text))) AS found
        UNION
        SELECT added.at, present.configuration, added.lexeme
        FROM present, unnest(CAST(:added_at AS bigint[]), CAST(:added AS text[])) AS added(at, lexeme)
    ), named AS MATERIALIZED (
        SELECT row_number() OVER () AS word, configuration, lexeme
        FROM (SELECT DISTINCT configuration, lexeme FROM asked) AS one
    ), held AS MATERIALIZED (
        SELECT posted.word, posted.block_id, posted.units, posted.heaviest, posted.shortest, posted.entries
        FROM (
            SELECT named.word, named.configuration, posting.*
            FROM named CROSS JOIN LATERAL (
                SELECT posting.block_id, posting.units, posting.heaviest, posting.shortest, posting.entries
                FROM ingest.lexical_postings AS posting
                WHERE posting.tenant_id = :tenant_id AND posting.lexeme = named.lexeme
                OFFSET 0) AS posting
            OFFSET 0) AS posted JOIN scope USING (block_id, configuration)
    ), counted AS MATERIALIZED (
        SELECT word, sum(units)::double precision AS units FROM held GROUP BY word
    ), rarity AS MATERIALIZED (
        SELECT named.word, named.configuration, named.lexeme,
               ln(1 + ((SELECT units FROM total) - units + 0.5) / (units + 0.5)) AS idf
        FROM named JOIN (
            SELECT lexeme, sum(units) AS units FROM named JOIN counted USING (word) GROUP BY lexeme) AS one
            USING (lexeme)
    ), term AS MATERIALIZED (
        SELECT asked.at, rarity.word, rarity.idf * {K1 + 1} * {MICRO} AS scale
        FROM asked JOIN rarity USING (configuration, lexeme)
"""
_BOUNDED = f"""
    ), bound AS MATERIALIZED (
        SELECT term.at, held.block_id, sum({_MOST} + 1) AS most FROM held JOIN term USING (word)
        GROUP BY term.at, held.block_id
"""
# The blocks of the highest bounds: of one question by a heap, of many by one sort for all.
_PROMISING = f"""
    ), promising AS MATERIALIZED (
        SELECT at, block_id FROM bound ORDER BY most DESC, block_id LIMIT {FIRST_BLOCKS}
"""
_PROMISING_OF_MANY = f"""
    ), promising AS MATERIALIZED (
        SELECT at, block_id
        FROM (SELECT at, block_id, row_number() OVER (PARTITION BY at ORDER BY most DESC, block_id) AS turn
              FROM bound) AS one
        WHERE turn <= {FIRST_BLOCKS}
"""


def _scored(blocks: str, of_kind: bool, many: bool) -> str:
    """The units of some blocks that hold a lexeme asked for, each with its score.

    A block is chosen for a few words of one question, or for those of many: what leaves fewer rows comes first.
    """
    chosen, term = f"JOIN ({blocks}) AS chosen", "JOIN term"
    joined = (
        f"{term} USING (word) {chosen} USING (at, block_id)"
        if many
        else f"{chosen} USING (block_id) {term} USING (at, word)"
    )
    share = _SHARE.format(
        base=2 * BASE,
        slope="(SELECT 2 * slope FROM total)",
        length=f"(entry >> {LENGTH_AT} & {LONGEST})",
        weight=f"(entry >> {WEIGHT_AT})",
    )
    place = f"entry & {BLOCK_UNITS - 1}"
    return f"""
        WITH scored AS (
            SELECT at, block_id, {place} AS place, sum({share}) AS score
            FROM held {joined} CROSS JOIN LATERAL unnest(held.entries) AS entry
            GROUP BY at, block_id, {place}
        ) {_OF_KIND if of_kind else "SELECT * FROM scored"}
    """


def ranking(of_kind: bool, many: bool) -> str:
    """The statement for one question or many, about units of any kind or of some."""
    first = "SELECT at, block_id FROM promising"
    others = """
        SELECT bound.at, bound.block_id FROM bound LEFT JOIN threshold USING (at)
        WHERE bound.most >= coalesce(threshold.score, 0) AND (bound.at, bound.block_id) NOT IN (
            SELECT at, block_id FROM promising)
    """
    return f"""
    {_COUNTED}{_BOUNDED}{_PROMISING_OF_MANY if many else _PROMISING}
    ), first AS MATERIALIZED ({_scored(first, of_kind, many)}
    ), threshold AS MATERIALIZED (
        SELECT at, score
        FROM (SELECT at, score, row_number() OVER (PARTITION BY at ORDER BY score DESC) AS turn FROM first) AS one
        WHERE turn = :depth
    ), others AS MATERIALIZED ({_scored(others, of_kind, many)}
    ), best AS MATERIALIZED (
        SELECT at, block_id, place, score
        FROM (SELECT *, rank() OVER (PARTITION BY at ORDER BY score DESC) AS turn
              FROM (SELECT * FROM first UNION ALL SELECT * FROM others) AS found LEFT JOIN (
                  SELECT at, score AS least FROM threshold) AS threshold USING (at)
              WHERE score >= coalesce(least, 0)) AS one
        WHERE turn <= :depth
    ), ranked AS (
        SELECT best.at, unit.unit_id, best.score,
               row_number() OVER (PARTITION BY best.at ORDER BY best.score DESC, unit.unit_id COLLATE "C") AS rank
        FROM best JOIN scope USING (block_id) CROSS JOIN LATERAL (
            SELECT unit.unit_id FROM ingest.source_units AS unit
            WHERE unit.tenant_id = :tenant_id AND unit.source_id = scope.source_id
              AND unit.extraction = scope.extraction AND unit.place = scope.part * {BLOCK_UNITS} + best.place
            OFFSET 0) AS unit
    )
    SELECT at, unit_id, score, rank, NULL AS missing, NULL AS present FROM ranked WHERE rank <= :depth
    UNION ALL
    SELECT at, NULL, NULL, NULL, lexeme, (SELECT array_agg(configuration) FROM present)
    FROM asked WHERE lexeme NOT IN (SELECT lexeme FROM rarity)
    ORDER BY 1, 4
    """
