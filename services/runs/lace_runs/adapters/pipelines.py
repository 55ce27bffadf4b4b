"""Registered pipelines in Postgres: a version is added and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lace_core.composing import restored, stored
from lace_platform.db.transaction import Transaction
from lace_runs.domain.pipelines import Registered, kind_key

# Of two who register at once the second sees what the first has made.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('pipeline/' || :tenant_id || '/' || :pipeline_id, 0))"

INSERT = """
INSERT INTO runs.pipelines (tenant_id, pipeline_id, version, description, steps, kinds, definition_hash, created_by,
  created_at)
VALUES (:tenant_id, :pipeline_id, :version, :description, CAST(:steps AS jsonb), :kinds, :definition_hash, :created_by,
  :created_at)
"""

# The newest version of each pipeline, or the one that is asked for, with the numbers of all.
FIND = """
SELECT DISTINCT ON (p.pipeline_id) p.*, (
  SELECT array_agg(v.version ORDER BY v.version) FROM runs.pipelines v
  WHERE v.tenant_id = p.tenant_id AND v.pipeline_id = p.pipeline_id) AS versions
FROM runs.pipelines p
WHERE p.tenant_id = :tenant_id AND (:pipeline_id = '' OR p.pipeline_id = :pipeline_id)
  AND (:version = 0 OR p.version = :version)
ORDER BY p.pipeline_id, p.version DESC
"""


class PostgresPipelines:
    """Registered pipelines within one transaction; see app.ports.PipelineRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock(self, tenant_id: str, pipeline_id: str) -> None:
        """Until the transaction ends nobody else registers a version of this pipeline."""
        await self._tx.execute(LOCK, {"tenant_id": tenant_id, "pipeline_id": pipeline_id})

    async def add(self, tenant_id: str, registered: Registered) -> None:
        """Keep a version."""
        pipeline = registered.pipeline
        await self._tx.execute(
            INSERT,
            {
                "tenant_id": tenant_id,
                "pipeline_id": pipeline.pipeline_id,
                "version": pipeline.version,
                "description": pipeline.description,
                "steps": orjson.dumps(stored(pipeline.steps)).decode(),
                "kinds": sorted(kind_key(step) for step in pipeline.steps),
                "definition_hash": registered.definition_hash,
                "created_by": registered.created_by,
                "created_at": registered.created_at,
            },
        )

    async def find(self, tenant_id: str, pipeline_id: str, version: int = 0) -> Registered | None:
        """A version, the newest where 0; None where there is none."""
        key = {"tenant_id": tenant_id, "pipeline_id": pipeline_id, "version": version}
        row = await self._tx.fetch_one(FIND, key)
        return _registered_of(row._asdict()) if row is not None else None

    async def list(self, tenant_id: str) -> Sequence[Registered]:
        """The newest version of each, sorted by id."""
        rows = await self._tx.fetch_all(FIND, {"tenant_id": tenant_id, "pipeline_id": "", "version": 0})
        return [_registered_of(row._asdict()) for row in rows]


def _registered_of(row: Mapping[str, Any]) -> Registered:
    return Registered(
        tenant_id=row["tenant_id"],
        pipeline=restored(row["pipeline_id"], row["version"], row["description"], row["steps"]),
        definition_hash=row["definition_hash"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        versions=tuple(row["versions"]),
    )
