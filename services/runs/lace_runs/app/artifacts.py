"""Documents for people: making, reading and changing them; only deterministic apply changes one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lace_core.actions import Action, InsertBlock, Proposal, ReplaceBlock
from lace_core.apply import Applied, Change, Policy, apply
from lace_core.constraints import resolve
from lace_core.errors import Detail, LaceError, Reason
from lace_core.grounding import Verdict, verify
from lace_core.ids import derive
from lace_core.ir import Artifact, Constraints, Evidence, Node, cited_parts, encode
from lace_core.merkle import content_hash, ir_hash
from lace_core.validate import Finding, errors, validate
from lace_core.wording import statements
from lace_runs.app.ports import Caller, OpenUnitOfWork, Snapshots, Sources, UnitOfWork
from lace_runs.domain.artifacts import ArtifactRecord, Revision, Staging, snapshot_key

_PATCH_LOCK_S = 30


@dataclass(frozen=True)
class Shown:
    """An artifact with the revision that is shown of it, None while nothing is committed."""

    record: ArtifactRecord
    revision: Revision | None
    document: Artifact


async def create(work: UnitOfWork, caller: Caller, title: str, language: str, now: datetime) -> Shown:
    """Make an empty document; the caller commits."""
    record = ArtifactRecord(
        tenant_id=caller.tenant_id,
        artifact_id=derive("art", caller.tenant_id, caller.principal_id, caller.idempotency_key),
        title=title,
        language=language or "en",
        created_by=caller.principal_id,
        created_at=now,
        updated_at=now,
    )
    await work.artifacts.insert(caller.tenant_id, record)
    return Shown(record, None, Artifact(artifact_id=record.artifact_id, title=title, language=record.language))


async def show(work: UnitOfWork, tenant_id: str, artifact_id: str, revision_id: str = "") -> Shown:
    """The head of a document, or another committed revision. Raises LaceError ARTIFACT_, REVISION_NOT_FOUND."""
    record = await work.artifacts.get(tenant_id, artifact_id)
    wanted = revision_id or record.head_revision_id
    revision = await work.artifacts.revision(tenant_id, artifact_id, wanted) if wanted else None
    if revision is not None and revision.status != "committed":
        # Nothing is shown before it is verified.
        raise LaceError(Reason.REVISION_NOT_FOUND, f"Artifact {artifact_id} has no committed revision {wanted}.")
    return Shown(record, revision, await work.artifacts.document(tenant_id, artifact_id, wanted))


async def require_visible(work: UnitOfWork, caller: Caller, artifact_id: str, revision_id: str = "") -> None:
    """Raises ARTIFACT_NOT_FOUND for who does not hold all labels of the sources that the document cites.

    Looked at is the head, and the revision that is named besides.
    """
    for looked_at in {"", revision_id}:
        if not caller.labels.issuperset(await work.artifacts.labels(caller.tenant_id, artifact_id, looked_at)):
            raise LaceError(Reason.ARTIFACT_NOT_FOUND, f"No artifact {artifact_id}.")


@dataclass(frozen=True)
class ShownNode:
    """A node with what holds for it."""

    node: Node
    depth: int
    constraints: Constraints
    trace: Mapping[str, str]
    child_ids: Sequence[str]
    revision_id: str


async def show_node(work: UnitOfWork, tenant_id: str, artifact_id: str, node_id: str, revision_id: str) -> ShownNode:
    """A section of a committed document; raises LaceError NODE_NOT_FOUND."""
    shown = await show(work, tenant_id, artifact_id, revision_id)
    for depth, node in shown.document.walk():
        if node.node_id == node_id:
            constraints, trace = resolve(shown.document, node_id)
            children = [child.node_id for child in shown.document.children(node_id)]
            revision = shown.revision.revision_id if shown.revision else ""
            return ShownNode(node, depth, constraints, trace, children, revision)
    raise LaceError(Reason.NODE_NOT_FOUND, f"Artifact {artifact_id} has no node {node_id}.")


@dataclass(frozen=True)
class Patch:
    """Changes that a person asks for. `etag` and `base_revision_id` are empty where any head will do."""

    artifact_id: str
    actions: tuple[Action, ...]
    base_revision_id: str = ""
    etag: str = ""
    rebase: bool = False


async def patch(
    work: UnitOfWork, sources: Sources, caller: Caller, asked: Patch, now: datetime
) -> tuple[Shown, Sequence[Change]]:
    """Apply the actions to the head, validate, and commit the revision that comes of it; the caller commits.

    Raises LaceError ETAG_MISMATCH, REVISION_CONFLICT, ARTIFACT_LOCKED, PROPOSAL_REJECTED, IR_INVALID.
    """
    tenant_id, artifact_id = caller.tenant_id, asked.artifact_id
    owner = derive("pat", caller.principal_id, caller.idempotency_key)
    await work.artifacts.lock(tenant_id, artifact_id, owner, _PATCH_LOCK_S)
    shown = await show(work, tenant_id, artifact_id)
    _check_base(shown, asked)
    base_hash = ir_hash(shown.document) if shown.document.nodes else ""
    applied = apply(shown.document, Proposal(base_hash=base_hash, actions=asked.actions), Policy(may_remove=True))
    if applied.rejections:
        first = applied.rejections[0]
        raise LaceError(
            Reason.PROPOSAL_REJECTED,
            f"{first.pointer}: {first.message}",
            details=[Detail(r.pointer, f"{r.code}: {r.message}") for r in applied.rejections],
        )
    await _check(applied, asked.actions, sources)
    if not applied.changes:
        await work.artifacts.unlock(tenant_id, artifact_id, owner)
        return shown, ()
    revision = _revision(caller, shown, applied.artifact, now)
    await work.artifacts.stage(
        tenant_id, Staging(revision=revision, document=applied.artifact, changes=applied.changes)
    )
    await work.artifacts.mark_validated(tenant_id, artifact_id, revision.revision_id)
    await work.artifacts.commit(tenant_id, artifact_id, revision.revision_id, applied.artifact.title)
    await work.artifacts.unlock(tenant_id, artifact_id, owner)
    return await show(work, tenant_id, artifact_id), applied.changes


async def keep_snapshot(open_work: OpenUnitOfWork, snapshots: Snapshots, tenant_id: str, artifact_id: str) -> None:
    """After the commit, keep the head's snapshot for export and replay; doing it again changes nothing."""
    async with open_work(tenant_id) as work:
        shown = await show(work, tenant_id, artifact_id)
    if shown.revision is not None:
        data = encode(shown.document)
        await snapshots.put_snapshot(tenant_id, artifact_id, shown.revision.revision_id, data)


