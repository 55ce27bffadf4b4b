"""Transformation logs in Postgres, with the entities and edges that each brings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import Any, Literal

import orjson

from lace_platform.db.transaction import Transaction
from lace_provenance.adapters.rows import log_of, row_of
from lace_provenance.domain.edges import edges_of, entities_of
from lace_provenance.domain.logs import EntityRef, TransformationLog

_ADD = """
    INSERT INTO provenance.transformation_logs
        (tenant_id, id, run_id, stage, activity_name, started_at, ended_at, agent, on_behalf_of, trace_id, span_id,
         parent_span_id, inputs_json, outputs_json, lineage_json, provenance_json, pedigree_json, security_json,
         abac_labels, retention_policy_id, retention_not_after, genai_json, governance_json, correlation_id,
         schema_version)
    SELECT :tenant_id, id, run_id, stage, activity_name, started_at, ended_at, agent, on_behalf_of, trace_id, span_id,
        parent_span_id, inputs, outputs, lineage, provenance, pedigree, security, abac_labels, retention_policy_id,
        retention_not_after, genai, governance, correlation_id, schema_version
    FROM jsonb_to_recordset(CAST(:logs AS jsonb)) AS log (
        id text, run_id text, stage text, activity_name text, started_at timestamptz, ended_at timestamptz, agent text,
        on_behalf_of text, trace_id text, span_id text, parent_span_id text, inputs jsonb, outputs jsonb,
        lineage jsonb, provenance jsonb, pedigree jsonb, security jsonb, abac_labels text[], retention_policy_id text,
        retention_not_after timestamptz, genai jsonb, governance jsonb, correlation_id text, schema_version integer)
    ORDER BY id
    ON CONFLICT (tenant_id, id) DO NOTHING
    RETURNING id
"""

# Logs come in any order: the entity was first seen when the earliest of them ended. What is known already is left out
# before it can conflict, as even a conflict that changes nothing writes to the log.
_ADD_ENTITIES = """
    INSERT INTO provenance.entities (tenant_id, entity_id, content_hash, uri, kind, first_seen_at)
    SELECT :tenant_id, entity_id, content_hash, uri, kind, seen_at
    FROM unnest(CAST(:ids AS text[]), CAST(:hashes AS text[]), CAST(:uris AS text[]), CAST(:kinds AS text[]),
                CAST(:seen_at AS timestamptz[])) AS named (entity_id, content_hash, uri, kind, seen_at)
    WHERE NOT EXISTS (
        SELECT FROM provenance.entities AS known
        WHERE known.tenant_id = :tenant_id AND known.entity_id = named.entity_id
          AND known.content_hash = named.content_hash AND known.first_seen_at <= named.seen_at)
    ORDER BY entity_id, content_hash
    ON CONFLICT (tenant_id, entity_id, content_hash) DO UPDATE SET first_seen_at = excluded.first_seen_at
    WHERE entities.first_seen_at > excluded.first_seen_at
"""

_ADD_EDGES = """
    INSERT INTO provenance.edges (tenant_id, log_id, direction, entity_id, content_hash, derives)
    SELECT :tenant_id, log_id, direction, entity_id, content_hash, derives
    FROM json_to_recordset(CAST(:edges AS json))
         AS named (log_id text, direction text, entity_id text, content_hash text, derives boolean)
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

    async def add(self, tenant_id: str, logs: Sequence[TransformationLog]) -> Set[str]:
        """Keep logs with their entities and edges; those that are kept under their id already change nothing."""
        if not logs:
            return set()
        rows = orjson.dumps([row_of(log) for log in logs]).decode()
        added = {row.id for row in await self._tx.fetch_all(_ADD, {"tenant_id": tenant_id, "logs": rows})}
        # Of two logs with one id in the batch the first is the one that was kept.
        new = {log.id: log for log in reversed(logs) if log.id in added}
        if new:
            await self._add_entities(tenant_id, new.values())
            await self._add_edges(tenant_id, new.values())
        return added

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

    async def _add_entities(self, tenant_id: str, logs: Iterable[TransformationLog]) -> None:
        first: dict[tuple[str, str], tuple[EntityRef, datetime]] = {}
        for log in logs:
            for entity in entities_of(log):
                key = (entity.entity_id, entity.content_hash)
                known, seen_at = first.get(key, (entity, log.ended_at))
                first[key] = (known, min(seen_at, log.ended_at))
        columns = {
            "ids": [entity.entity_id for entity, _ in first.values()],
            "hashes": [entity.content_hash for entity, _ in first.values()],
            "uris": [entity.uri for entity, _ in first.values()],
            "kinds": [entity.kind for entity, _ in first.values()],
            "seen_at": [seen_at for _, seen_at in first.values()],
        }
        await self._tx.execute(_ADD_ENTITIES, {"tenant_id": tenant_id, **columns})

    async def _add_edges(self, tenant_id: str, logs: Iterable[TransformationLog]) -> None:
        edges = [edge for log in logs for edge in _edge_rows(log)]
        await self._tx.execute(_ADD_EDGES, {"tenant_id": tenant_id, "edges": orjson.dumps(edges).decode()})


def _edge_rows(log: TransformationLog) -> Iterable[dict[str, Any]]:
    """The log's edges; what was used and is derived from as well is one row."""
    edges = edges_of(log)
    origins = {(edge.entity_id, edge.content_hash) for edge in edges if edge.direction == "derived_from"}
    used = {(edge.entity_id, edge.content_hash) for edge in edges if edge.direction == "used"}
    for edge in edges:
        at = edge.entity_id, edge.content_hash
        if edge.direction == "derived_from" and at in used:
            continue
        yield {"log_id": log.id, "derives": edge.direction == "used" and at in origins, **vars(edge)}
