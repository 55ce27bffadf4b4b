"""Artifacts and revisions in Postgres: immutable node versions, shared by the revisions that have them in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact, Node, Source
from lace_core.merkle import block_hash, node_hash
from lace_platform.db.transaction import Transaction
from lace_runs.domain.artifacts import ArtifactRecord, Revision, Staging

REVISION_COLUMNS = """tenant_id, artifact_id, revision_id, coalesce(parent_revision_id, '') AS parent_revision_id,
 status, ir_schema_version, ir_hash, content_hash, ir_uri, run_id, created_by, created_at"""

INSERT_REVISION = """
INSERT INTO runs.artifact_revisions (tenant_id, artifact_id, revision_id, parent_revision_id, status,
  ir_schema_version, ir_hash, content_hash, ir_uri, title, language, sources, nodes, run_id, created_by, created_at)
VALUES (:tenant_id, :artifact_id, :revision_id, nullif(:parent_revision_id, ''), 'staged', :ir_schema_version,
  :ir_hash, :content_hash, :ir_uri, :title, :language, CAST(:sources AS jsonb), CAST(:nodes AS jsonb), :run_id,
  :created_by, :created_at)
ON CONFLICT (tenant_id, artifact_id, revision_id) DO NOTHING
"""

INSERT_NODES = """
INSERT INTO runs.artifact_nodes (tenant_id, artifact_id, node_id, node_hash, title, state, body)
SELECT :tenant_id, :artifact_id, x.node_id, x.node_hash, x.title, x.state, x.body
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(node_id text, node_hash text, title text, state text, body jsonb)
ON CONFLICT DO NOTHING
"""

INSERT_BLOCKS = """
INSERT INTO runs.artifact_blocks (tenant_id, artifact_id, node_id, node_hash, position, block_id, block_type,
  block_hash, body)
SELECT :tenant_id, :artifact_id, x.node_id, x.node_hash, x.position, x.block_id, x.block_type, x.block_hash, x.body
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(node_id text, node_hash text, position int, block_id text,
  block_type text, block_hash text, body jsonb)
ON CONFLICT DO NOTHING
"""

INSERT_EVIDENCE = """
INSERT INTO runs.evidence (tenant_id, artifact_id, evidence_id, source_id, source_version, unit_id, span_start,
  span_end, quote, quote_hash, body)
SELECT :tenant_id, :artifact_id, x.body ->> 'evidence_id', x.body ->> 'source_id', x.body ->> 'source_version',
  x.body ->> 'unit_id', CAST(x.body ->> 'start' AS int), CAST(x.body ->> 'end' AS int), x.body ->> 'quote',
  x.body ->> 'quote_hash', x.body
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(body jsonb)
ON CONFLICT DO NOTHING
"""

INSERT_VERDICTS = """
INSERT INTO runs.verdicts (tenant_id, artifact_id, revision_id, sentence_id, node_id, run_id, position, text, verdict,
  reasons, in_document)
SELECT :tenant_id, :artifact_id, :revision_id, x.sentence_id, x.node_id, :run_id, x.position, x.text, x.verdict,
  x.reasons, x.in_document
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(sentence_id text, node_id text, position int, text text,
  verdict text, reasons jsonb, in_document boolean)
ON CONFLICT DO NOTHING
"""

INSERT_CHANGES = """
INSERT INTO runs.change_events (tenant_id, artifact_id, revision_id, position, subject_id, change, before_hash,
  after_hash, action_key, run_id)
SELECT :tenant_id, :artifact_id, :revision_id, x.position, x.subject_id, x.change, x.before_hash, x.after_hash,
  x.action_key, :run_id
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(position int, subject_id text, change text, before_hash text,
  after_hash text, action_key text)
ON CONFLICT DO NOTHING
"""

# Node versions of a revision in document order, each with its blocks in theirs.
DOCUMENT = """
SELECT place.parent_id, place.order_key, n.body, (
  SELECT jsonb_agg(b.body ORDER BY b.position) FROM runs.artifact_blocks b
  WHERE b.tenant_id = n.tenant_id AND b.artifact_id = n.artifact_id AND b.node_id = n.node_id
    AND b.node_hash = n.node_hash) AS blocks
