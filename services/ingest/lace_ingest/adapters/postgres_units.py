"""Units in Postgres, found by BM25 in plain SQL over postings that Postgres' own text parser makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Row

from lace_ingest.domain.documents import Span, Unit, UnitKind, UnitTable
from lace_ingest.domain.outlines import Section, lead_of
from lace_ingest.domain.retrieval import HEADING_WEIGHT, K1, TITLE_WEIGHT, B, Hit, Query
from lace_ingest.domain.sources import Source
from lace_ingest.domain.text import count_words
from lace_platform.db.transaction import Transaction

_BATCH = 1000
_COLUMNS = """
    unit.unit_id, unit.source_id, unit.place, unit.kind, unit.text, unit.text_hash, unit.heading_path, unit.page,
    unit.line, unit.spans_json, unit.table_json, unit.language
"""
# Class A holds headings and caption, C the title, D the text. Units that are there already keep their postings.
_ADD = """
    WITH given AS (
        SELECT g.*,
               setweight(to_tsvector('english', :title), 'C')
               || setweight(to_tsvector('english', array_to_string(g.heading_path || g.caption, ' ')), 'A')
               || to_tsvector('english', g.text) AS lexemes
        FROM jsonb_to_recordset(CAST(:units AS jsonb)) AS g(
            unit_id text, place integer, kind text, text text, text_hash text, heading_path text[], page integer,
            line integer, spans_json jsonb, table_json jsonb, language text, words integer, lead text, caption text)
    ), added AS (
        INSERT INTO ingest.source_units (
            tenant_id, unit_id, source_id, extraction, place, kind, text, text_hash, heading_path, page, line,
            spans_json, table_json, language, words, lead, length)
        SELECT :tenant_id, unit_id, :source_id, :extraction, place, kind, text, text_hash, heading_path, page, line,
               spans_json, nullif(table_json, 'null'::jsonb), language, words, lead,
               (SELECT coalesce(sum(cardinality(positions)), 0) FROM unnest(lexemes))
        FROM given
        ON CONFLICT (tenant_id, unit_id) DO NOTHING
        RETURNING unit_id
    )
    INSERT INTO ingest.postings (tenant_id, lexeme, unit_id, source_id, weight)
    SELECT :tenant_id, found.lexeme, unit_id, :source_id,
           (SELECT sum(CASE class WHEN 'A' THEN CAST(:heading_weight AS double precision)
                                  WHEN 'C' THEN CAST(:title_weight AS double precision) ELSE 1 END)
            FROM unnest(found.weights) AS class)
    FROM added JOIN given USING (unit_id), unnest(given.lexemes) AS found(lexeme, positions, weights)
"""
_PAGE = f"""
    SELECT {_COLUMNS} FROM ingest.source_units AS unit
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND extraction = :extraction AND place > :after
    ORDER BY place
    LIMIT :limit
"""
_GET = f"""
    SELECT {_COLUMNS} FROM ingest.source_units AS unit
    WHERE tenant_id = :tenant_id AND unit_id = ANY(CAST(:unit_ids AS text[]))
    ORDER BY array_position(CAST(:unit_ids AS text[]), unit_id)
"""
_SECTIONS = """
    SELECT unit.source_id, unit.heading_path, sum(unit.words) AS words,
           count(*) FILTER (WHERE unit.kind = 'table') AS tables,
           coalesce((array_agg(unit.lead ORDER BY unit.place) FILTER (WHERE unit.lead <> ''))[1], '') AS lead
    FROM ingest.source_units AS unit
    JOIN unnest(CAST(:source_ids AS text[]), CAST(:extractions AS text[])) AS wanted(source_id, extraction)
        USING (source_id, extraction)
    WHERE unit.tenant_id = :tenant_id
    GROUP BY unit.source_id, unit.heading_path
    ORDER BY unit.source_id, min(unit.place)
"""
# The scope is materialized: the planner would otherwise count it again for every match.
# Scores are rounded before they are compared, so that the order in which a sum was made cannot change an order.
_SEARCH = """
    WITH asked AS (
        SELECT query.at, query.most, found.lexeme
        FROM unnest(CAST(:texts AS text[]), CAST(:limits AS integer[])) WITH ORDINALITY AS query(text, most, at),
             unnest(to_tsvector('english', query.text)) AS found(lexeme, positions, weights)
    ), wanted AS (
        SELECT * FROM unnest(CAST(:source_ids AS text[]), CAST(:extractions AS text[]), CAST(:filenames AS text[]))
            AS w(source_id, extraction, filename)
    ), scope AS MATERIALIZED (
        SELECT count(*)::double precision AS units, greatest(avg(unit.length), 1)::double precision AS mean
        FROM ingest.source_units AS unit JOIN wanted USING (source_id, extraction)
        WHERE unit.tenant_id = :tenant_id
    ), matches AS MATERIALIZED (
        SELECT posting.lexeme, posting.unit_id, posting.weight, unit.length, unit.place, wanted.filename
        FROM ingest.postings AS posting
        JOIN ingest.source_units AS unit
            ON unit.tenant_id = posting.tenant_id AND unit.unit_id = posting.unit_id
        JOIN wanted ON wanted.source_id = unit.source_id AND wanted.extraction = unit.extraction
        WHERE posting.tenant_id = :tenant_id AND posting.lexeme IN (SELECT lexeme FROM asked)
    ), frequency AS (
        SELECT lexeme, count(*)::double precision AS units FROM matches GROUP BY lexeme
    ), scored AS (
        SELECT asked.at, asked.most, matches.unit_id, matches.filename, matches.place,
               round(sum(
                   ln(1 + (scope.units - frequency.units + 0.5) / (frequency.units + 0.5))
                   * matches.weight * (:k1 + 1)
                   / (matches.weight + :k1 * (1 - :b + :b * matches.length / scope.mean))
               )::numeric, 6) AS score
        FROM asked JOIN matches USING (lexeme) JOIN frequency USING (lexeme) CROSS JOIN scope
        GROUP BY asked.at, asked.most, matches.unit_id, matches.filename, matches.place
    ), ranked AS (
        SELECT *, row_number() OVER (
            PARTITION BY at ORDER BY score DESC, filename COLLATE "C", place, unit_id COLLATE "C") AS rank
        FROM scored
    )
    SELECT at, unit_id, score FROM ranked WHERE rank <= most ORDER BY at, rank
