"""Documents for people: making, reading and changing them; only deterministic apply changes one."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from lace_core.actions import Action, InsertBlock, ReplaceBlock
from lace_core.apply import Applied, Change
from lace_core.canonical import canonical_json, sha256_hex
from lace_core.constraints import resolve
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.ir import Artifact, Constraints, Evidence, Node, Source, cited_parts
from lace_core.merge_patch import merge_patch
from lace_core.merkle import content_hash, ir_hash
from lace_core.policies.holding import broken, refuse_title
from lace_core.policies.in_force import PolicyInForce
from lace_core.validate import Finding
from lace_core.verification.grounding import Verdict, verify
from lace_core.verification.standing import grounds_of, pieces_of, quotes_of
from lace_core.verification.wording import statements
from lace_core.writing import SentenceVerdict
from lace_runs.app import heads, proposals
from lace_runs.app.pointing import refusal
from lace_runs.app.policies.guarding import refuse_loosened
from lace_runs.app.policies.pinning import in_force
from lace_runs.app.ports import Caller, OpenUnitOfWork, Snapshots, UnitOfWork
from lace_runs.app.source_ports import Sources
from lace_runs.domain.artifacts import ArtifactRecord, Revision, Staging, snapshot_key
from lace_runs.domain.verdicts import WantedVerdicts


@dataclass(frozen=True)
class Shown:
    """An artifact with the revision that is shown of it, None while nothing is committed."""

    record: ArtifactRecord
    revision: Revision | None
    document: Artifact


async def create(work: UnitOfWork, caller: Caller, title: str, language: str, now: datetime) -> Shown:
    """Make an empty document; the caller commits. Raises LaceError POLICY_FORBIDS for words of the title."""
    refuse_title(await in_force(work.policies, caller.tenant_id, "", frozenset(), now), title)
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

    Looked at is the head, and the revision that is named besides. It comes before all else that is asked of a document:
    another error would tell that there is one.
    """
    for looked_at in dict.fromkeys(("", revision_id)):
        if not caller.labels.issuperset(await work.artifacts.labels(caller.tenant_id, artifact_id, looked_at)):
            raise LaceError(Reason.ARTIFACT_NOT_FOUND, f"No artifact {artifact_id}.")


async def visible_revision(work: UnitOfWork, caller: Caller, artifact_id: str, ref: str) -> str:
    """The revision that a ref (main where empty) names; empty for main while nothing is committed.

    Raises LaceError ARTIFACT_NOT_FOUND as `require_visible`, and what finding the ref raises.
    """
    await require_visible(work, caller, artifact_id)
    found = await heads.resolve(work, caller.tenant_id, artifact_id, ref)
    await require_visible(work, caller, artifact_id, found)
    return found


async def asked_revision(work: UnitOfWork, caller: Caller, artifact_id: str, revision_id: str, ref: str) -> str:
    """What is asked for by a revision's id or by a ref, empty where by neither, which is the head.

    Raises LaceError INVALID_ARGUMENT for both, and what `visible_revision` raises.
    """
    if revision_id and ref:
        problem = "name a revision by revision_id or by ref, not by both"
        raise LaceError(Reason.INVALID_ARGUMENT, f"/ref: {problem}.", details=[Detail("/ref", problem)])
    if ref:
        return await visible_revision(work, caller, artifact_id, ref)
    await require_visible(work, caller, artifact_id, revision_id)
    return revision_id


async def list_verdicts(
    work: UnitOfWork, tenant_id: str, wanted: WantedVerdicts, after: int, limit: int
) -> Sequence[tuple[int, Mapping[str, Any]]]:
    """A page of verdicts; raises LaceError REVISION_NOT_FOUND for what was never committed."""
    if wanted.revision_id:
        await require_committed(work, tenant_id, wanted.artifact_id, wanted.revision_id)
    return await work.artifacts.verdicts(tenant_id, wanted, after, limit)


async def require_committed(work: UnitOfWork, tenant_id: str, artifact_id: str, revision_id: str) -> Revision:
    """The revision; raises REVISION_NOT_FOUND where it was not committed: nothing is shown before it is verified."""
    revision = await work.artifacts.revision(tenant_id, artifact_id, revision_id)
    if revision.status != "committed":
        raise LaceError(Reason.REVISION_NOT_FOUND, f"Artifact {artifact_id} has no committed revision {revision_id}.")
    return revision


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
    """Changes that a person asks for. `etag` and `base_revision_id` are empty where any head will do.

    `sources` are those that the actions cite beside the document's own; `title` and `language` are the document's own,
    left as they are where None; `message` says why. `vouched` are sentences, by node, that a person decided to let
    stand; nobody gives them from outside.
    """

    artifact_id: str
    actions: tuple[Action, ...]
    base_revision_id: str = ""
    etag: str = ""
    on_conflict: proposals.OnConflict = "reject"
    sources: tuple[Source, ...] = ()
    branch: str = ""
    message: str = ""
    title: str | None = None
    language: str | None = None
    vouched: tuple[tuple[str, SentenceVerdict], ...] = ()


