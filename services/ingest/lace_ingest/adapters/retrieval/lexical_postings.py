"""Making the units of an extraction findable by their words: blocks, postings, and the words to guess from."""

from __future__ import annotations

from lace_ingest.adapters.retrieval.planning import planned
from lace_ingest.domain.retrieval.bm25 import HEADING_WEIGHT, HEAVIEST, LONGEST, TITLE_WEIGHT
from lace_ingest.domain.retrieval.languages import stemming_of
from lace_ingest.domain.sources import Source
from lace_platform.db.transaction import Transaction

BLOCK_UNITS = 128
"""Units in a block: one row holds what a lexeme has in all of them, and one bound says whether to look into it."""
LENGTH_AT = 7
WEIGHT_AT = 22
"""Where a posting's number holds the unit's length and twice the weight; below them is the place in the block."""

# Parsed here, where the units lie already. A block that is there stays as it is, and its postings with it. Only words
# of letters are kept to guess from: nobody means another number than he wrote.
_ADD = f"""
    WITH named AS MATERIALIZED (
        SELECT to_tsvector(CAST(:configuration AS regconfig), ingest.lexical_text(:title)) AS title
    ), unit AS MATERIALIZED (
        SELECT unit.place,
               to_tsvector(CAST(:configuration AS regconfig), ingest.lexical_text(unit.text)) AS body,
               to_tsvector(CAST(:configuration AS regconfig), ingest.lexical_text(array_to_string(
                   unit.heading_path || coalesce(unit.table_json ->> 'c', ''), ' '))) AS headings
        FROM ingest.source_units AS unit
        WHERE unit.tenant_id = :tenant_id AND unit.source_id = :source_id AND unit.extraction = :extraction
          AND unit.place >= :first AND unit.place < :behind
    ), found AS MATERIALIZED (
        SELECT unit.place, each.lexeme, sum(cardinality(each.positions)) AS occurrences,
               least(sum(each.doubled * cardinality(each.positions)), {HEAVIEST * 2:.0f})::integer AS doubled
        FROM unit CROSS JOIN named, LATERAL (
            SELECT lexeme, positions, 2 AS doubled FROM unnest(unit.body)
            UNION ALL SELECT lexeme, positions, {HEADING_WEIGHT * 2:.0f} FROM unnest(unit.headings)
            UNION ALL SELECT lexeme, positions, {TITLE_WEIGHT * 2:.0f} FROM unnest(named.title)) AS each
        GROUP BY unit.place, each.lexeme
    ), measured AS MATERIALIZED (
        SELECT unit.place, least(coalesce(sum(found.occurrences), 0), {LONGEST})::integer AS length
        FROM unit LEFT JOIN found USING (place)
        GROUP BY unit.place
    ), block AS (
        INSERT INTO ingest.lexical_blocks (tenant_id, source_id, extraction, part, configuration, units, length)
        SELECT :tenant_id, :source_id, :extraction, place / {BLOCK_UNITS}, :configuration, count(*), sum(length)
        FROM measured
        GROUP BY place / {BLOCK_UNITS}
        ON CONFLICT (tenant_id, source_id, extraction, part) DO NOTHING
        RETURNING block_id, part
    ), posted AS (
        INSERT INTO ingest.lexical_postings (tenant_id, lexeme, block_id, units, heaviest, shortest, entries)
        SELECT :tenant_id, found.lexeme, block.block_id, count(*), max(found.doubled) / 2.0, min(measured.length),
               array_agg((found.doubled << {WEIGHT_AT}) + (measured.length << {LENGTH_AT}) + found.place % {BLOCK_UNITS}
                         ORDER BY found.place)
        FROM found JOIN measured USING (place) JOIN block ON block.part = found.place / {BLOCK_UNITS}
        GROUP BY found.lexeme, block.block_id
        ORDER BY block.block_id, found.lexeme
        RETURNING lexeme
    ), fresh AS (
        SELECT DISTINCT posted.lexeme
        FROM posted LEFT JOIN LATERAL (
            SELECT true AS there FROM ingest.lexical_trigrams AS known
            WHERE known.tenant_id = :tenant_id AND known.trigram = substr(' ' || posted.lexeme, 1, 3)
              AND known.lexeme = posted.lexeme
            LIMIT 1) AS known ON true
        WHERE posted.lexeme ~ '^[[:alpha:]]{{4,40}}$' AND known.there IS NULL
    )
    INSERT INTO ingest.lexical_trigrams (tenant_id, trigram, lexeme)
    SELECT DISTINCT :tenant_id, substr(' ' || fresh.lexeme || ' ', at, 3), fresh.lexeme
    FROM fresh, generate_series(1, length(fresh.lexeme)) AS at
"""


def configuration_of(language: str) -> str:
    """The text search configuration for a language (BCP 47)."""
    return f"lace_{stemming_of(language)}"


async def add_postings(tx: Transaction, tenant_id: str, source: Source, first: int, behind: int) -> None:
    """Post the kept units of an extraction with places from `first` up to, and without, `behind`.

    Both are multiples of BLOCK_UNITS, or `behind` lies behind the last unit.
    """
    parameters = {
        "tenant_id": tenant_id,
        "source_id": source.source_id,
        "extraction": source.extraction,
        "title": source.title,
        "configuration": configuration_of(source.language),
        "first": first,
        "behind": behind,
    }
    async with planned(tx):
        await tx.execute(_ADD, parameters)
