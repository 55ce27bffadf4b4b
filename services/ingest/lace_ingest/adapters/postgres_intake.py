"""Sources by the hundred, what was imported from the inbox, and cancelled runs, in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import orjson

from lace_ingest.adapters.postgres_sources import COLUMNS, source_of
from lace_ingest.domain.intake import ImportRecord
from lace_ingest.domain.sources import Source
from lace_platform.db.transaction import Transaction

# No job waits so long in the bus that it could begin after its run's cancellation was forgotten.
_REMEMBERED = timedelta(days=30)
_MANY = f"""
    SELECT {COLUMNS} FROM ingest.sources
    WHERE tenant_id = :tenant_id AND labels <@ CAST(:held AS text[])
      AND source_id = ANY(CAST(:source_ids AS text[]))
    ORDER BY array_position(CAST(:source_ids AS text[]), source_id)
"""
_IMPORTED = """
    SELECT name, mark, source_id FROM ingest.imported_objects
    WHERE tenant_id = :tenant_id AND name = ANY(CAST(:names AS text[]))
"""
# Sorted, so that two imports of the same objects wait for one another and never in a circle.
_NOTE = """
    INSERT INTO ingest.imported_objects (tenant_id, name, mark, source_id, imported_at)
    SELECT :tenant_id, name, mark, source_id, :at
    FROM jsonb_to_recordset(CAST(:records AS jsonb)) AS given(name text, mark text, source_id text)
    ORDER BY name COLLATE "C"
    ON CONFLICT (tenant_id, name) DO UPDATE SET
        mark = excluded.mark, source_id = excluded.source_id, imported_at = excluded.imported_at
"""
_CANCEL = """
    INSERT INTO ingest.cancelled_runs (tenant_id, run_id, cancelled_at) VALUES (:tenant_id, :run_id, :at)
    ON CONFLICT DO NOTHING
"""
_FORGET = "DELETE FROM ingest.cancelled_runs WHERE tenant_id = :tenant_id AND cancelled_at < :before"
_IS_CANCELLED = "SELECT 1 FROM ingest.cancelled_runs WHERE tenant_id = :tenant_id AND run_id = :run_id"


class PostgresIntakeRepository:
    """Tables ingest.imported_objects and ingest.cancelled_runs; see app.intake_ports.IntakeRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def many(self, tenant_id: str, labels: frozenset[str], source_ids: Sequence[str]) -> Sequence[Source]:
        """Those that are there and may be seen, in the order of the ids."""
        wanted = {"tenant_id": tenant_id, "held": sorted(labels), "source_ids": list(source_ids)}
        return [source_of(row) for row in await self._tx.fetch_all(_MANY, wanted)]

    async def imported(self, tenant_id: str, names: Sequence[str]) -> Mapping[str, ImportRecord]:
        """What is known of these objects, by name."""
        rows = await self._tx.fetch_all(_IMPORTED, {"tenant_id": tenant_id, "names": list(names)})
        return {row.name: ImportRecord(row.name, row.mark, row.source_id) for row in rows}

    async def note_imports(self, tenant_id: str, records: Sequence[ImportRecord], at: datetime) -> None:
        """Keep which sources objects are."""
        given = {
            record.name: {"name": record.name, "mark": record.mark, "source_id": record.source_id} for record in records
        }
        values = {"tenant_id": tenant_id, "at": at, "records": orjson.dumps(list(given.values())).decode()}
        await self._tx.execute(_NOTE, values)

    async def cancel(self, tenant_id: str, run_id: str, at: datetime) -> None:
        """Note that a run wants nothing more, and forget such notes of long ago."""
        await self._tx.execute(_CANCEL, {"tenant_id": tenant_id, "run_id": run_id, "at": at})
        await self._tx.execute(_FORGET, {"tenant_id": tenant_id, "before": at - _REMEMBERED})

    async def is_cancelled(self, tenant_id: str, run_id: str) -> bool:
        """Whether the run wants nothing more."""
        found = await self._tx.fetch_one(_IS_CANCELLED, {"tenant_id": tenant_id, "run_id": run_id})
        return found is not None
