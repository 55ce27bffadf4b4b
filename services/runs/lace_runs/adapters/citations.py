"""Citations in Postgres: found by evidence, read out of the nodes of committed revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lace_core.ir import Block, Evidence
from lace_platform.db.transaction import Transaction
from lace_runs.domain.citations import Citation, Cursor, Wanted, parts_citing

_ARTIFACTS_AT_ONCE = 20

# Evidence of any revision, staged ones as well: which of it is cited now is for the next statement to say.
_CITING = """
SELECT DISTINCT artifact_id COLLATE "C" AS artifact_id FROM runs.evidence
WHERE tenant_id = :tenant_id
  AND (cardinality(CAST(:source_ids AS text[])) = 0 OR source_id = ANY(CAST(:source_ids AS text[])))
  AND (cardinality(CAST(:unit_ids AS text[])) = 0 OR unit_id = ANY(CAST(:unit_ids AS text[])))
  AND (CAST(:artifact_id AS text) = '' OR artifact_id = :artifact_id)
  AND artifact_id COLLATE "C" >= :first
ORDER BY artifact_id COLLATE "C" LIMIT :limit
"""

# The evidence of each node's version, once: a body is long, and is not to be unpacked for each piece that it holds.
_CITED = """
SELECT r.artifact_id, r.title AS artifact_title, r.revision_id, place.position, place.node_id, place.node_hash,
  n.title AS node_title, held.evidence
FROM runs.artifacts a
JOIN runs.artifact_revisions r ON r.tenant_id = a.tenant_id AND r.artifact_id = a.artifact_id
  AND (r.revision_id = a.head_revision_id OR (CAST(:all_revisions AS boolean) AND r.status = 'committed'))
CROSS JOIN LATERAL jsonb_to_recordset(r.nodes) AS place(position int, node_id text, node_hash text)
JOIN runs.artifact_nodes n ON n.tenant_id = r.tenant_id AND n.artifact_id = r.artifact_id
  AND n.node_id = place.node_id AND n.node_hash = place.node_hash
CROSS JOIN LATERAL jsonb_array_elements(n.body -> 'evidence') AS held(evidence)
WHERE a.tenant_id = :tenant_id AND a.artifact_id = ANY(CAST(:artifact_ids AS text[]))
  AND (cardinality(CAST(:source_ids AS text[])) = 0
       OR held.evidence ->> 'source_id' = ANY(CAST(:source_ids AS text[])))
  AND (cardinality(CAST(:unit_ids AS text[])) = 0 OR held.evidence ->> 'unit_id' = ANY(CAST(:unit_ids AS text[])))
  AND NOT EXISTS (
    SELECT 1 FROM jsonb_array_elements(r.sources) AS source, jsonb_array_elements_text(source -> 'labels') AS label
    WHERE NOT label = ANY(CAST(:held AS text[])))
  AND (r.artifact_id COLLATE "C", r.revision_id COLLATE "C", place.position,
       (held.evidence ->> 'evidence_id') COLLATE "C")
      > (CAST(:after_artifact AS text), CAST(:after_revision AS text), CAST(:after_position AS int),
         CAST(:after_evidence AS text))
ORDER BY r.artifact_id COLLATE "C", r.revision_id COLLATE "C", place.position,
  (held.evidence ->> 'evidence_id') COLLATE "C"
LIMIT :limit
"""

_BLOCKS = """
SELECT b.artifact_id, b.node_id, b.node_hash, b.body
FROM runs.artifact_blocks b
JOIN unnest(CAST(:artifact_ids AS text[]), CAST(:node_ids AS text[]), CAST(:node_hashes AS text[]))
  AS wanted(artifact_id, node_id, node_hash) USING (artifact_id, node_id, node_hash)
WHERE b.tenant_id = :tenant_id
ORDER BY b.artifact_id, b.node_id, b.node_hash, b.position
"""

_Version = tuple[str, str, str]


class PostgresCitations:
    """Citations within one transaction; see app.ports.CitationRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def page(self, tenant_id: str, wanted: Wanted, after: Cursor | None, limit: int) -> Sequence[Citation]:
        """Citations in order, behind the cursor; a few artifacts are looked at at a time, until there are enough."""
        behind = after or ("", "", -1, "")
        filters = {
            "tenant_id": tenant_id,
            "source_ids": list(wanted.source_ids),
            "unit_ids": list(wanted.unit_ids),
        }
        first, found = behind[0], list[Any]()
        while len(found) < limit:
            asked = {**filters, "artifact_id": wanted.artifact_id, "first": first, "limit": _ARTIFACTS_AT_ONCE}
            artifacts = [row.artifact_id for row in await self._tx.fetch_all(_CITING, asked)]
            found += await self._cited(filters, wanted, artifacts, behind, limit - len(found))
            if len(artifacts) < _ARTIFACTS_AT_ONCE:
                break
            first = artifacts[-1] + "\x01"  # behind it, before any other
        return await self._with_parts(tenant_id, found)

    async def _cited(
        self, filters: Mapping[str, Any], wanted: Wanted, artifacts: Sequence[str], behind: Cursor, limit: int
    ) -> Sequence[Any]:
        if not artifacts:
            return ()
        places = ("after_artifact", "after_revision", "after_position", "after_evidence")
        asked = {
            **filters,
            **dict(zip(places, behind, strict=True)),
            "artifact_ids": list(artifacts),
            "all_revisions": wanted.all_revisions,
            "held": sorted(wanted.labels),
            "limit": limit,
        }
        return await self._tx.fetch_all(_CITED, asked)

    async def _with_parts(self, tenant_id: str, rows: Sequence[Any]) -> Sequence[Citation]:
        versions = sorted({(row.artifact_id, row.node_id, row.node_hash) for row in rows})
        blocks: dict[_Version, list[Block]] = {version: [] for version in versions}
        if versions:
            names = ("artifact_ids", "node_ids", "node_hashes")
            asked = {name: list(values) for name, values in zip(names, zip(*versions, strict=True), strict=True)}
            for row in await self._tx.fetch_all(_BLOCKS, {"tenant_id": tenant_id, **asked}):
                block: Block = msgspec.convert(row.body, Block)
                blocks[row.artifact_id, row.node_id, row.node_hash].append(block)
        return [_citation(row, blocks[row.artifact_id, row.node_id, row.node_hash]) for row in rows]


def _citation(row: Any, blocks: Sequence[Block]) -> Citation:
    evidence = msgspec.convert(row.evidence, Evidence)
    return Citation(
        artifact_id=row.artifact_id,
        artifact_title=row.artifact_title,
        revision_id=row.revision_id,
        position=row.position,
        node_id=row.node_id,
        node_title=row.node_title,
        evidence=evidence,
        parts=parts_citing(blocks, evidence.evidence_id),
    )
