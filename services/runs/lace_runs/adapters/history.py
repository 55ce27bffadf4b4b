"""Histories of documents in Postgres: names, lineages, and which revision changed what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from lace_core.errors import LaceError, Reason
from lace_core.ir import Block
from lace_platform.db.transaction import Transaction
from lace_runs.adapters.artifacts import REVISION_COLUMNS
from lace_runs.app.history.ports import Entry
from lace_runs.domain.artifacts import Revision
from lace_runs.domain.history.blame import Version
from lace_runs.domain.history.lineage import Ancestry, Lineage
from lace_runs.domain.history.refs import MAIN, Branch, Tag

_BRANCH = "artifact_id, name, head_revision_id, from_revision_id, created_by, created_at, updated_at"
_TAG = "artifact_id, name, revision_id, message, created_by, created_at"
_OF_ARTIFACT = "tenant_id = :tenant_id AND artifact_id = :artifact_id"

# The head moves only from the revision's parent, so that of two writers one is refused.
MOVE_BRANCH = """
UPDATE runs.artifact_branches b SET head_revision_id = r.revision_id, updated_at = clock_timestamp()
FROM runs.artifact_revisions r
WHERE b.tenant_id = :tenant_id AND b.artifact_id = :artifact_id AND b.name = :name AND r.tenant_id = b.tenant_id
  AND r.artifact_id = b.artifact_id AND r.revision_id = :revision_id AND r.status = 'validated' AND r.run_id = ''
  AND b.head_revision_id = r.parent_revision_id
"""

COMMIT_REVISION = f"""
UPDATE runs.artifact_revisions SET status = 'committed', committed_at = clock_timestamp()
WHERE {_OF_ARTIFACT} AND revision_id = :revision_id
"""

# Narrow on purpose: sources and nodes of a revision are long, and stay where they are.
LINEAGE = f"""
SELECT revision_id, parent_revision_id, second_parent_revision_id, created_at
FROM runs.artifact_revisions WHERE {_OF_ARTIFACT} AND status = 'committed'
"""

ENTRIES = f"""
SELECT x.*, coalesce(q.pipeline_id, '') AS pipeline_id,
  coalesce(nullif(x.message, ''), nullif(q.request ->> 'reason', ''), q.request ->> 'instructions', '') AS reason,
  (SELECT jsonb_object_agg(c.what, c.number) FROM (
     SELECT CASE left(subject_id, 3) WHEN 'blk' THEN 'block.' WHEN 'nod' THEN 'node.' ELSE 'document.' END
       || change AS what, count(*) AS number
     FROM runs.change_events e WHERE e.tenant_id = :tenant_id AND e.artifact_id = :artifact_id
       AND e.revision_id = x.revision_id GROUP BY 1) AS c) AS counts
FROM (SELECT {REVISION_COLUMNS} FROM runs.artifact_revisions
      WHERE {_OF_ARTIFACT} AND revision_id = ANY(:revision_ids)) AS x
LEFT JOIN runs.runs q ON q.tenant_id = x.tenant_id AND q.run_id = x.run_id
"""

CHANGED = f"""
SELECT DISTINCT revision_id FROM runs.change_events WHERE {_OF_ARTIFACT} AND subject_id = ANY(:subject_ids)
"""

VERSIONS = """
SELECT made.subject_id AS block_id, made.revision_ids, held.body
FROM (SELECT e.subject_id, e.after_hash, array_agg(DISTINCT e.revision_id) AS revision_ids
      FROM runs.change_events e JOIN runs.artifact_revisions r USING (tenant_id, artifact_id, revision_id)
      WHERE e.tenant_id = :tenant_id AND e.artifact_id = :artifact_id AND e.subject_id = ANY(:block_ids)
        AND e.after_hash <> '' AND r.status = 'committed'
      GROUP BY e.subject_id, e.after_hash) AS made
CROSS JOIN LATERAL (SELECT b.body FROM runs.artifact_blocks b
  WHERE b.tenant_id = :tenant_id AND b.artifact_id = :artifact_id AND b.block_id = made.subject_id
    AND b.block_hash = made.after_hash LIMIT 1) AS held
