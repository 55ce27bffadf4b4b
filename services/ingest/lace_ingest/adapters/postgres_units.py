"""Units in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Row

from lace_ingest.adapters.retrieval.lexical_postings import BLOCK_UNITS, add_postings
from lace_ingest.domain.documents import Box, Span, Unit, UnitKind, UnitTable
from lace_ingest.domain.outlines import Section, lead_of
from lace_ingest.domain.reading.text import count_words
from lace_ingest.domain.sources import Source
from lace_platform.db.transaction import Transaction

_BATCH = 8 * BLOCK_UNITS
_COLUMNS = """
    unit.unit_id, unit.source_id, unit.place, unit.kind, unit.text, unit.text_hash, unit.heading_path, unit.page,
    unit.line, unit.spans_json, unit.table_json, unit.language, unit.start_offset, unit.end_offset, unit.boxes_json,
    unit.note_mark, unit.referred_from, unit.notes
"""
# Units that are there already stay as they are.
_ADD = """
    INSERT INTO ingest.source_units (
        tenant_id, unit_id, source_id, extraction, place, kind, text, text_hash, heading_path, page, line,
        spans_json, table_json, language, start_offset, end_offset, boxes_json, note_mark, referred_from, notes,
        words, lead)
    SELECT :tenant_id, unit_id, :source_id, :extraction, place, kind, text, text_hash, heading_path, page, line,
           spans_json, nullif(table_json, 'null'::jsonb), language, start_offset, end_offset, boxes_json, note_mark,
           referred_from, notes, words, lead
    FROM jsonb_to_recordset(CAST(:units AS jsonb)) AS g(
        unit_id text, place integer, kind text, text text, text_hash text, heading_path text[], page integer,
        line integer, spans_json jsonb, table_json jsonb, language text, words integer, lead text,
        start_offset integer, end_offset integer, boxes_json jsonb, note_mark text, referred_from text[],
        notes text[])
    ON CONFLICT (tenant_id, unit_id) DO NOTHING
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


class PostgresUnitRepository:
    """Tables ingest.source_units; see app.ports.UnitRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, source: Source, units: Sequence[Unit]) -> None:
        """Keep units and make them findable, in batches of bounded size, each of whole blocks."""
        for batch, found in groupby(units, lambda unit: unit.order // _BATCH):
            rows = [_values(unit) for unit in found]
            await self._tx.execute(
                _ADD,
                {
                    "tenant_id": tenant_id,
                    "source_id": source.source_id,
                    "extraction": source.extraction,
                    "units": orjson.dumps(rows).decode(),
                },
            )
            await add_postings(self._tx, tenant_id, source, batch * _BATCH, (batch + 1) * _BATCH)

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
        "table_json": None if table is None else _table_values(table),
        "language": unit.language,
        "words": count_words(unit.text),
        "lead": lead_of(unit),
        "start_offset": unit.start,
        "end_offset": unit.end,
        "boxes_json": [(box.page, box.x0, box.y0, box.x1, box.y1) for box in unit.boxes],
        "note_mark": unit.note_mark,
        "referred_from": unit.referred_from,
        "notes": unit.notes,
    }


def _table_values(table: UnitTable) -> dict[str, Any]:
    return {"h": table.header, "r": table.rows, "c": table.caption, "n": table.head_columns}


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
        table=None if table is None else _table(table),
        language=row.language,
        start=row.start_offset,
        end=row.end_offset,
        boxes=tuple(Box(*values) for values in row.boxes_json),
        note_mark=row.note_mark,
        referred_from=tuple(row.referred_from),
        notes=tuple(row.notes),
    )


def _table(values: Mapping[str, Any]) -> UnitTable:
    rows = tuple(map(tuple, values["r"]))
    return UnitTable(tuple(values["h"]), rows, values["c"], tuple(values.get("n", ())))