"""


class PostgresUnitRepository:
    """Tables ingest.source_units and ingest.postings; see app.ports.UnitRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, source: Source, units: Sequence[Unit]) -> None:
        """Keep units and their postings, in batches of bounded size."""
        for start in range(0, len(units), _BATCH):
            rows = [_values(unit) for unit in units[start : start + _BATCH]]
            await self._tx.execute(
                _ADD,
                {
                    "tenant_id": tenant_id,
                    "source_id": source.source_id,
                    "extraction": source.extraction,
                    "title": source.title,
                    "heading_weight": HEADING_WEIGHT,
                    "title_weight": TITLE_WEIGHT,
                    "units": orjson.dumps(rows).decode(),
                },
            )

    async def page(self, tenant_id: str, source: Source, limit: int, after: int) -> Sequence[Unit]:
        """Units of the present extraction in reading order."""
        parameters = {
            "tenant_id": tenant_id,
            "source_id": source.source_id,
            "extraction": source.extraction,
            "after": after,
            "limit": limit,
        }
        return [_unit(row) for row in await self._tx.fetch_all(_PAGE, parameters)]

    async def sections(self, tenant_id: str, sources: Sequence[Source]) -> Mapping[str, Sequence[Section]]:
        """Sections by source, in reading order."""
        found: dict[str, list[Section]] = {}
        for row in await self._tx.fetch_all(_SECTIONS, {"tenant_id": tenant_id, **_wanted(sources)}):
            section = Section(tuple(row.heading_path), int(row.words), row.tables, row.lead)
            found.setdefault(row.source_id, []).append(section)
        return found

    async def search(
        self, tenant_id: str, sources: Sequence[Source], queries: Sequence[Query]
    ) -> Sequence[Sequence[Hit]]:
        """All queries in one statement."""
        parameters = {
            "tenant_id": tenant_id,
            "texts": [query.text.replace("\x00", " ") for query in queries],
            "limits": [query.limit for query in queries],
            "filenames": [source.filename for source in sources],
            "k1": K1,
            "b": B,
            **_wanted(sources),
        }
        hits: list[list[Hit]] = [[] for _ in queries]
        # Where the first sources have just come in there are no statistics, and the planner would choose loops over
        # tables that it believes to be empty: seconds in place of milliseconds.
        await self._tx.execute("SET LOCAL enable_nestloop = off")
        for row in await self._tx.fetch_all(_SEARCH, parameters):
            hits[row.at - 1].append(Hit(row.unit_id, format(row.score, "f")))
        return hits

    async def get(self, tenant_id: str, unit_ids: Sequence[str]) -> Sequence[tuple[str, Unit]]:
        """Units by id, in the order of the ids."""
        rows = await self._tx.fetch_all(_GET, {"tenant_id": tenant_id, "unit_ids": list(unit_ids)})
        return [(row.source_id, _unit(row)) for row in rows]


def _wanted(sources: Sequence[Source]) -> dict[str, list[str]]:
    return {
        "source_ids": [source.source_id for source in sources],
        "extractions": [source.extraction for source in sources],
    }


def _values(unit: Unit) -> dict[str, Any]:
    table = unit.table
    return {
        "unit_id": unit.unit_id,
        "place": unit.order,
        "kind": unit.kind.value,
        "text": unit.text,
        "text_hash": unit.text_hash,
        "heading_path": unit.heading_path,
        "page": unit.page,
        "line": unit.line,
        "spans_json": [(span.start, span.end) for span in unit.spans],
        "table_json": None if table is None else {"h": table.header, "r": table.rows, "c": table.caption},
        "language": unit.language,
        "words": count_words(unit.text),
        "lead": lead_of(unit),
        "caption": "" if table is None else table.caption,
    }


def _unit(row: Row[Any]) -> Unit:
    table = row.table_json
    return Unit(
        unit_id=row.unit_id,
        order=row.place,
        kind=UnitKind(row.kind),
        text=row.text,
        text_hash=row.text_hash,
        spans=tuple(Span(start, end) for start, end in row.spans_json),
        heading_path=tuple(row.heading_path),
        page=row.page,
        line=row.line,
        table=None if table is None else UnitTable(tuple(table["h"]), tuple(map(tuple, table["r"])), table["c"]),
        language=row.language,
    )