def etag_of(record: ArtifactRecord) -> str:
    """Names the state of a document: its head."""
    return record.head_revision_id or "empty"


def _check_base(shown: Shown, asked: Patch) -> None:
    if asked.etag and asked.etag != etag_of(shown.record):
        raise LaceError(Reason.ETAG_MISMATCH, "The document changed since you read it; read it again.")
    head = shown.record.head_revision_id
    if asked.base_revision_id and asked.base_revision_id != head and not asked.rebase:
        raise LaceError(Reason.REVISION_CONFLICT, f"The head is {head or 'empty'}, not {asked.base_revision_id}.")


async def _check(applied: Applied, actions: Sequence[Action], sources: Sources) -> None:
    given = [e for a in actions if isinstance(a, InsertBlock | ReplaceBlock) for e in a.evidence]
    units = await sources.unit_texts((e.source_id, e.extraction) for e in given) if given else {}
    findings = errors(await asyncio.to_thread(validate, applied.artifact))
    findings += [finding for e in given for finding in _misquoted(e, units.get(e.unit_id, ""))]
    findings += _unsupported(applied)
    if findings:
        raise LaceError(
            Reason.IR_INVALID,
            f"{findings[0].pointer}: {findings[0].message}",
            details=[Detail(f.pointer, f"{f.code}: {f.message}") for f in findings[:50]],
        )


def _misquoted(evidence: Evidence, unit: str) -> Iterator[Finding]:
    """What is wrong with a quote that a person gives: it must be there, and stop where a statement stops."""
    at = f"/evidence/{evidence.evidence_id}"
    if unit[evidence.start : evidence.end] != evidence.quote:
        yield Finding("QUOTE_NOT_FOUND", "error", at, "The quote does not stand at its span.")
    elif not {s.text for s in statements(evidence.quote)} <= {s.text for s in statements(unit)}:
        yield Finding("QUOTE_CUT", "error", at, "The quote cuts a statement; quote whole sentences, items or rows.")


def _unsupported(applied: Applied) -> list[Finding]:
    """Cited sentences of changed blocks that their evidence does not support."""
    changed = {change.subject_id for change in applied.changes if change.change in ("added", "replaced")}
    found = []
    for node in applied.artifact.nodes:
        quotes = {evidence.evidence_id: evidence.quote for evidence in node.evidence}
        for block in node.blocks:
            for part in cited_parts(block) if block.block_id in changed else ():
                judged = verify(part.text, [quotes[e] for e in part.evidence_ids]) if part.evidence_ids else None
                if judged is not None and judged.verdict is not Verdict.SUPPORTED:
                    at = f"/nodes/{node.node_id}/blocks/{block.block_id}/{part.part_id}"
                    message = f"The evidence does not support this ({judged.reasons[-1]})."
                    found.append(Finding(f"SENTENCE_{judged.verdict.name}", "error", at, message))
    return found


def _revision(caller: Caller, shown: Shown, document: Artifact, now: datetime) -> Revision:
    digest = ir_hash(document)
    head = shown.record.head_revision_id
    revision_id = derive("rev", document.artifact_id, head, digest, caller.idempotency_key)
    key = snapshot_key(caller.tenant_id, document.artifact_id, revision_id)
    return Revision(
        tenant_id=caller.tenant_id,
        artifact_id=document.artifact_id,
        revision_id=revision_id,
        parent_revision_id=head,
        status="staged",
        ir_schema_version=document.ir_schema_version,
        ir_hash=digest,
        content_hash=content_hash(document),
        ir_uri=f"lace-artifacts/{key}",
        run_id="",
        created_by=caller.principal_id,
        created_at=now,
    )