FROM runs.artifact_revisions r,
  jsonb_to_recordset(r.nodes) AS place(position int, node_id text, parent_id text, order_key text, node_hash text),
  runs.artifact_nodes n
WHERE r.tenant_id = :tenant_id AND r.artifact_id = :artifact_id AND r.revision_id = :revision_id
  AND n.tenant_id = r.tenant_id AND n.artifact_id = r.artifact_id AND n.node_id = place.node_id
  AND n.node_hash = place.node_hash
ORDER BY place.position
"""

# The head moves only from the revision's parent, so that of two writers one is refused.
MOVE_HEAD = """
UPDATE runs.artifacts a SET head_revision_id = r.revision_id, title = :title, updated_at = clock_timestamp()
FROM runs.artifact_revisions r
WHERE a.tenant_id = :tenant_id AND a.artifact_id = :artifact_id AND r.tenant_id = a.tenant_id
  AND r.artifact_id = a.artifact_id AND r.revision_id = :revision_id AND r.status IN ('validated', 'committed')
  AND (a.head_revision_id IS NOT DISTINCT FROM r.parent_revision_id OR a.head_revision_id = r.revision_id)
"""

# What has ended writes no more: a run that failed or was cancelled must not keep out the one that takes its place.
TAKE_LOCK = """
INSERT INTO runs.artifact_locks (tenant_id, artifact_id, lock_owner, lock_type, acquired_at, heartbeat_at, expires_at)
VALUES (:tenant_id, :artifact_id, :owner, 'write', now(), now(), now() + make_interval(secs => :ttl))
ON CONFLICT (tenant_id, artifact_id) DO UPDATE SET
  acquired_at = CASE WHEN artifact_locks.lock_owner = excluded.lock_owner THEN artifact_locks.acquired_at
    ELSE now() END,
  lock_owner = excluded.lock_owner, heartbeat_at = now(), expires_at = excluded.expires_at
WHERE artifact_locks.lock_owner = excluded.lock_owner OR artifact_locks.expires_at < now()
  OR EXISTS (SELECT FROM runs.runs AS r WHERE r.tenant_id = artifact_locks.tenant_id
    AND r.run_id = artifact_locks.lock_owner AND r.state IN ('succeeded', 'failed', 'cancelled'))
