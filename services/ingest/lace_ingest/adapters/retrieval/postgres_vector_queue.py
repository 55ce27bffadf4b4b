"""The units of all tenants that are without vectors, as rows in Postgres that one worker at a time holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from lace_ingest.adapters.retrieval.postgres_vectors import literal
from lace_ingest.domain.documents import Span
from lace_ingest.domain.vectors import EmbeddingModel, UnitText, UnitVector, VectorSet
from lace_platform.db.database import SystemDatabase

_INSTALL = "SELECT ingest.install_vectors() AS schema"
_TENANTS = """
    SELECT source.tenant_id, min(source.created_by) AS principal_id
    FROM ingest.sources AS source
    LEFT JOIN unnest(CAST(:tenants AS text[]), CAST(:spaces AS integer[])) AS known(tenant_id, space_id)
        ON known.tenant_id = source.tenant_id
    WHERE source.state = 'ready' AND source.unit_count > 0
      AND NOT EXISTS (
          SELECT FROM ingest.vector_sets AS made
          WHERE made.tenant_id = source.tenant_id AND made.space_id = known.space_id
            AND made.source_id = source.source_id AND made.extraction = source.extraction)
    GROUP BY source.tenant_id
    ORDER BY source.tenant_id COLLATE "C"
"""
# The update that changes nothing gives back the row that is there.
_SPACE = """
    INSERT INTO ingest.vector_spaces AS kept (tenant_id, model, dimensions) VALUES (:tenant_id, :model, :dimensions)
    ON CONFLICT (tenant_id, model, dimensions) DO UPDATE SET dimensions = kept.dimensions
    RETURNING space_id
"""
_ENQUEUE = """
    INSERT INTO ingest.vector_sets (space_id, tenant_id, source_id, extraction, principal_id, units)
    SELECT :space_id, tenant_id, source_id, extraction, created_by, unit_count
    FROM ingest.sources
    WHERE tenant_id = :tenant_id AND state = 'ready' AND unit_count > 0
    ORDER BY created_at, source_id
    ON CONFLICT (tenant_id, space_id, source_id, extraction) DO NOTHING
"""
# Tenants take turns: the space whose last turn is longest ago comes first.
_TURNS = """
    SELECT space_id FROM unnest(CAST(:space_ids AS integer[])) AS wanted(space_id)
    ORDER BY (SELECT max(served_at) FROM ingest.vector_sets AS made WHERE made.space_id = wanted.space_id), space_id
"""
# A reading that is no longer the present one waits for ever: its vectors would answer nobody.
_TAKE = """
    WITH waiting AS MATERIALIZED (
        SELECT one.set_id
        FROM ingest.vector_sets AS one
        JOIN ingest.sources AS source USING (tenant_id, source_id, extraction)
        WHERE one.space_id = :space_id AND one.embedded < one.units AND one.not_before <= clock_timestamp()
        ORDER BY one.set_id
        LIMIT 1
        FOR UPDATE OF one SKIP LOCKED
    )
    UPDATE ingest.vector_sets AS taken
    SET lease = :lease, served_at = clock_timestamp(), attempts = attempts + 1,
        not_before = clock_timestamp() + make_interval(secs => :seconds)
    FROM waiting WHERE taken.set_id = waiting.set_id
    RETURNING taken.set_id, taken.space_id, taken.tenant_id, taken.source_id, taken.extraction, taken.principal_id,
              taken.units, taken.embedded, taken.last_place, taken.attempts
"""
_UNITS = """
    SELECT unit_id, place, text, heading_path, spans_json
    FROM ingest.source_units
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND extraction = :extraction AND place > :last_place
    ORDER BY place
    LIMIT :limit
"""
_ADVANCE = """
    UPDATE ingest.vector_sets
    SET embedded = least(embedded + :count, units), last_place = :last_place, attempts = 0, error_code = '',
        lease = '', not_before = '-infinity'
    WHERE set_id = :set_id AND tenant_id = :tenant_id AND lease = :lease
"""
_ADD = """
    INSERT INTO ingest.unit_vectors (set_id, space_id, tenant_id, unit_id, part, embedding)
    SELECT :set_id, :space_id, :tenant_id, unit_id, part, {schema}.l2_normalize(CAST(vector AS {schema}.vector))
    FROM unnest(CAST(:unit_ids AS text[]), CAST(:parts AS smallint[]), CAST(:vectors AS text[]))
        AS made(unit_id, part, vector)
    ON CONFLICT (set_id, unit_id, part) DO NOTHING
"""
_PUT_BACK = """
    UPDATE ingest.vector_sets
    SET error_code = :error_code, lease = '', not_before = clock_timestamp() + make_interval(secs => :seconds)
    WHERE set_id = :set_id AND tenant_id = :tenant_id AND lease = :lease
"""
_COUNT = """
    SELECT coalesce(sum(units), 0) AS units, coalesce(sum(embedded), 0) AS embedded
    FROM ingest.vector_sets JOIN ingest.sources USING (tenant_id, source_id, extraction)
"""
_LARGE = """
    SELECT sum(vectors.embedded) AS embedded
    FROM ingest.vector_sets AS vectors JOIN ingest.vector_spaces AS space USING (space_id)
    WHERE space.space_id = :space_id AND space.tenant_id = :tenant_id AND space.indexed_at IS NULL
