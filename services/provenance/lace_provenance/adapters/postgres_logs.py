"""Transformation logs in Postgres, with the entities and edges that each brings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from lace_platform.db.transaction import Transaction
from lace_provenance.adapters.rows import log_of, row_of
from lace_provenance.domain.edges import edges_of, entities_of
from lace_provenance.domain.logs import TransformationLog

_ADD = """
    INSERT INTO provenance.transformation_logs
        (tenant_id, id, run_id, stage, activity_name, started_at, ended_at, agent, on_behalf_of, trace_id, span_id,
         parent_span_id, inputs_json, outputs_json, lineage_json, provenance_json, pedigree_json, security_json,
         abac_labels, retention_policy_id, retention_not_after, genai_json, governance_json, correlation_id,
         schema_version)
    VALUES (:tenant_id, :id, :run_id, :stage, :activity_name, :started_at, :ended_at, :agent, :on_behalf_of, :trace_id,
        :span_id, :parent_span_id, CAST(:inputs AS jsonb), CAST(:outputs AS jsonb), CAST(:lineage AS jsonb),
        CAST(:provenance AS jsonb), CAST(:pedigree AS jsonb), CAST(:security AS jsonb), CAST(:abac_labels AS text[]),
        :retention_policy_id, :retention_not_after, CAST(:genai AS jsonb), CAST(:governance AS jsonb),
        :correlation_id, :schema_version)
    ON CONFLICT (tenant_id, id) DO NOTHING
"""

# Logs come in any order: the entity was first seen when the earliest of them ended.
_ADD_ENTITIES = """
    INSERT INTO provenance.entities (tenant_id, entity_id, content_hash, uri, kind, first_seen_at)
    SELECT :tenant_id, entity_id, content_hash, uri, kind, :seen_at
    FROM unnest(CAST(:ids AS text[]), CAST(:hashes AS text[]), CAST(:uris AS text[]), CAST(:kinds AS text[]))
         AS named (entity_id, content_hash, uri, kind)
    ON CONFLICT (tenant_id, entity_id, content_hash) DO UPDATE SET first_seen_at = excluded.first_seen_at
    WHERE entities.first_seen_at > excluded.first_seen_at
"""

_ADD_EDGES = """
    INSERT INTO provenance.edges (tenant_id, log_id, direction, entity_id, content_hash)
    SELECT :tenant_id, :log_id, direction, entity_id, content_hash
    FROM unnest(CAST(:directions AS text[]), CAST(:ids AS text[]), CAST(:hashes AS text[]))
         AS named (direction, entity_id, content_hash)
"""

_OF_RUN = """
    SELECT * FROM provenance.transformation_logs
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND abac_labels <@ CAST(:labels AS text[])
      AND (CAST(:ended_at AS timestamptz) IS NULL
           OR (ended_at, id) > (CAST(:ended_at AS timestamptz), CAST(:id AS text)))
    ORDER BY ended_at, id LIMIT :limit
"""

_TOUCHING = """
    SELECT * FROM provenance.transformation_logs AS log
    WHERE log.tenant_id = :tenant_id AND log.abac_labels <@ CAST(:labels AS text[])
      AND EXISTS (
          SELECT 1 FROM provenance.edges AS edge
          WHERE edge.tenant_id = :tenant_id AND edge.entity_id = :entity_id AND edge.direction = :direction
            AND edge.log_id = log.id
      )
    ORDER BY log.ended_at DESC, log.id DESC LIMIT :limit
"""


class PostgresLogRepository:
    """Tables provenance.transformation_logs, provenance.entities and provenance.edges."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, log: TransformationLog) -> bool:
        """Keep a log with its entities and edges; False, and no change, where one is kept under its id."""
        added = await self._tx.execute(_ADD, {**row_of(log), "tenant_id": tenant_id})
        if not added.rowcount:
            return False
        await self._add_entities(tenant_id, log)
        await self._add_edges(tenant_id, log)
        return True

    async def of_run(
        self, tenant_id: str, run_id: str, labels: frozenset[str], limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[TransformationLog]:
        """Logs of a run in the order of their end and id."""
        ended_at, log_id = after or (None, None)
        bounds = {"run_id": run_id, "ended_at": ended_at, "id": log_id}
        rows = await self._tx.fetch_all(
            _OF_RUN, {"tenant_id": tenant_id, "labels": sorted(labels), "limit": limit, **bounds}
        )
        return [log_of(row) for row in rows]

    async def touching(
        self,
        tenant_id: str,
        entity_id: str,
        direction: Literal["used", "generated"],
        labels: frozenset[str],
        limit: int,
    ) -> Sequence[TransformationLog]:
        """Logs that used or generated an entity, newest first."""
        bounds = {"entity_id": entity_id, "direction": direction}
        rows = await self._tx.fetch_all(
            _TOUCHING, {"tenant_id": tenant_id, "labels": sorted(labels), "limit": limit, **bounds}
        )
        return [log_of(row) for row in rows]

    async def _add_entities(self, tenant_id: str, log: TransformationLog) -> None:
        entities = entities_of(log)
        columns = {
            "ids": [entity.entity_id for entity in entities],
            "hashes": [entity.content_hash for entity in entities],
            "uris": [entity.uri for entity in entities],
            "kinds": [entity.kind for entity in entities],
        }
        await self._tx.execute(_ADD_ENTITIES, {"tenant_id": tenant_id, "seen_at": log.ended_at, **columns})

    async def _add_edges(self, tenant_id: str, log: TransformationLog) -> None:
        edges = edges_of(log)
        columns = {
            "directions": [edge.direction for edge in edges],
            "ids": [edge.entity_id for edge in edges],
            "hashes": [edge.content_hash for edge in edges],
        }
        await self._tx.execute(_ADD_EDGES, {"tenant_id": tenant_id, "log_id": log.id, **columns})
