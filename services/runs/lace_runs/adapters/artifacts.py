"""Artifacts and revisions in Postgres: immutable node versions, shared by the revisions that have them in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from lace_core.apply import Change
from lace_core.errors import LaceError, Reason
from lace_core.ir import IR_SCHEMA_VERSION, Artifact, Node, Source
from lace_core.merkle import block_hash, node_hash
from lace_core.migrations.stored import Stored, stored_of_form
from lace_core.verification.standing import Piece, pieces_of
from lace_platform.db.transaction import Transaction
from lace_runs.adapters import locks
from lace_runs.adapters.actions import keep_actions, known_actions
from lace_runs.adapters.labels import labels_of, may_be_seen
from lace_runs.adapters.reviews import supersede_changed
from lace_runs.adapters.verdicts import INSERT_VERDICTS_AGAIN, keep_verdicts, list_verdicts, was_settled
from lace_runs.domain.artifacts import ArtifactRecord, Revision, Staging, WantedArtifacts
from lace_runs.domain.verdicts import WantedVerdicts

REVISION_COLUMNS = """tenant_id, artifact_id, revision_id, coalesce(parent_revision_id, '') AS parent_revision_id,
 status, ir_schema_version, ir_hash, content_hash, ir_uri, run_id, created_by, created_at,
 coalesce(second_parent_revision_id, '') AS second_parent_revision_id, message"""

INSERT_REVISION = """
INSERT INTO runs.artifact_revisions (tenant_id, artifact_id, revision_id, parent_revision_id, status,
  ir_schema_version, ir_hash, content_hash, ir_uri, title, language, sources, nodes, run_id, created_by, created_at,
  second_parent_revision_id, message)
VALUES (:tenant_id, :artifact_id, :revision_id, nullif(:parent_revision_id, ''), 'staged', :ir_schema_version,
  :ir_hash, :content_hash, :ir_uri, :title, :language, CAST(:sources AS jsonb), CAST(:nodes AS jsonb), :run_id,
  :created_by, :created_at, nullif(:second_parent_revision_id, ''), :message)
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
  AND status = 'committed'
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

INSERT_CHANGES = """
INSERT INTO runs.change_events (tenant_id, artifact_id, revision_id, position, subject_id, change, before_hash,
  after_hash, action_key, run_id)
SELECT :tenant_id, :artifact_id, :revision_id, x.position, x.subject_id, x.change, x.before_hash, x.after_hash,
  x.action_key, :run_id
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(position int, subject_id text, change text, before_hash text,
  after_hash text, action_key text)
ON CONFLICT DO NOTHING
"""

# Node versions of a revision with their blocks, each as JSON text: the values are made of it at once. Each version is
# looked up by its whole key (LIMIT keeps it from being joined): the cost is that of the document, not of its history.
DOCUMENT = """
SELECT place.position, CAST(n.body || jsonb_build_object(
  'parent_id', place.parent_id, 'order_key', place.order_key, 'blocks', coalesce((
    SELECT jsonb_agg(b.body ORDER BY b.position) FROM runs.artifact_blocks b
    WHERE b.tenant_id = r.tenant_id AND b.artifact_id = r.artifact_id AND b.node_id = place.node_id
      AND b.node_hash = place.node_hash), '[]')) AS text) AS node
FROM runs.artifact_revisions r,
  jsonb_to_recordset(r.nodes) AS place(position int, node_id text, parent_id text, order_key text, node_hash text),
  LATERAL (SELECT v.body FROM runs.artifact_nodes v WHERE v.tenant_id = r.tenant_id AND v.artifact_id = r.artifact_id
    AND v.node_id = place.node_id AND v.node_hash = place.node_hash LIMIT 1) AS n
WHERE r.tenant_id = :tenant_id AND r.artifact_id = :artifact_id AND r.revision_id = :revision_id
"""

# The head moves only from the revision's parent, so that of two writers one is refused.
MOVE_HEAD = """
UPDATE runs.artifacts a SET head_revision_id = r.revision_id, title = :title, language = r.language,
  updated_at = clock_timestamp()
FROM runs.artifact_revisions r
WHERE a.tenant_id = :tenant_id AND a.artifact_id = :artifact_id AND r.tenant_id = a.tenant_id
  AND r.artifact_id = a.artifact_id AND r.revision_id = :revision_id AND r.status IN ('validated', 'committed')
  AND r.run_id = :run_id
  AND (a.head_revision_id IS NOT DISTINCT FROM r.parent_revision_id OR a.head_revision_id = r.revision_id)
"""