"""

NAMES = f"""
SELECT head_revision_id AS revision_id, name, true AS is_branch FROM runs.artifact_branches
WHERE {_OF_ARTIFACT} AND head_revision_id = ANY(:revision_ids)
UNION ALL SELECT head_revision_id, '{MAIN}', true FROM runs.artifacts
WHERE {_OF_ARTIFACT} AND head_revision_id = ANY(:revision_ids)
UNION ALL SELECT revision_id, name, false FROM runs.artifact_tags
WHERE {_OF_ARTIFACT} AND revision_id = ANY(:revision_ids)
"""

VERDICTS = f"""
SELECT * FROM runs.verdicts
WHERE {_OF_ARTIFACT} AND revision_id = :revision_id AND in_document AND sentence_id = ANY(:sentence_ids)
"""


class PostgresHistory:
    """Histories within one transaction; see app.history.ports.HistoryRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock_names(self, tenant_id: str, artifact_id: str) -> None:
        """Until the transaction ends nobody else names anything of this document; raises ARTIFACT_NOT_FOUND."""
        found = await self._tx.fetch_one(
            f"SELECT 1 FROM runs.artifacts WHERE {_OF_ARTIFACT} FOR NO KEY UPDATE", _key(tenant_id, artifact_id)
        )
        if found is None:
            raise LaceError(Reason.ARTIFACT_NOT_FOUND, f"No artifact {artifact_id}.")

    async def branches(self, tenant_id: str, artifact_id: str, after: str, limit: int) -> Sequence[Branch]:
        """Branches by name, those behind a name; main is none of them."""
        rows = await self._tx.fetch_all(
            f"""SELECT {_BRANCH} FROM runs.artifact_branches WHERE {_OF_ARTIFACT} AND name COLLATE "C" > :after
                ORDER BY name COLLATE "C" LIMIT :limit""",
            {**_key(tenant_id, artifact_id), "after": after, "limit": limit},
        )
        return [Branch(**row._asdict()) for row in rows]

    async def branch(self, tenant_id: str, artifact_id: str, name: str) -> Branch | None:
        """A branch; None where there is none."""
        return await self._branch(tenant_id, artifact_id, name, "")

    async def hold_branch(self, tenant_id: str, artifact_id: str, name: str) -> Branch | None:
        """The same; until the transaction ends nobody else moves or deletes it."""
        return await self._branch(tenant_id, artifact_id, name, "FOR UPDATE")

    async def _branch(self, tenant_id: str, artifact_id: str, name: str, lock: str) -> Branch | None:
        row = await self._tx.fetch_one(
            f"SELECT {_BRANCH} FROM runs.artifact_branches WHERE {_OF_ARTIFACT} AND name = :name {lock}",
            {**_key(tenant_id, artifact_id), "name": name},
        )
        return Branch(**row._asdict()) if row else None

    async def add_branch(self, tenant_id: str, branch: Branch) -> None:
        """Keep a branch whose name is free."""
        await self._tx.execute(
            f"""INSERT INTO runs.artifact_branches (tenant_id, {_BRANCH}) VALUES (:tenant_id, :artifact_id, :name,
                :head_revision_id, :from_revision_id, :created_by, :created_at, :updated_at)""",
            {"tenant_id": tenant_id, **vars(branch)},
        )

    async def delete_branch(self, tenant_id: str, artifact_id: str, name: str) -> None:
        """Take a branch away."""
        await self._tx.execute(
            f"DELETE FROM runs.artifact_branches WHERE {_OF_ARTIFACT} AND name = :name",
            {**_key(tenant_id, artifact_id), "name": name},
        )

    async def commit(self, tenant_id: str, artifact_id: str, name: str, revision_id: str) -> None:
        """Commit a validated revision and move the branch to it; raises LaceError REVISION_CONFLICT."""
        key = {**_key(tenant_id, artifact_id), "revision_id": revision_id}
        moved = await self._tx.execute(MOVE_BRANCH, {**key, "name": name})
        if moved.rowcount != 1:
            raise LaceError(Reason.REVISION_CONFLICT, f"{name} moved while the revision was made; start again.")
        await self._tx.execute(COMMIT_REVISION, key)

    async def tags(self, tenant_id: str, artifact_id: str, after: str, limit: int) -> Sequence[Tag]:
        """Tags by name, those behind a name."""
        rows = await self._tx.fetch_all(
            f"""SELECT {_TAG} FROM runs.artifact_tags WHERE {_OF_ARTIFACT} AND name COLLATE "C" > :after
                ORDER BY name COLLATE "C" LIMIT :limit""",
            {**_key(tenant_id, artifact_id), "after": after, "limit": limit},
        )
        return [Tag(**row._asdict()) for row in rows]

    async def tag(self, tenant_id: str, artifact_id: str, name: str) -> Tag | None:
        """A tag; None where there is none."""
        row = await self._tx.fetch_one(
            f"SELECT {_TAG} FROM runs.artifact_tags WHERE {_OF_ARTIFACT} AND name = :name",
            {**_key(tenant_id, artifact_id), "name": name},
        )
        return Tag(**row._asdict()) if row else None

    async def add_tag(self, tenant_id: str, tag: Tag) -> None:
        """Keep a tag whose name is free."""
        await self._tx.execute(
            f"""INSERT INTO runs.artifact_tags (tenant_id, {_TAG}) VALUES (:tenant_id, :artifact_id, :name,
                :revision_id, :message, :created_by, :created_at)""",
            {"tenant_id": tenant_id, **vars(tag)},
        )

    async def delete_tag(self, tenant_id: str, artifact_id: str, name: str) -> None:
        """Take a tag away."""
        await self._tx.execute(
            f"DELETE FROM runs.artifact_tags WHERE {_OF_ARTIFACT} AND name = :name",
            {**_key(tenant_id, artifact_id), "name": name},
        )

    async def names(self, tenant_id: str, artifact_id: str, revision_ids: Collection[str]) -> Mapping[str, Any]:
        """Of each of these revisions the branches whose heads it is and its tags: (names, names), sorted."""
        rows = await self._tx.fetch_all(NAMES, {**_key(tenant_id, artifact_id), "revision_ids": list(revision_ids)})
        found: dict[str, tuple[list[str], list[str]]] = {ident: ([], []) for ident in revision_ids}
        for row in sorted(rows, key=lambda row: str(row.name)):
            found[row.revision_id][0 if row.is_branch else 1].append(row.name)
        return found

    async def lineage(self, tenant_id: str, artifact_id: str) -> Lineage:
        """All committed revisions."""
        rows = await self._tx.fetch_all(LINEAGE, _key(tenant_id, artifact_id))
        return Lineage([Ancestry(row.revision_id, _parents(row), row.created_at) for row in rows])

    async def entries(self, tenant_id: str, artifact_id: str, revision_ids: Collection[str]) -> Mapping[str, Entry]:
        """What is told of these revisions."""
        rows = await self._tx.fetch_all(ENTRIES, {**_key(tenant_id, artifact_id), "revision_ids": list(revision_ids)})
        return {row.revision_id: _entry(row._asdict()) for row in rows}

    async def changed(self, tenant_id: str, artifact_id: str, subject_ids: Collection[str]) -> set[str]:
        """The revisions that changed one of these nodes and blocks."""
        rows = await self._tx.fetch_all(CHANGED, {**_key(tenant_id, artifact_id), "subject_ids": list(subject_ids)})
        return {row.revision_id for row in rows}

    async def versions(
        self, tenant_id: str, artifact_id: str, block_ids: Collection[str]
    ) -> Mapping[str, Sequence[Version]]:
        """Every version of these blocks in committed revisions."""
        rows = await self._tx.fetch_all(VERSIONS, {**_key(tenant_id, artifact_id), "block_ids": list(block_ids)})
        found: dict[str, list[Version]] = {}
        for row in rows:
            block: Block = msgspec.convert(row.body, Block)
            found.setdefault(row.block_id, []).append(Version(block, frozenset(row.revision_ids)))
        return found

    async def verdicts(
        self, tenant_id: str, artifact_id: str, revision_id: str, sentence_ids: Collection[str]
    ) -> Mapping[str, Mapping[str, Any]]:
        """What was found of these sentences in a revision, by their ids."""
        key = {**_key(tenant_id, artifact_id), "revision_id": revision_id, "sentence_ids": list(sentence_ids)}
        return {row.sentence_id: row._asdict() for row in await self._tx.fetch_all(VERDICTS, key)}


def _key(tenant_id: str, artifact_id: str) -> dict[str, Any]:
    return {"tenant_id": tenant_id, "artifact_id": artifact_id}


def _parents(row: Any) -> tuple[str, ...]:
    return tuple(p for p in (row.parent_revision_id, row.second_parent_revision_id) if p is not None)


def _entry(row: dict[str, Any]) -> Entry:
    pipeline_id, reason, counts = row.pop("pipeline_id"), row.pop("reason"), row.pop("counts")
    return Entry(Revision(**row), pipeline_id, reason, counts or {})
