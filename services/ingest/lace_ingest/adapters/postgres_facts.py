"""Facts in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
from sqlalchemy import Row

from lace_core.contracts import Qualifier
from lace_ingest.domain.documents import Span
from lace_ingest.domain.facts import Fact, FactFilter, FactOrigin, FactPlace, FactState, Making
from lace_platform.db.transaction import Transaction

_COLUMNS = """
    fact_id, source_id, unit_id, extraction, place, statement, span_start, span_end, quote, quote_hash,
    qualifiers_json, confidence, origin, state, verdict, reasons_json, heading_path, page, run_id, step_id, call_id,
    contract, template_hash, model, created_by, created_at, retired_by, retired_at
"""
_ADD = f"""
    WITH added AS (
        INSERT INTO ingest.facts (tenant_id, {_COLUMNS})
        SELECT :tenant_id, {_COLUMNS}
        FROM jsonb_to_recordset(CAST(:facts AS jsonb)) AS g(
            fact_id text, source_id text, unit_id text, extraction text, place integer, statement text,
            span_start integer, span_end integer, quote text, quote_hash text, qualifiers_json jsonb,
            confidence integer, origin text, state text, verdict text, reasons_json jsonb, heading_path text[],
            page integer, run_id text, step_id text, call_id text, contract text, template_hash text, model text,
            created_by text, created_at timestamptz, retired_by text, retired_at timestamptz)
        ON CONFLICT (tenant_id, fact_id) DO NOTHING
        RETURNING 1
    )
    SELECT count(*) AS added FROM added
"""
_GET = f"SELECT {_COLUMNS} FROM ingest.facts WHERE tenant_id = :tenant_id AND fact_id = :fact_id"
_MANY = f"SELECT {_COLUMNS} FROM ingest.facts WHERE tenant_id = :tenant_id AND fact_id = ANY(:fact_ids)"
_PAGE = f"""
    SELECT {_COLUMNS} FROM ingest.facts
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND state = :state
      AND (origin = 'manual' OR extraction = :extraction)
      AND (CAST(:origin AS text) = '' OR origin = :origin)
      AND (CAST(:unit_id AS text) = '' OR unit_id = :unit_id)
      AND confidence >= :min_confidence
      AND (CAST(:contains AS text) = ''
           OR position(lower(:contains) in lower(statement)) > 0 OR position(lower(:contains) in lower(quote)) > 0)
      AND (CAST(:after_place AS integer) IS NULL
           OR (place, span_start, fact_id COLLATE "C")
              > (CAST(:after_place AS integer), CAST(:after_start AS integer), CAST(:after_id AS text)))
    ORDER BY place, span_start, fact_id COLLATE "C"
    LIMIT :limit
"""
_SETTLE = """
    UPDATE ingest.facts SET state = :state, retired_by = :retired_by, retired_at = :retired_at
    WHERE tenant_id = :tenant_id AND fact_id = :fact_id
"""


class PostgresFactRepository:
    """Table ingest.facts; see app.fact_ports.FactRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, facts: Sequence[Fact]) -> int:
        """Keep facts, in one statement."""
        if not facts:
            return 0
        rows = orjson.dumps([_values(fact) for fact in facts]).decode()
        row = await self._tx.fetch_one(_ADD, {"tenant_id": tenant_id, "facts": rows})
        return int(row.added) if row else 0

    async def get(self, tenant_id: str, fact_id: str) -> Fact | None:
        """The fact."""
        row = await self._tx.fetch_one(_GET, {"tenant_id": tenant_id, "fact_id": fact_id})
        return None if row is None else _fact(row)

    async def many(self, tenant_id: str, fact_ids: Sequence[str]) -> Sequence[Fact]:
        """Those of these facts that there are."""
        rows = await self._tx.fetch_all(_MANY, {"tenant_id": tenant_id, "fact_ids": list(fact_ids)})
        found = {row.fact_id: _fact(row) for row in rows}
        return [found[fact_id] for fact_id in fact_ids if fact_id in found]

    async def page(
        self, tenant_id: str, source_id: str, wanted: FactFilter, limit: int, after: FactPlace | None
    ) -> Sequence[Fact]:
        """In the order of their places."""
        place, start, fact_id = after or (None, None, None)
        parameters = {
            "tenant_id": tenant_id,
            "source_id": source_id,
            "extraction": wanted.extraction,
            "state": wanted.state.value,
            "origin": wanted.origin.value if wanted.origin else "",
            "unit_id": wanted.unit_id,
            "min_confidence": wanted.min_confidence,
            "contains": wanted.contains,
            "after_place": place,
            "after_start": start,
            "after_id": fact_id,
            "limit": limit,
        }
        return [_fact(row) for row in await self._tx.fetch_all(_PAGE, parameters)]

    async def settle(self, tenant_id: str, fact: Fact) -> None:
        """Keep its state."""
        parameters = {
            "tenant_id": tenant_id,
            "fact_id": fact.fact_id,
            "state": fact.state.value,
            "retired_by": fact.retired_by,
            "retired_at": fact.retired_at,
        }
        await self._tx.execute(_SETTLE, parameters)


def _values(fact: Fact) -> dict[str, Any]:
    making = fact.making
    return {
        "fact_id": fact.fact_id,
        "source_id": fact.source_id,
        "unit_id": fact.unit_id,
        "extraction": fact.extraction,
        "place": fact.order,
        "statement": fact.statement,
        "span_start": fact.span.start,
        "span_end": fact.span.end,
        "quote": fact.quote,
        "quote_hash": fact.quote_hash,
        "qualifiers_json": [(each.kind, each.text) for each in fact.qualifiers],
        "confidence": fact.confidence,
        "origin": fact.origin.value,
        "state": fact.state.value,
        "verdict": fact.verdict,
        "reasons_json": fact.reasons,
        "heading_path": fact.heading_path,
        "page": fact.page,
        "run_id": making.run_id,
        "step_id": making.step_id,
        "call_id": making.call_id,
        "contract": making.contract,
        "template_hash": making.template_hash,
        "model": making.model,
        "created_by": fact.created_by,
        "created_at": fact.created_at,
        "retired_by": fact.retired_by,
        "retired_at": fact.retired_at,
    }


def _fact(row: Row[Any]) -> Fact:
    return Fact(
        fact_id=row.fact_id,
        source_id=row.source_id,
        unit_id=row.unit_id,
        extraction=row.extraction,
        order=row.place,
        statement=row.statement,
        span=Span(row.span_start, row.span_end),
        quote=row.quote,
        quote_hash=row.quote_hash,
        qualifiers=tuple(
            msgspec.convert({"kind": kind, "text": text}, Qualifier) for kind, text in row.qualifiers_json
        ),
        confidence=row.confidence,
        origin=FactOrigin(row.origin),
        state=FactState(row.state),
        verdict=row.verdict,
        reasons=tuple(row.reasons_json),
        heading_path=tuple(row.heading_path),
        page=row.page,
        making=Making(row.run_id, row.step_id, row.call_id, row.contract, row.template_hash, row.model),
        created_by=row.created_by,
        created_at=row.created_at,
        retired_by=row.retired_by,
        retired_at=row.retired_at,
    )