class PostgresArtifacts:
    """Artifacts within one transaction; see app.artifact_ports.ArtifactRepository."""

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
            raise _not_found(artifact_id)
        return _record_of(row._asdict())

    async def list(
        self,
        tenant_id: str,
        labels: frozenset[str],
        before: tuple[datetime, str] | None,
        limit: int,
        wanted: WantedArtifacts = WantedArtifacts(),
    ) -> Sequence[ArtifactRecord]:
        """Artifacts that these labels let one see, newest first, after the cursor (created_at, artifact_id)."""
        at, artifact_id = before or (None, "")
        rows = await self._tx.fetch_all(
            f"""SELECT * FROM runs.artifacts AS a WHERE tenant_id = :tenant_id
                 AND {may_be_seen("a", "a.head_revision_id")}
                 AND (CAST(:at AS timestamptz) IS NULL OR
                      (created_at, artifact_id) < (CAST(:at AS timestamptz), :artifact_id))
                 AND (:title = '' OR strpos(lower(title), lower(:title)) > 0)
                 AND (:created_by = '' OR created_by = :created_by)
                 AND (:source_id = '' OR EXISTS (SELECT FROM runs.artifact_revisions AS r,
                     jsonb_array_elements(r.sources) AS source WHERE r.tenant_id = a.tenant_id
                     AND r.artifact_id = a.artifact_id AND r.revision_id = a.head_revision_id
                     AND source ->> 'source_id' = :source_id))
               ORDER BY created_at DESC, artifact_id DESC LIMIT :limit""",
            {
                "tenant_id": tenant_id,
                "at": at,
                "artifact_id": artifact_id,
                "limit": limit,
                "held": sorted(labels),
                **vars(wanted),
            },
        )
        return [_record_of(row._asdict()) for row in rows]

    async def labels(self, tenant_id: str, artifact_id: str, revision_id: str) -> frozenset[str]:
        """The labels of the sources that a revision cites; of the head's where the id is empty."""
        revision = "coalesce(nullif(:revision_id, ''), a.head_revision_id)"
        row = await self._tx.fetch_one(
            f"""SELECT ARRAY({labels_of("a", revision)}) AS labels
                FROM runs.artifacts AS a WHERE a.tenant_id = :tenant_id AND a.artifact_id = :artifact_id""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id},
        )
        if row is None:
            raise _not_found(artifact_id)
        return frozenset(row.labels)

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
        self, tenant_id: str, artifact_id: str, before: tuple[datetime, str] | None, limit: int
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
        return (await self.stored(tenant_id, artifact_id, revision_id)).artifact

    async def stored(self, tenant_id: str, artifact_id: str, revision_id: str) -> Stored:
        """The document as a revision has it, with its form where that is of an earlier schema version."""
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
            return _stored_of(key, head, rows)
        return await asyncio.to_thread(_stored_of, key, head, rows)

    async def stage(self, tenant_id: str, staging: Staging) -> None:
        """Keep a staged revision; one that is there already stays as it is."""
        revision, document = staging.revision, staging.document
        hashes = await _off_loop(document, lambda: {node.node_id: node_hash(node) for node in document.nodes})
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
        kept = await self._node_versions(tenant_id, revision.artifact_id, revision.parent_revision_id)
        fresh = [node for node in document.nodes if kept.get(node.node_id) != hashes[node.node_id]]
        if fresh:
            nodes, blocks, evidence = await _off_loop(document, lambda: _content_rows(fresh, hashes))
            await self._tx.execute(INSERT_NODES, {**key, "rows": nodes})
            await self._tx.execute(INSERT_BLOCKS, {**key, "rows": blocks})
            await self._tx.execute(INSERT_EVIDENCE, {**key, "rows": evidence})
        await keep_actions(self._tx, tenant_id, staging)
        made = {**key, "revision_id": revision.revision_id, "run_id": revision.run_id}
        await keep_verdicts(self._tx, tenant_id, staging, await self._pieces_before(tenant_id, revision))
        await self._tx.execute(INSERT_CHANGES, {**made, "rows": _change_rows(staging.changes)})

    async def known_actions(
        self, tenant_id: str, artifact_id: str, head_revision_id: str, keys: Sequence[str]
    ) -> Mapping[str, str]:
        """Digests by key of those of these actions that made the head or a revision before it."""
        return await known_actions(self._tx, tenant_id, artifact_id, head_revision_id, keys)

    async def _node_versions(self, tenant_id: str, artifact_id: str, revision_id: str) -> Mapping[str, str]:
        """The hash of each node of a revision: those node versions are kept already. None where there is none."""
        row = await self._tx.fetch_one(
            """SELECT nodes FROM runs.artifact_revisions
               WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :revision_id""",
            {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id},
        )
        return {place["node_id"]: place["node_hash"] for place in row.nodes} if row is not None else {}

    async def _pieces_before(self, tenant_id: str, revision: Revision) -> Sequence[Piece] | None:
        """The pieces of a parent from before their verdicts were kept; None where there is none such."""
        parent = revision.parent_revision_id
        if not parent or await was_settled(self._tx, tenant_id, revision.artifact_id, parent):
            return None
        document = await self.document(tenant_id, revision.artifact_id, parent)
        return await asyncio.to_thread(lambda: list(pieces_of(document)))

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
        await supersede_changed(self._tx, tenant_id, artifact_id, revision_id)

    async def verdicts(
        self, tenant_id: str, wanted: WantedVerdicts, after: int, limit: int
    ) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Verdicts of a committed revision, those of kept-out sentences first."""
        return await list_verdicts(self._tx, tenant_id, wanted, after, limit)

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


T = TypeVar("T")
_NODE = msgspec.json.Decoder(Node)
_SMALL = 100  # nodes whose hashes cost the event loop nothing to speak of


async def _off_loop(document: Artifact, work: Callable[[], T]) -> T:
    """What the work gives; that of a large document is done in a thread."""
    return work() if len(document.nodes) < _SMALL else await asyncio.to_thread(work)


def _content_rows(nodes: Sequence[Node], hashes: Mapping[str, str]) -> tuple[str, str, str]:
    """Rows of node versions, of their blocks and of their evidence, as JSON."""
    blocks = [row for node in nodes for row in _block_rows(node, hashes)]
    cited = {e.evidence_id: {"body": e} for node in nodes for e in node.evidence}
    return _json([_node_row(node, hashes) for node in nodes]), _json(blocks), _json(list(cited.values()))


def _stored_of(key: Mapping[str, str], head: Any, rows: Sequence[Any]) -> Stored:
    """The document of its rows, compared with its revision's hash: nothing that was altered is shown or built on."""
    try:
        found = _stored_of_rows(key["artifact_id"], head, rows)
        intact = found.ir_hash() == head.ir_hash
    except (msgspec.ValidationError, TypeError, ValueError, LookupError):
        intact = False
    if not intact:
        message = f"Revision {key['revision_id']} of {key['artifact_id']} does not match its hash."
        raise LaceError(Reason.IR_CORRUPT, message)
    return found


def _stored_of_rows(artifact_id: str, head: Any, rows: Sequence[Any]) -> Stored:
    texts = [row.node for row in sorted(rows, key=lambda row: int(row.position))]
    if head.ir_schema_version == IR_SCHEMA_VERSION:
        document = Artifact(
            artifact_id=artifact_id,
            title=head.title,
            language=head.language,
            sources=msgspec.convert(head.sources, tuple[Source, ...]),
            nodes=tuple(map(_NODE.decode, texts)),
        )
        return Stored(document)
    form = {
        "artifact_id": artifact_id,
        "title": head.title,
        "language": head.language,
        "ir_schema_version": head.ir_schema_version,
        "sources": head.sources,
        "nodes": [msgspec.json.decode(text) for text in texts],
    }
    return stored_of_form(form)


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
    "second_parent_revision_id",
    "message",
)


def _change_rows(changes: Sequence[Change]) -> str:
    return _json([{"position": place, **vars(change)} for place, change in enumerate(changes)])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _not_found(artifact_id: str) -> LaceError:
    return LaceError(Reason.ARTIFACT_NOT_FOUND, f"No artifact {artifact_id}.")


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