RETURNING lock_owner
"""


class PostgresArtifacts:
    """Artifacts within one transaction; see app.ports.ArtifactRepository."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def insert(self, tenant_id: str, record: ArtifactRecord) -> None:
        """Add an artifact; one that exists is left as it is."""
        await self._tx.execute(
            """INSERT INTO runs.artifacts (tenant_id, artifact_id, title, language, created_by, created_at, updated_at)
               VALUES (:tenant_id, :artifact_id, :title, :language, :created_by, :at, :at) ON CONFLICT DO NOTHING""",
            {
                "tenant_id": tenant_id,
                "artifact_id": record.artifact_id,
                "title": record.title,
                "language": record.language,
                "created_by": record.created_by,
                "at": record.created_at,
            },
        )

    async def get(self, tenant_id: str, artifact_id: str) -> ArtifactRecord:
        """An artifact; raises LaceError ARTIFACT_NOT_FOUND."""
        row = await self._tx.fetch_one(
            "SELECT * FROM runs.artifacts WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id",
            {"tenant_id": tenant_id, "artifact_id": artifact_id},
        )
        if row is None:
            raise LaceError(Reason.ARTIFACT_NOT_FOUND, f"No artifact {artifact_id}.")
        return _record_of(row._asdict())

    async def list(self, tenant_id: str, before: tuple[str, str] | None, limit: int) -> Sequence[ArtifactRecord]:
        """Artifacts, newest first, after the cursor (created_at, artifact_id)."""
        at, artifact_id = before or (None, "")
        rows = await self._tx.fetch_all(
            """SELECT * FROM runs.artifacts WHERE tenant_id = :tenant_id
                 AND (CAST(:at AS timestamptz) IS NULL OR
                      (created_at, artifact_id) < (CAST(:at AS timestamptz), :artifact_id))
               ORDER BY created_at DESC, artifact_id DESC LIMIT :limit""",
            {"tenant_id": tenant_id, "at": at, "artifact_id": artifact_id, "limit": limit},
        )
        return [_record_of(row._asdict()) for row in rows]

    async def revision(self, tenant_id: str, artifact_id: str, revision_id: str) -> Revision:
        """A revision; raises LaceError REVISION_NOT_FOUND."""
        row = await self._tx.fetch_one(
            f"""SELECT {REVISION_COLUMNS} FROM runs.artifact_revisions
                WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id},
        )
        if row is None:
            raise LaceError(Reason.REVISION_NOT_FOUND, f"Artifact {artifact_id} has no revision {revision_id}.")
        return Revision(**row._asdict())

    async def revisions(
        self, tenant_id: str, artifact_id: str, before: tuple[str, str] | None, limit: int
    ) -> Sequence[Revision]:
        """Revisions, newest first."""
        at, revision_id = before or (None, "")
        rows = await self._tx.fetch_all(
            f"""SELECT {REVISION_COLUMNS} FROM runs.artifact_revisions
                WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id
                  AND (CAST(:at AS timestamptz) IS NULL OR
                       (created_at, revision_id) < (CAST(:at AS timestamptz), :revision_id))
                ORDER BY created_at DESC, revision_id DESC LIMIT :limit""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "at": at, "revision_id": revision_id, "limit": limit},
        )
        return [Revision(**row._asdict()) for row in rows]

    async def document(self, tenant_id: str, artifact_id: str, revision_id: str) -> Artifact:
        """The document as a revision has it; an empty revision id gives the empty document."""
        if not revision_id:
            record = await self.get(tenant_id, artifact_id)
            return Artifact(artifact_id=artifact_id, title=record.title, language=record.language)
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id}
        head = await self._tx.fetch_one(
            """SELECT title, language, ir_schema_version, sources FROM runs.artifact_revisions
               WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id""",
            key,
        )
        if head is None:
            raise LaceError(Reason.REVISION_NOT_FOUND, f"Artifact {artifact_id} has no revision {revision_id}.")
        rows = await self._tx.fetch_all(DOCUMENT, key)
        return Artifact(
            artifact_id=artifact_id,
            title=head.title,
            language=head.language,
            ir_schema_version=head.ir_schema_version,
            sources=msgspec.convert(head.sources, tuple[Source, ...]),
            nodes=tuple(_node_of(row.body, row.parent_id, row.order_key, row.blocks) for row in rows),
        )

    async def stage(self, tenant_id: str, staging: Staging) -> None:
        """Keep a staged revision; one that is there already stays as it is."""
        revision, document = staging.revision, staging.document
        hashes = {node.node_id: node_hash(node) for node in document.nodes}
        key = {"tenant_id": tenant_id, "artifact_id": revision.artifact_id}
        await self._tx.execute(
            INSERT_REVISION,
            {
                **{name: getattr(revision, name) for name in _REVISION_PLAIN},
                "tenant_id": tenant_id,
                "title": document.title,
                "language": document.language,
                "sources": _json(document.sources),
                "nodes": _json([_place(i, node, hashes) for i, node in enumerate(document.nodes)]),
            },
        )
        await self._tx.execute(INSERT_NODES, {**key, "rows": _json([_node_row(n, hashes) for n in document.nodes])})
        blocks = [row for node in document.nodes for row in _block_rows(node, hashes)]
        await self._tx.execute(INSERT_BLOCKS, {**key, "rows": _json(blocks)})
        cited = {e.evidence_id: {"body": e} for node in document.nodes for e in node.evidence}
        await self._tx.execute(INSERT_EVIDENCE, {**key, "rows": _json(list(cited.values()))})
        made = {**key, "revision_id": revision.revision_id, "run_id": revision.run_id}
        await self._tx.execute(INSERT_VERDICTS, {**made, "rows": _json(_verdict_rows(staging))})
        changes = [{"position": i, **vars(change)} for i, change in enumerate(staging.changes)]
        await self._tx.execute(INSERT_CHANGES, {**made, "rows": _json(changes)})

    async def mark_validated(self, tenant_id: str, artifact_id: str, revision_id: str) -> None:
        """Move a staged revision on."""
        await self._tx.execute(
            """UPDATE runs.artifact_revisions SET status = 'validated'
               WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id
                 AND status = 'staged'""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id},
        )

    async def commit(self, tenant_id: str, artifact_id: str, revision_id: str, title: str) -> None:
        """Commit a validated revision and move the head to it; doing it again changes nothing."""
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id}
        moved = await self._tx.execute(MOVE_HEAD, {**key, "title": title})
        if moved.rowcount != 1:
            raise LaceError(Reason.REVISION_CONFLICT, "The document changed while the revision was made; start again.")
        await self._tx.execute(
            """UPDATE runs.artifact_revisions SET status = 'committed', committed_at = coalesce(committed_at, now())
               WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id""",
            key,
        )

    async def verdicts(
        self, tenant_id: str, artifact_id: str, after: int, limit: int
    ) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Verdicts of the head revision, those of kept-out sentences first."""
        rows = await self._tx.fetch_all(
            """SELECT * FROM (
                 SELECT row_number() OVER (ORDER BY v.in_document, v.position) AS place, v.sentence_id, v.node_id,
                   v.text,
                   v.verdict, v.reasons, v.in_document, v.run_id
                 FROM runs.verdicts v JOIN runs.artifacts a USING (tenant_id, artifact_id)
                 WHERE v.tenant_id = :tenant_id AND v.artifact_id = :artifact_id
                   AND v.revision_id = a.head_revision_id) AS ordered
               WHERE place > :after ORDER BY place LIMIT :limit""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "after": after, "limit": limit},
        )
        return [(row.place, row._asdict()) for row in rows]

    async def lock(self, tenant_id: str, artifact_id: str, owner: str, ttl_s: int) -> None:
        """Take or renew the right to write; raises LaceError ARTIFACT_LOCKED while another owner's is good."""
        row = await self._tx.fetch_one(
            TAKE_LOCK, {"tenant_id": tenant_id, "artifact_id": artifact_id, "owner": owner, "ttl": ttl_s}
        )
        if row is None:
            raise LaceError(Reason.ARTIFACT_LOCKED, "Another run is writing this artifact; wait for it or cancel it.")

    async def unlock(self, tenant_id: str, artifact_id: str, owner: str) -> None:
        """Give the right back."""
        await self._tx.execute(
            """DELETE FROM runs.artifact_locks
               WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND lock_owner = :owner""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "owner": owner},
        )


_REVISION_PLAIN = (
    "artifact_id",
    "revision_id",
    "parent_revision_id",
    "ir_schema_version",
    "ir_hash",
    "content_hash",
    "ir_uri",
    "run_id",
    "created_by",
    "created_at",
)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _record_of(row: Mapping[str, Any]) -> ArtifactRecord:
    return ArtifactRecord(**{**row, "head_revision_id": row["head_revision_id"] or ""})


def _place(position: int, node: Node, hashes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "position": position,
        "node_id": node.node_id,
        "parent_id": node.parent_id,
        "order_key": node.order_key,
        "node_hash": hashes[node.node_id],
    }


def _node_row(node: Node, hashes: Mapping[str, str]) -> dict[str, Any]:
    body = msgspec.to_builtins(node)
    for name in ("parent_id", "order_key", "blocks"):
        del body[name]
    return {
        "node_id": node.node_id,
        "node_hash": hashes[node.node_id],
        "title": node.title,
        "state": node.state.value,
        "body": body,
    }


def _block_rows(node: Node, hashes: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = []
    for position, block in enumerate(node.blocks):
        body = msgspec.to_builtins(block)
        rows.append(
            {
                "node_id": node.node_id,
                "node_hash": hashes[node.node_id],
                "position": position,
                "block_id": block.block_id,
                "block_type": body["type"],
                "block_hash": block_hash(block),
                "body": body,
            }
        )
    return rows


def _verdict_rows(staging: Staging) -> list[dict[str, Any]]:
    return [
        {
            "sentence_id": verdict.sentence_id,
            "node_id": node_id,
            "position": position,
            "text": verdict.text,
            "verdict": verdict.verdict,
            "reasons": verdict.reasons,
            "in_document": verdict.stands,
        }
        for position, (node_id, verdict) in enumerate(staging.verdicts)
    ]


def _node_of(body: dict[str, Any], parent_id: str | None, order_key: str, blocks: list[Any] | None) -> Node:
    return msgspec.convert({**body, "parent_id": parent_id, "order_key": order_key, "blocks": blocks or []}, Node)
