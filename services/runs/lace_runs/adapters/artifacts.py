"""Artifacts and revisions in Postgres: immutable node versions, shared by the revisions that have them in common."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lace_core.apply import Change
from lace_core.errors import LaceError, Reason
from lace_core.ir import IR_SCHEMA_VERSION, Artifact, Node, Source
from lace_core.merkle import block_hash, ir_hash, node_hash
from lace_platform.db.transaction import Transaction
from lace_runs.adapters import locks
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

# The same content once more: node versions and blocks are shared, so only the row and the verdicts are new.
INSERT_REVISION_AGAIN = """
INSERT INTO runs.artifact_revisions (tenant_id, artifact_id, revision_id, parent_revision_id, status,
  ir_schema_version, ir_hash, content_hash, ir_uri, title, language, sources, nodes, run_id, created_by, created_at)
SELECT tenant_id, artifact_id, :revision_id, nullif(:parent_revision_id, ''), 'staged', ir_schema_version, ir_hash,
  content_hash, :ir_uri, title, language, sources, nodes, :run_id, :created_by, :created_at
FROM runs.artifact_revisions
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :like_revision_id
ON CONFLICT (tenant_id, artifact_id, revision_id) DO NOTHING
"""

INSERT_VERDICTS_AGAIN = """
INSERT INTO runs.verdicts (tenant_id, artifact_id, revision_id, sentence_id, node_id, run_id, position, text, verdict,
  reasons, in_document)
SELECT tenant_id, artifact_id, :revision_id, sentence_id, node_id, run_id, position, text, verdict, reasons, in_document
FROM runs.verdicts
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :like_revision_id
ON CONFLICT DO NOTHING
"""

# What was found of the sentences that a change left alone.
INSERT_VERDICTS_KEPT = """
INSERT INTO runs.verdicts (tenant_id, artifact_id, revision_id, sentence_id, node_id, run_id, position, text, verdict,
  reasons, in_document)
SELECT tenant_id, artifact_id, :revision_id, sentence_id, node_id, run_id, position, text, verdict, reasons, in_document
FROM runs.verdicts
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :verdicts_of
  AND NOT node_id = ANY(:judged_anew)
ON CONFLICT DO NOTHING
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
  AND r.run_id = :run_id
  AND (a.head_revision_id IS NOT DISTINCT FROM r.parent_revision_id OR a.head_revision_id = r.revision_id)
