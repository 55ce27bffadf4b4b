"""BM25 as one statement: what is counted in scope, what blocks and units can score at most, and the best units.

A lexeme's postings stand in blocks of 128 units of one extraction (lexical_postings.py). What is counted, a lexeme's
units in scope and the scope's mean length, is counted over the blocks in scope: exact for every scope, with nothing
kept for all that a reading would have to wait for. The best blocks by a bound of what their units can score are scored
first; the last score to be given can then be no less than the last of these. Of the other blocks only those count
whose bound reaches it (block-max pruning: Ding and Suel, Faster Top-k Document Retrieval Using Block-Max Indexes,
SIGIR 2011), and in them only units that hold more than the words which together cannot reach it (MaxScore: Turtle and
Flood, Query Evaluation: Strategies and Optimizations, IPM 31, 1995), and whose score with the most that these words
give in the block does. What is left out cannot be among the best, so that the answer is that of scoring everything.
"""

from __future__ import annotations

from lace_ingest.adapters.retrieval.lexical_postings import BLOCK_UNITS, LENGTH_AT, WEIGHT_AT
from lace_ingest.adapters.retrieval.search_scope import SCOPE
from lace_ingest.domain.retrieval.bm25 import BASE, K1, LONGEST, MICRO, SLOPE

FIRST_BLOCKS = 16
"""Blocks scored to learn what the last score to be given is at least."""

_PLACES = BLOCK_UNITS - 1
_BLOCK_AT = BLOCK_UNITS.bit_length() - 1
# Where a unit stands: its block, and below it its place there. One number is grouped by in half the time of two.
_SPOT = f"(block_id << {_BLOCK_AT}) | (entry & {_PLACES})"
# A lexeme's share of a score in millionths, as domain.retrieval.bm25 has it; both parts of its last fraction are
# doubled, which changes no bit of the outcome. In `held`, `least` is that fraction where it is least in a block.
_SHARE = f"""(scale / (1 + ({2 * BASE} + (SELECT 2 * slope FROM total) * (entry >> {LENGTH_AT} & {LONGEST}))
                    / (entry >> {WEIGHT_AT})))::integer"""
_SCALE = "(SELECT scales FROM weighed)[word]"
_THRESHOLD = "coalesce((SELECT score FROM threshold), 0)"

