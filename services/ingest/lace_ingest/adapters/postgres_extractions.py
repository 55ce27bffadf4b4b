"""The record of extractions in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row

from lace_ingest.adapters.postgres_sources import warnings_of
from lace_ingest.domain.extractions import Extraction
from lace_platform.db.transaction import Transaction

_PLAIN = (
    "source_id", "extraction", "title", "page_count", "unit_count", "word_count", "run_id", "created_at", "language",
    "extractability",
)  # fmt: skip
_COLUMNS = f"{', '.join(_PLAIN)}, warnings_json, metadata_json"
_ADD = f"""
    INSERT INTO ingest.extractions (tenant_id, {_COLUMNS})
    VALUES (:tenant_id, {", ".join(f":{name}" for name in _PLAIN)}, CAST(:warnings AS jsonb), CAST(:metadata AS jsonb))
    ON CONFLICT (tenant_id, source_id, extraction) DO NOTHING
"""
_GET = f"""
    SELECT {_COLUMNS} FROM ingest.extractions
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND extraction = :extraction
"""
_OF_SOURCE = f"""
    SELECT {_COLUMNS} FROM ingest.extractions
    WHERE tenant_id = :tenant_id AND source_id = :source_id
      AND (CAST(:before_at AS timestamptz) IS NULL
           OR (created_at, extraction COLLATE "C") < (CAST(:before_at AS timestamptz), CAST(:before AS text)))
    ORDER BY created_at DESC, extraction COLLATE "C" DESC
    LIMIT :limit
"""
_OF_UNIT = "SELECT extraction FROM ingest.source_units WHERE tenant_id = :tenant_id AND unit_id = :unit_id"


class PostgresExtractionRepository:
    """Table ingest.extractions; see app.version_ports.ExtractionRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, extraction: Extraction) -> None:
        """Record a reading."""
        values = {name: getattr(extraction, name) for name in _PLAIN}
        told = {
            "warnings": orjson.dumps(extraction.warnings).decode(),
            "metadata": orjson.dumps(extraction.metadata).decode(),
        }
        await self._tx.execute(_ADD, {"tenant_id": tenant_id, **values, **told})

    async def get(self, tenant_id: str, source_id: str, extraction: str) -> Extraction | None:
        """One reading."""
        parameters = {"tenant_id": tenant_id, "source_id": source_id, "extraction": extraction}
        row = await self._tx.fetch_one(_GET, parameters)
        return None if row is None else _extraction(row)

    async def of_source(
        self, tenant_id: str, source_id: str, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[Extraction]:
        """Newest first."""
        before_at, name = before or (None, None)
        parameters = {
            "tenant_id": tenant_id, "source_id": source_id, "limit": limit, "before_at": before_at, "before": name,
        }  # fmt: skip
        return [_extraction(row) for row in await self._tx.fetch_all(_OF_SOURCE, parameters)]

    async def of_unit(self, tenant_id: str, unit_id: str) -> str | None:
        """By the unit's own row."""
        row = await self._tx.fetch_one(_OF_UNIT, {"tenant_id": tenant_id, "unit_id": unit_id})
        return None if row is None else str(row.extraction)


def _extraction(row: Row[Any]) -> Extraction:
    plain = {name: getattr(row, name) for name in _PLAIN}
    return Extraction(**plain, warnings=warnings_of(row.warnings_json), metadata=row.metadata_json)