"""


# Labels of the sources that a revision of the artifact `a` cites.
_LABELS = """runs.artifact_revisions AS r, jsonb_array_elements(r.sources) AS source,
    jsonb_array_elements_text(source -> 'labels') AS label
    WHERE r.tenant_id = a.tenant_id AND r.artifact_id = a.artifact_id AND r.revision_id = {revision}"""


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

    async def list(
        self, tenant_id: str, labels: frozenset[str], before: tuple[str, str] | None, limit: int
    ) -> Sequence[ArtifactRecord]:
        """Artifacts that these labels let one see, newest first, after the cursor (created_at, artifact_id)."""
        at, artifact_id = before or (None, "")
        rows = await self._tx.fetch_all(
            f"""SELECT * FROM runs.artifacts AS a WHERE tenant_id = :tenant_id
                 AND NOT EXISTS (SELECT 1 FROM {_LABELS.format(revision="a.head_revision_id")}
                     AND NOT label = ANY(CAST(:held AS text[])))
                 AND (CAST(:at AS timestamptz) IS NULL OR
                      (created_at, artifact_id) < (CAST(:at AS timestamptz), :artifact_id))
               ORDER BY created_at DESC, artifact_id DESC LIMIT :limit""",
            {"tenant_id": tenant_id, "at": at, "artifact_id": artifact_id, "limit": limit, "held": sorted(labels)},
        )
        return [_record_of(row._asdict()) for row in rows]

    async def labels(self, tenant_id: str, artifact_id: str, revision_id: str) -> frozenset[str]:
        """The labels of the sources that a revision cites; of the head's where the id is empty."""
        revision = "coalesce(nullif(:revision_id, ''), a.head_revision_id)"
        rows = await self._tx.fetch_all(
            f"""SELECT DISTINCT found.label FROM runs.artifacts AS a, LATERAL (
                  SELECT label FROM {_LABELS.format(revision=revision)}) AS found
                WHERE a.tenant_id = :tenant_id AND a.artifact_id = :artifact_id""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id},
        )
        return frozenset(row.label for row in rows)

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
            """SELECT title, language, ir_schema_version, sources, ir_hash FROM runs.artifact_revisions
               WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id""",
            key,
        )
        if head is None:
            raise LaceError(Reason.REVISION_NOT_FOUND, f"Artifact {artifact_id} has no revision {revision_id}.")
        if head.ir_schema_version > IR_SCHEMA_VERSION:
            message = f"{revision_id} of {artifact_id} has IR schema {head.ir_schema_version}; upgrade this service."
            raise LaceError(Reason.SCHEMA_TOO_NEW, message, retryable=True)
        rows = await self._tx.fetch_all(DOCUMENT, key)
        if len(rows) < _SMALL:
            return _document_of(key, head, rows)
        return await asyncio.to_thread(_document_of, key, head, rows)

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
        if staging.verdicts_of:
            kept = {"verdicts_of": staging.verdicts_of, "judged_anew": list(staging.judged_anew)}
            await self._tx.execute(INSERT_VERDICTS_KEPT, {**key, "revision_id": revision.revision_id, **kept})
        await self._tx.execute(INSERT_CHANGES, {**made, "rows": _change_rows(staging.changes)})

    async def stage_again(
        self, tenant_id: str, revision: Revision, like_revision_id: str, changes: Sequence[Change]
    ) -> None:
        """Keep a staged revision with another's content and verdicts; one that is there already stays as it is."""
        names = ("artifact_id", "revision_id", "parent_revision_id", "ir_uri", "run_id", "created_by", "created_at")
        row = {name: getattr(revision, name) for name in names}
        key = {"tenant_id": tenant_id, "artifact_id": revision.artifact_id, "revision_id": revision.revision_id}
        await self._tx.execute(INSERT_REVISION_AGAIN, {**row, **key, "like_revision_id": like_revision_id})
        await self._tx.execute(INSERT_VERDICTS_AGAIN, {**key, "like_revision_id": like_revision_id})
        await self._tx.execute(INSERT_CHANGES, {**key, "run_id": revision.run_id, "rows": _change_rows(changes)})

    async def mark_validated(self, tenant_id: str, artifact_id: str, revision_id: str) -> None:
        """Move a staged revision on."""
        await self._tx.execute(
            """UPDATE runs.artifact_revisions SET status = 'validated'
               WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id
                 AND status = 'staged'""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id},
        )

    async def commit(
        self, tenant_id: str, artifact_id: str, revision_id: str, title: str, run_id: str = "", epoch: int = 0
    ) -> None:
        """Commit a validated revision and move the head to it; doing it again changes nothing."""
        if run_id:
            await locks.hold_fence(self._tx, tenant_id, run_id, epoch)
        key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id}
        moved = await self._tx.execute(MOVE_HEAD, {**key, "title": title, "run_id": run_id})
        if moved.rowcount != 1:
            if (await self.revision(tenant_id, artifact_id, revision_id)).status == "committed":
                return  # before a crash; the head has moved on from it since
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
        """Take the right to write for one change; raises LaceError ARTIFACT_LOCKED while another owner's is good."""
        await locks.take_lock(self._tx, tenant_id, artifact_id, owner, 0, ttl_s)

    async def unlock(self, tenant_id: str, artifact_id: str, owner: str, epoch: int = 0) -> None:
        """Give the right back; a later holder's stays."""
        await locks.release_lock(self._tx, tenant_id, artifact_id, owner, epoch)

    async def hold(self, tenant_id: str, artifact_id: str, run_id: str, epoch: int) -> None:
        """Take the right to write for a run, or keep it; raises LaceError RUN_FENCED or ARTIFACT_LOCKED."""
        await locks.hold_fence(self._tx, tenant_id, run_id, epoch)
        await locks.take_lock(self._tx, tenant_id, artifact_id, run_id, epoch, locks.LOCK_S)


_SMALL = 100  # nodes whose hashes cost the event loop nothing to speak of


def _document_of(key: Mapping[str, str], head: Any, rows: Sequence[Any]) -> Artifact:
    """The document of its rows, compared with its revision's hash: nothing that was altered is shown or built on."""
    try:
        document = Artifact(
            artifact_id=key["artifact_id"],
            title=head.title,
            language=head.language,
            ir_schema_version=head.ir_schema_version,
            sources=msgspec.convert(head.sources, tuple[Source, ...]),
            nodes=tuple(_node_of(row.body, row.parent_id, row.order_key, row.blocks) for row in rows),
        )
        intact = ir_hash(document) == head.ir_hash
    except (msgspec.ValidationError, TypeError, ValueError):
        intact = False
    if not intact:
        message = f"Revision {key['revision_id']} of {key['artifact_id']} does not match its hash."
        raise LaceError(Reason.IR_CORRUPT, message)
    return document


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


def _change_rows(changes: Sequence[Change]) -> str:
    return _json([{"position": place, **vars(change)} for place, change in enumerate(changes)])


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