async def patch(
    work: UnitOfWork, sources: Sources, caller: Caller, asked: Patch, now: datetime
) -> tuple[Shown, Sequence[Change]]:
    """Apply the actions to the head of a branch, validate, and commit what comes of it; the caller commits.

    Raises LaceError ETAG_MISMATCH, REVISION_CONFLICT, ARTIFACT_LOCKED, BRANCH_NOT_FOUND, PERMISSION_DENIED,
    PROPOSAL_REJECTED, POLICY_FORBIDS, IR_INVALID.
    """
    tenant_id, artifact_id = caller.tenant_id, asked.artifact_id
    owner = derive("pat", caller.principal_id, caller.idempotency_key)
    shown = await hold(work, tenant_id, artifact_id, asked.branch, owner)
    await require_visible(work, caller, artifact_id, shown.record.head_revision_id)
    _check_base(shown, asked)
    proposals.require_overwrite(caller, asked.on_conflict)
    document, retitled = _retitled(_citing(shown.document, asked.sources), asked)
    head = shown.record.head_revision_id
    proposed = proposals.Asked(asked.actions, head, asked.base_revision_id, asked.on_conflict)
    applied = await proposals.applied_to(work, caller, document, proposed)
    policy = await in_force(work.policies, tenant_id, "", frozenset(), now)
    refuse_loosened(policy, shown.document, applied.artifact)
    await _check(shown.document, applied, asked, sources, policy)
    changes = (*retitled, *applied.changes)
    if not changes:
        await heads.release(work, tenant_id, artifact_id, asked.branch, owner)
        return shown, ()
    revision = replace(revision_of(caller, shown, applied.artifact, now), message=asked.message)
    staging = Staging(
        revision=revision,
        document=applied.artifact,
        changes=changes,
        verdicts=asked.vouched,
        verdicts_of=head,
        actions=applied.digests,
    )
    await work.artifacts.stage(tenant_id, staging)
    await heads.move(work, revision, applied.artifact.title, asked.branch, owner)
    return await show_line(work, tenant_id, artifact_id, revision.revision_id), changes


async def merge_patched(
    work: UnitOfWork, sources: Sources, caller: Caller, asked: Patch, wanted: Any, now: datetime
) -> tuple[Shown, Sequence[Change]]:
    """The same for what a JSON Merge Patch (parsed) asks of the head; raises also UNKNOWN_FIELD, NODE_NOT_FOUND."""
    owner = derive("pat", caller.principal_id, caller.idempotency_key)
    shown = await hold(work, caller.tenant_id, asked.artifact_id, asked.branch, owner)
    await require_visible(work, caller, asked.artifact_id, shown.record.head_revision_id)
    found = merge_patch(shown.document, wanted, owner)
    whole = replace(asked, actions=found.actions, title=found.title, language=found.language)
    return await patch(work, sources, caller, whole, now)


async def hold(work: UnitOfWork, tenant_id: str, artifact_id: str, branch: str, owner: str) -> Shown:
    """The head of a branch, to be changed; see heads.hold."""
    head = await heads.hold(work, tenant_id, artifact_id, branch, owner)
    return await show_line(work, tenant_id, artifact_id, head)


async def show_line(work: UnitOfWork, tenant_id: str, artifact_id: str, head: str) -> Shown:
    """The document as the line of work with this head has it: the etag is the line's."""
    shown = await show(work, tenant_id, artifact_id, head)
    return replace(shown, record=replace(shown.record, head_revision_id=head))


async def keep_snapshot(
    open_work: OpenUnitOfWork, snapshots: Snapshots, tenant_id: str, artifact_id: str, ref: str = ""
) -> None:
    """After the commit, keep the snapshot of a branch's head for export and replay; doing it again changes nothing."""
    async with open_work(tenant_id) as work:
        head_id = await heads.resolve(work, tenant_id, artifact_id, ref)
        stored = await work.artifacts.stored(tenant_id, artifact_id, head_id) if head_id else None
    if stored is not None:
        await snapshots.put_snapshot(tenant_id, artifact_id, head_id, await asyncio.to_thread(stored.data))


def etag_of(record: ArtifactRecord) -> str:
    """Names the state of a document: its head."""
    return record.head_revision_id or "empty"


def _retitled(document: Artifact, asked: Patch) -> tuple[Artifact, tuple[Change, ...]]:
    """The document with its own fields as they are asked for, and that as a change; normalised like all text."""
    asked_for = {"title": asked.title, "language": asked.language}
    wanted = {name: unicodedata.normalize("NFC", value) for name, value in asked_for.items() if value is not None}
    fresh = msgspec.structs.replace(document, **wanted)
    before, after = (sha256_hex(canonical_json([each.title, each.language])) for each in (document, fresh))
    return fresh, (Change(document.artifact_id, "replaced", before, after, "document"),) if before != after else ()