"""
# An index over many vectors takes minutes, and memory decides how many.
_PATIENCE = ("SET LOCAL statement_timeout = '30min'", "SET LOCAL maintenance_work_mem = '256MB'")
_INDEX = "SELECT ingest.index_vectors(:space_id) AS made"


class PostgresVectorQueue:
    """Tables ingest.vector_sets and unit_vectors; see app.vector_ports.VectorQueue."""

    def __init__(self, system: SystemDatabase) -> None:
        self._system = system
        self._schema = ""

    async def ready(self) -> bool:
        """Makes what needs pgvector where that was installed since."""
        if not self._schema:
            async with self._system.transaction() as tx:
                row = await tx.fetch_one(_INSTALL)
                await tx.commit()
            self._schema = row.schema or "" if row else ""
        return bool(self._schema)

    async def tenants(self, spaces: Mapping[str, int]) -> Mapping[str, str]:
        """See app.vector_ports.VectorQueue.tenants."""
        parameters = {"tenants": list(spaces), "spaces": list(spaces.values())}
        async with self._system.transaction() as tx:
            return {row.tenant_id: row.principal_id for row in await tx.fetch_all(_TENANTS, parameters)}

    async def enqueue(self, tenant_id: str, model: EmbeddingModel) -> int:
        """See app.vector_ports.VectorQueue.enqueue."""
        named = {"tenant_id": tenant_id, "model": model.name, "dimensions": model.dimensions}
        async with self._system.transaction() as tx:
            row = await tx.fetch_one(_SPACE, named)
            assert row is not None
            await tx.execute(_ENQUEUE, {"tenant_id": tenant_id, "space_id": row.space_id})
            await tx.commit()
        return int(row.space_id)

    async def take(self, space_ids: Sequence[int], lease: str, seconds: float) -> VectorSet | None:
        """See app.vector_ports.VectorQueue.take."""
        async with self._system.transaction() as tx:
            for turn in await tx.fetch_all(_TURNS, {"space_ids": list(space_ids)}):
                parameters = {"space_id": turn.space_id, "lease": lease, "seconds": seconds}
                if row := await tx.fetch_one(_TAKE, parameters):
                    await tx.commit()
                    return _set(row)
        return None

    async def units(self, taken: VectorSet, limit: int) -> Sequence[UnitText]:
        """See app.vector_ports.VectorQueue.units."""
        parameters = {
            "tenant_id": taken.tenant_id,
            "source_id": taken.source_id,
            "extraction": taken.extraction,
            "last_place": taken.last_place,
            "limit": limit,
        }
        async with self._system.transaction() as tx:
            return [_unit(row) for row in await tx.fetch_all(_UNITS, parameters)]

    async def store(
        self, taken: VectorSet, lease: str, units: Sequence[UnitText], vectors: Sequence[UnitVector]
    ) -> bool:
        """In one transaction, which does nothing where another worker holds the set by now."""
        held = {"set_id": taken.set_id, "tenant_id": taken.tenant_id}
        last = units[-1].place if units else taken.last_place
        advance = {**held, "lease": lease, "last_place": last, "count": len(units) or taken.units}
        async with self._system.transaction() as tx:
            if not (await tx.execute(_ADVANCE, advance)).rowcount:
                return False
            rows = {
                "unit_ids": [made.unit_id for made in vectors],
                "parts": [made.part for made in vectors],
                "vectors": [literal(made.vector) for made in vectors],
            }
            await tx.execute(_ADD.format(schema=self._schema), {**held, **rows, "space_id": taken.space_id})
            await tx.commit()
        return True

    async def put_back(self, taken: VectorSet, lease: str, error_code: str, seconds: float) -> None:
        """See app.vector_ports.VectorQueue.put_back."""
        parameters = {
            "set_id": taken.set_id,
            "tenant_id": taken.tenant_id,
            "lease": lease,
            "error_code": error_code,
            "seconds": seconds,
        }
        async with self._system.transaction() as tx:
            await tx.execute(_PUT_BACK, parameters)
            await tx.commit()

    async def count(self) -> tuple[int, int]:
        """See app.vector_ports.VectorQueue.count."""
        async with self._system.transaction() as tx:
            row = await tx.fetch_one(_COUNT)
        return (int(row.units), int(row.embedded)) if row else (0, 0)

    async def index(self, tenant_id: str, space_id: int, units: int) -> bool:
        """See app.vector_ports.VectorQueue.index."""
        async with self._system.transaction() as tx:
            row = await tx.fetch_one(_LARGE, {"tenant_id": tenant_id, "space_id": space_id})
            if row is None or row.embedded is None or row.embedded < units:
                return False
            for statement in _PATIENCE:
                await tx.execute(statement)
            made = await tx.fetch_one(_INDEX, {"space_id": space_id})
            await tx.commit()
        return bool(made and made.made)


def _set(row: Row[Any]) -> VectorSet:
    return VectorSet(
        set_id=row.set_id,
        space_id=row.space_id,
        tenant_id=row.tenant_id,
        source_id=row.source_id,
        extraction=row.extraction,
        principal_id=row.principal_id,
        units=row.units,
        embedded=row.embedded,
        last_place=row.last_place,
        attempts=row.attempts,
    )


def _unit(row: Row[Any]) -> UnitText:
    spans = tuple(Span(start, end) for start, end in row.spans_json)
    return UnitText(row.unit_id, row.place, row.text, tuple(row.heading_path), spans)
