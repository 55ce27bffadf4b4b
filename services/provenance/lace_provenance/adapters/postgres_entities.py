"""Entities and what they were derived from, in Postgres."""

from __future__ import annotations

from collections.abc import Sequence

from lace_platform.db.transaction import Transaction
from lace_provenance.domain.logs import EntityRef

# However many ways lead to an entity: a walk is over after so many (entity, step) pairs.
_MOST_PAIRS = 50_000

_CONTENTS = """
    SELECT entity_id, content_hash, uri, kind FROM provenance.entities AS entity
    WHERE entity.tenant_id = :tenant_id AND entity.entity_id = :entity_id
      AND EXISTS (
          SELECT 1 FROM provenance.edges AS edge
          JOIN provenance.transformation_logs AS log ON log.tenant_id = :tenant_id AND log.id = edge.log_id
          WHERE edge.tenant_id = :tenant_id AND edge.entity_id = entity.entity_id
            AND edge.content_hash = entity.content_hash AND log.abac_labels <@ CAST(:labels AS text[])
      )
    ORDER BY first_seen_at DESC, content_hash
"""

# UNION drops a pair that was met before, so that neither cycles nor many ways to one entity multiply; the levels come
# out one after the other, so that what the inner LIMIT cuts off is the farthest.
_ANCESTORS = """
    WITH RECURSIVE walk (entity_id, content_hash, step) AS (
        SELECT CAST(:entity_id AS text), '', 0
        UNION
        SELECT origin.entity_id, origin.content_hash, walk.step + 1
        FROM walk
        JOIN provenance.edges AS made
            ON made.tenant_id = :tenant_id AND made.entity_id = walk.entity_id AND made.direction = 'generated'
        JOIN provenance.transformation_logs AS log
            ON log.tenant_id = :tenant_id AND log.id = made.log_id AND log.abac_labels <@ CAST(:labels AS text[])
        JOIN provenance.edges AS origin
            ON origin.tenant_id = :tenant_id AND origin.log_id = log.id
           AND (origin.derives OR origin.direction = 'derived_from')
        WHERE walk.step < :steps
    ),
    met AS (
        SELECT entity_id, content_hash, min(step) AS step
        FROM (SELECT entity_id, content_hash, step FROM walk LIMIT :most_pairs) AS bounded
        WHERE entity_id <> :entity_id
        GROUP BY entity_id, content_hash
        ORDER BY min(step), entity_id, content_hash
        LIMIT :limit
    )
    SELECT met.entity_id, coalesce(known.content_hash, met.content_hash) AS content_hash,
           coalesce(known.uri, '') AS uri, coalesce(known.kind, '') AS kind
    FROM met
    LEFT JOIN LATERAL (
        SELECT content_hash, uri, kind FROM provenance.entities AS entity
        WHERE entity.tenant_id = :tenant_id AND entity.entity_id = met.entity_id
          AND met.content_hash IN ('', entity.content_hash)
        ORDER BY first_seen_at DESC, content_hash LIMIT 1
    ) AS known ON true
    ORDER BY met.step, met.entity_id, met.content_hash
"""


class PostgresEntityRepository:
    """Tables provenance.entities and provenance.edges."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def contents(self, tenant_id: str, entity_id: str, labels: frozenset[str]) -> Sequence[EntityRef]:
        """The entity's contents that a visible log names, newest first."""
        rows = await self._tx.fetch_all(
            _CONTENTS, {"tenant_id": tenant_id, "entity_id": entity_id, "labels": sorted(labels)}
        )
        return [EntityRef(*row) for row in rows]

    async def ancestors(
        self, tenant_id: str, entity_id: str, labels: frozenset[str], steps: int, limit: int
    ) -> Sequence[EntityRef]:
        """What the entity was derived from in at most so many steps, nearest first, without itself."""
        bounds = {"steps": steps, "limit": limit, "most_pairs": _MOST_PAIRS}
        rows = await self._tx.fetch_all(
            _ANCESTORS, {"tenant_id": tenant_id, "entity_id": entity_id, "labels": sorted(labels), **bounds}
        )
        # The newest content stands in where a log did not say which it meant: it may be there by its hash, too.
        return list(dict.fromkeys(EntityRef(*row) for row in rows))