def _citing(document: Artifact, more: Sequence[Source]) -> Artifact:
    """The document with these sources beside its own."""
    known = {source.source_id for source in document.sources}
    fresh = tuple(source for source in more if source.source_id not in known)
    return msgspec.structs.replace(document, sources=(*document.sources, *fresh)) if fresh else document


def _check_base(shown: Shown, asked: Patch) -> None:
    if asked.etag and asked.etag != etag_of(shown.record):
        raise LaceError(Reason.ETAG_MISMATCH, "The document changed since you read it; read it again.")
    head = shown.record.head_revision_id
    if asked.base_revision_id and asked.base_revision_id != head and asked.on_conflict == "reject":
        message = f"The head is {head or 'empty'}, not {asked.base_revision_id}; ask for rebase, or read the head."
        raise LaceError(Reason.REVISION_CONFLICT, message)


async def _check(
    before: Artifact, applied: Applied, asked: Patch, sources: Sources, policy: PolicyInForce | None
) -> None:
    placed = {
        f"/actions/{place}/evidence/{index}/quote": e
        for place, a in enumerate(asked.actions)
        if isinstance(a, InsertBlock | ReplaceBlock)
        for index, e in enumerate(a.evidence)
    }
    units = await _unit_texts(sources, {(e.source_id, e.extraction) for e in placed.values()})
    findings = await asyncio.to_thread(broken, applied.artifact, (before,), policy)
    for pointer, e in placed.items():
        findings += [replace(finding, pointer=pointer) for finding in misquoted(e, units.get(e.unit_id, ""))]
    findings += await asyncio.to_thread(_unsupported, before, applied, {own.text for _, own in asked.vouched})
    if findings:
        raise refusal(findings, applied, asked.actions)


async def _unit_texts(sources: Sources, read_as: Set[tuple[str, str]]) -> Mapping[str, str]:
    """Texts of units by their ids; a source that is not there has none, as a quote that is not there."""
    try:
        return await sources.unit_texts(read_as) if read_as else {}
    except LaceError as error:
        if error.reason is not Reason.SOURCE_NOT_FOUND:
            raise
        if len(read_as) == 1:
            return {}
    found: dict[str, str] = {}
    for one in sorted(read_as):
        found.update(await _unit_texts(sources, {one}))
    return found


def misquoted(evidence: Evidence, unit: str) -> Iterator[Finding]:
    """What is wrong with a quote that a person gives: it must be there, and stop where a statement stops."""
    at = f"/evidence/{evidence.evidence_id}"
    if unit[evidence.start : evidence.end] != evidence.quote:
        yield Finding("QUOTE_NOT_FOUND", "error", at, "The quote does not stand at its span.")
    elif not {s.text for s in statements(evidence.quote)} <= {s.text for s in statements(unit)}:
        yield Finding("QUOTE_CUT", "error", at, "The quote cuts a statement; quote whole sentences, items or rows.")


def _unsupported(before: Artifact, applied: Applied, vouched: Set[str]) -> list[Finding]:
    """Cited sentences of changed blocks that their evidence does not support.

    What stood in the same words over the same evidence stands still: a person may have accepted it. `vouched` are the
    texts that one accepts now, as far as they could not be decided.
    """
    changed = {change.subject_id for change in applied.changes if change.change in ("added", "replaced")}
    refused: list[tuple[str, Finding]] = []
    for node in applied.artifact.nodes:
        known = {evidence.evidence_id: evidence for evidence in node.evidence}
        for block in node.blocks:
            for part in cited_parts(block) if block.block_id in changed else ():
                cited = quotes_of(known[e] for e in part.evidence_ids)
                judged = verify(part.text, cited) if cited else None
                least = Verdict.PARTIALLY if part.text in vouched else Verdict.SUPPORTED
                if judged is not None and judged.verdict < least:
                    at = f"/nodes/{node.node_id}/blocks/{block.block_id}/{part.part_id}"
                    message = (
                        f"The evidence does not support this ({judged.reasons[-1]}); cite what does, or reword it."
                    )
                    finding = Finding(f"SENTENCE_{judged.verdict.name}", "error", at, message, text=part.text)
                    refused.append((grounds_of(part.text, cited), finding))
    if not refused:
        return []
    stood = {piece.grounds for piece in pieces_of(before)}
    return [finding for grounds, finding in refused if grounds not in stood]


def revision_of(caller: Caller, shown: Shown, document: Artifact, now: datetime) -> Revision:
    """The row of the revision that a person's change makes of what is shown."""
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
