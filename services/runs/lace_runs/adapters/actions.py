"""Which actions made which revision: an action that is sent again is known by its key, and does nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lace_platform.db.transaction import Transaction
from lace_runs.domain.artifacts import Staging

INSERT_ACTIONS = """
INSERT INTO runs.applied_actions (tenant_id, artifact_id, revision_id, action_key, action_hash)
SELECT :tenant_id, :artifact_id, :revision_id, x.key, x.value
FROM jsonb_each_text(CAST(:actions AS jsonb)) AS x(key, value)
ON CONFLICT DO NOTHING
"""

# Of these keys, those of the head and of what it came of; another branch may have applied them as well.
KNOWN_ACTIONS = """
WITH RECURSIVE known AS (
  SELECT revision_id, action_key, action_hash FROM runs.applied_actions
  WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND action_key = ANY(CAST(:keys AS text[]))
), line AS (
  SELECT r.revision_id, r.parent_revision_id, r.second_parent_revision_id FROM runs.artifact_revisions r
  WHERE r.tenant_id = :tenant_id AND r.artifact_id = :artifact_id AND r.revision_id = :head
    AND EXISTS (SELECT 1 FROM known)
  UNION
  SELECT r.revision_id, r.parent_revision_id, r.second_parent_revision_id FROM runs.artifact_revisions r, line
  WHERE r.tenant_id = :tenant_id AND r.artifact_id = :artifact_id
    AND r.revision_id IN (line.parent_revision_id, line.second_parent_revision_id)
)
SELECT DISTINCT known.action_key, known.action_hash FROM known JOIN line USING (revision_id)
"""


async def keep_actions(tx: Transaction, tenant_id: str, staging: Staging) -> None:
    """Keep the keys and digests of the actions that made a revision."""
    if staging.actions:
        revision = staging.revision
        values = {
            "tenant_id": tenant_id,
            "artifact_id": revision.artifact_id,
            "revision_id": revision.revision_id,
            "actions": msgspec.json.encode(staging.actions).decode(),
        }
        await tx.execute(INSERT_ACTIONS, values)


async def known_actions(
    tx: Transaction, tenant_id: str, artifact_id: str, head: str, keys: Sequence[str]
) -> Mapping[str, str]:
    """Digests by key of those of these actions that made the head or a revision before it."""
    if not head or not keys:
        return {}
    values = {"tenant_id": tenant_id, "artifact_id": artifact_id, "head": head, "keys": list(keys)}
    rows = await tx.fetch_all(KNOWN_ACTIONS, values)
    return {row.action_key: row.action_hash for row in rows}