# The question as words by the languages in scope, the rows of these words, and what each word weighs. Where there is
# one language only, no row need be compared with that of its block.
_COUNTED = f"""
    WITH wanted AS NOT MATERIALIZED ({SCOPE}
    ), scope AS MATERIALIZED (
        SELECT block.block_id, block.source_id, block.extraction, block.part, block.configuration, block.units,
               block.length
        FROM wanted JOIN ingest.lexical_blocks AS block USING (source_id, extraction)
        WHERE block.tenant_id = :tenant_id
    ), present AS MATERIALIZED (
        SELECT configuration, sum(units) AS units, sum(length) AS length FROM scope GROUP BY configuration
    ), total AS MATERIALIZED (
        SELECT coalesce(sum(units), 0)::double precision AS units,
               {SLOPE}::double precision / greatest(sum(length)::double precision / sum(units), 1) AS slope
        FROM present
    ), asked AS MATERIALIZED (
        SELECT row_number() OVER () AS word, configuration, lexeme
        FROM (
            SELECT present.configuration, found.lexeme
            FROM present, LATERAL unnest(to_tsvector(
                     CAST(present.configuration AS regconfig), ingest.lexical_text(CAST(:text AS text)))) AS found
            UNION
            SELECT present.configuration, added.lexeme
            FROM present, unnest(CAST(:added AS text[])) AS added(lexeme)) AS one
    ), held AS MATERIALIZED (
        SELECT posted.word, posted.block_id, posted.units,
               ({BASE} + (SELECT slope FROM total) * posted.shortest) / posted.heaviest AS least, posted.entries
        FROM (
            SELECT asked.word, asked.configuration, posting.*
            FROM asked CROSS JOIN LATERAL (
                SELECT posting.block_id, posting.units, posting.heaviest, posting.shortest, posting.entries
                FROM ingest.lexical_postings AS posting
                WHERE posting.tenant_id = :tenant_id AND posting.lexeme = asked.lexeme
                OFFSET 0) AS posting
            OFFSET 0) AS posted
        JOIN scope ON scope.block_id = posted.block_id
            AND ((SELECT count(*) = 1 FROM present) OR scope.configuration = posted.configuration)
    ), counted AS MATERIALIZED (
        SELECT word, sum(units)::double precision AS units, min(least) AS least FROM held GROUP BY word
    ), rarity AS MATERIALIZED (
        SELECT asked.word, asked.lexeme, counted.least,
               ln(1 + ((SELECT units FROM total) - one.units + 0.5) / (one.units + 0.5)) * {K1 + 1} * {MICRO} AS scale
        FROM asked JOIN counted USING (word) JOIN (
            SELECT lexeme, sum(units) AS units FROM asked JOIN counted USING (word) GROUP BY lexeme) AS one
            USING (lexeme)
    ), weighed AS MATERIALIZED (
        SELECT array_agg(coalesce(rarity.scale, 0) ORDER BY asked.word) AS scales
        FROM asked LEFT JOIN rarity USING (word)
"""
_BOUNDED = f"""
    ), bound AS MATERIALIZED (
        SELECT block_id, sum(({_SCALE} / (1 + least))::integer + 1) AS most FROM held GROUP BY block_id
    ), promising AS MATERIALIZED (
        SELECT block_id FROM bound ORDER BY most DESC, block_id LIMIT {FIRST_BLOCKS}
    ), first_scored AS MATERIALIZED (
        SELECT {_SPOT} AS spot, sum({_SHARE}) AS score
        FROM (
            SELECT block_id, {_SCALE} AS scale, unnest(entries) AS entry
            FROM held WHERE block_id IN (SELECT block_id FROM promising)) AS posted
        GROUP BY 1
"""
# Words are optional from the weakest on as long as a unit that holds nothing else stays below the threshold.
_OTHERS = f"""
    ), threshold AS MATERIALIZED (
        SELECT score FROM first ORDER BY score DESC OFFSET :depth - 1 LIMIT 1
    ), optional AS MATERIALIZED (
        SELECT array_agg(is_optional ORDER BY word) AS words
        FROM (
            SELECT asked.word, sum(coalesce((scale / (1 + least))::integer + 1, 0)) OVER (
                ORDER BY scale / (1 + least), asked.word) < {_THRESHOLD} AS is_optional
            FROM asked LEFT JOIN rarity USING (word)) AS one
    ), reaching AS MATERIALIZED (
        SELECT block_id, {_SCALE} AS scale, (SELECT words FROM optional)[word] AS is_optional, least, entries
        FROM held WHERE block_id IN (
            SELECT block_id FROM bound
            WHERE most >= {_THRESHOLD} AND block_id NOT IN (SELECT block_id FROM promising))
    ), without_optional AS MATERIALIZED (
        SELECT block_id, coalesce(sum((scale / (1 + least))::integer + 1) FILTER (WHERE is_optional), 0) AS most
        FROM reaching GROUP BY block_id
    ), partly AS MATERIALIZED (
        SELECT one.spot, one.score, without_optional.block_id
        FROM (
            SELECT {_SPOT} AS spot, sum({_SHARE}) AS score
            FROM (
                SELECT block_id, scale, unnest(entries) AS entry FROM reaching WHERE NOT is_optional) AS posted
            GROUP BY 1) AS one
        JOIN without_optional ON without_optional.block_id = one.spot >> {_BLOCK_AT}
        WHERE one.score + without_optional.most >= {_THRESHOLD}
    ), others AS MATERIALIZED (
        SELECT spot, score + coalesce(more, 0) AS score
        FROM partly LEFT JOIN (
            SELECT spot, sum({_SHARE}) AS more
            FROM (
                SELECT block_id, scale, unnest(entries) AS entry
                FROM reaching WHERE is_optional AND block_id IN (SELECT block_id FROM partly)) AS posted
            JOIN (SELECT spot FROM partly) AS chosen ON chosen.spot = ({_SPOT})
            GROUP BY spot) AS rest USING (spot)
        WHERE score + coalesce(more, 0) >= {_THRESHOLD}
"""
_UNIT = f"""
    FROM ingest.source_units AS unit
    WHERE unit.tenant_id = :tenant_id AND unit.source_id = scope.source_id AND unit.extraction = scope.extraction
      AND unit.place = scope.part * {BLOCK_UNITS} + (found.spot & {_PLACES})
"""
_RANKED = f"""
    ), best AS MATERIALIZED (
        SELECT spot, score
        FROM (
            SELECT *, rank() OVER (ORDER BY score DESC) AS turn
            FROM (SELECT * FROM first WHERE score >= {_THRESHOLD} UNION ALL SELECT * FROM rest) AS found) AS one
        WHERE turn <= :depth
    ), ranked AS (
        SELECT unit.unit_id, found.score,
               row_number() OVER (ORDER BY found.score DESC, unit.unit_id COLLATE "C") AS rank
        FROM best AS found JOIN scope ON scope.block_id = found.spot >> {_BLOCK_AT} CROSS JOIN LATERAL (
            SELECT unit.unit_id {_UNIT} OFFSET 0) AS unit
    )
    SELECT unit_id, score, rank, NULL AS configuration, NULL AS lexeme, NULL AS is_missing
    FROM ranked WHERE rank <= :depth
    UNION ALL
    SELECT NULL, NULL, NULL, configuration, lexeme, lexeme NOT IN (SELECT lexeme FROM rarity) FROM asked
    ORDER BY 3
"""


def _kept(scored: str, of_kind: bool) -> str:
    """What was scored, of the kinds that are asked for."""
    if not of_kind:
        return f"SELECT spot, score FROM {scored}"
    return f"""
        SELECT found.spot, found.score
        FROM {scored} AS found JOIN scope ON scope.block_id = found.spot >> {_BLOCK_AT} CROSS JOIN LATERAL (
            SELECT {_UNIT} AND unit.kind = ANY(CAST(:kinds AS text[])) OFFSET 0) AS unit
    """


def ranking(of_kind: bool) -> str:
    """The statement for one question, about units of any kind or of some.

    Its rows are the best units in their order (`unit_id`, `score`, `rank`), and then the question's lexemes by
    configuration, each with whether it stands nowhere in scope (`is_missing`).
    """
    return f"""
    {_COUNTED}{_BOUNDED}
    ), first AS MATERIALIZED ({_kept("first_scored", of_kind)}
    {_OTHERS}
    ), rest AS MATERIALIZED ({_kept("others", of_kind)}
    {_RANKED}
    """
