"""Merging a line of work into another: a revision with two parents, or the conflicts that keep it from being made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from lace_core.apply import Change
from lace_core.diff import Diff, changes, diff
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.ir import Artifact
from lace_core.merging import Conflict, Merged, Resolution, ResolutionError, three_way
from lace_core.policies.holding import broken
from lace_core.policies.in_force import PolicyInForce
from lace_runs.app import audit, heads
from lace_runs.app.artifacts import Shown, etag_of, hold, require_visible, revision_of, show_line
from lace_runs.app.policies.pinning import in_force
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.artifacts import Revision, Staging
from lace_runs.domain.history.refs import MAIN

UP_TO_DATE, CLEAN, CONFLICTS, MERGED = "up_to_date", "clean", "conflicts", "merged"


@dataclass(frozen=True)
class Wanted:
    """What is to be merged: theirs into ours. `etag` is empty where any head will do."""

    artifact_id: str
    theirs: str
    ours: str = MAIN
    message: str = ""
    resolutions: Mapping[str, Resolution] = field(default_factory=dict)
    dry_run: bool = False
    etag: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of it; `head` is that of the branch now, `revision` the merged one where one was made."""

    outcome: str
    base: str
    ours: str
    theirs: str
    head: str
    conflicts: Sequence[Conflict] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    revision: Revision | None = None


@dataclass(frozen=True)
class _Sides:
    """The three revisions that are merged, their documents, and the branch as it is held."""

    base: Shown
    ours: Shown
    theirs: Shown

    @property
    def ids(self) -> tuple[str, str, str]:
        """Their revisions' ids."""
        return tuple(side.record.head_revision_id for side in (self.base, self.ours, self.theirs))  # type: ignore[return-value]


async def merge(work: UnitOfWork, caller: Caller, wanted: Wanted, now: datetime) -> Outcome:
    """Merge a ref into a branch; the caller commits. With conflicts, and for a dry run, nothing is changed.

    Raises LaceError ETAG_MISMATCH, ARTIFACT_LOCKED, BRANCH_NOT_FOUND, REF_NOT_FOUND, HISTORIES_UNRELATED,
    RESOLUTION_INVALID, IR_INVALID, UNVERIFIED_CONTENT.
    """
    tenant_id, artifact_id = caller.tenant_id, wanted.artifact_id
    owner = derive("mrg", caller.principal_id, caller.idempotency_key)
    await require_visible(work, caller, artifact_id)
    held = await hold(work, tenant_id, artifact_id, wanted.ours, owner)
    if wanted.etag and wanted.etag != etag_of(held.record):
        raise LaceError(Reason.ETAG_MISMATCH, "The branch moved since you read it; read it again.")
    sides = await _sides(work, caller, wanted, held)
    base, ours, theirs = sides.ids
    if base == theirs:
        await heads.release(work, tenant_id, artifact_id, wanted.ours, owner)
        return Outcome(UP_TO_DATE, base, ours, theirs, ours)
    policy = await in_force(work.policies, tenant_id, "", frozenset(), now)
    merged, found = await asyncio.to_thread(_merged, sides, wanted.resolutions, policy)
    if merged.conflicts:
        await heads.release(work, tenant_id, artifact_id, wanted.ours, owner)
        return Outcome(CONFLICTS, base, ours, theirs, ours, merged.conflicts)
    if wanted.dry_run:
        await heads.release(work, tenant_id, artifact_id, wanted.ours, owner)
        return Outcome(CLEAN, base, ours, theirs, ours, counts=found.counts())
    revision = await _land(work, caller, wanted, sides, merged.artifact, changes(found, "merge"), owner, now)
    details = {"from": theirs, "into": wanted.ours or MAIN, "head_revision_id": ours, "message": wanted.message}
    details["revision_id"] = revision.revision_id
    work.send(audit.entry(caller, "artifact.merge", artifact_id, details, now))
    committed = await work.artifacts.revision(tenant_id, artifact_id, revision.revision_id)
    return Outcome(MERGED, base, ours, theirs, revision.revision_id, counts=found.counts(), revision=committed)


async def _sides(work: UnitOfWork, caller: Caller, wanted: Wanted, ours: Shown) -> _Sides:
    tenant_id, artifact_id = caller.tenant_id, wanted.artifact_id
    theirs = await heads.resolve(work, tenant_id, artifact_id, wanted.theirs)
    head = ours.record.head_revision_id
    for revision_id in (head, theirs):
        await require_visible(work, caller, artifact_id, revision_id)
    base = (await work.history.lineage(tenant_id, artifact_id)).merge_base(head, theirs) if head and theirs else ""
    if not base:
        message = f"{head or 'The empty document'} and {theirs or 'the empty document'} have no revision in common."
        raise LaceError(Reason.HISTORIES_UNRELATED, message)
    await require_visible(work, caller, artifact_id, base)  # conflicts tell what it said
    shown = [await show_line(work, tenant_id, artifact_id, revision_id) for revision_id in (base, theirs)]
    return _Sides(shown[0], ours, shown[1])


def _merged(sides: _Sides, resolutions: Mapping[str, Resolution], policy: PolicyInForce | None) -> tuple[Merged, Diff]:
    try:
        merged = three_way(sides.base.document, sides.ours.document, sides.theirs.document, resolutions)
    except ResolutionError as error:
        message = f"{error.conflict_id}: {error}"
        raise LaceError(Reason.RESOLUTION_INVALID, message, details=[Detail(error.conflict_id, str(error))]) from None
    if merged.conflicts:
        return merged, Diff("", "", ())
    # What was committed with more nodes than are allowed now may be merged.
    most = max(2000, *(len(side.document.nodes) for side in (sides.ours, sides.theirs)))
    findings = broken(merged.artifact, (sides.ours.document, sides.theirs.document), policy, most)
    if findings:
        raise LaceError(
            Reason.IR_INVALID,
            f"What comes of the merge breaks a rule: {findings[0].pointer}: {findings[0].message}",
            details=[Detail(finding.pointer, f"{finding.code}: {finding.message}") for finding in findings[:50]],
        )
    return merged, diff(sides.ours.document, merged.artifact)


async def _land(
    work: UnitOfWork,
    caller: Caller,
    wanted: Wanted,
    sides: _Sides,
    document: Artifact,
    made: Sequence[Change],
    owner: str,
    now: datetime,
) -> Revision:
    """Stage, which looks at the right of every sentence to stand, and commit."""
    _, ours, theirs = sides.ids
    plain = await asyncio.to_thread(revision_of, caller, sides.ours, document, now)
    message = wanted.message or f"Merge {wanted.theirs} into {wanted.ours or MAIN}"
    revision = replace(plain, second_parent_revision_id=theirs, message=message)
    staging = Staging(revision=revision, document=document, changes=tuple(made), verdicts_of=ours)
    await work.artifacts.stage(caller.tenant_id, staging)
    await heads.move(work, revision, document.title, wanted.ours, owner)
    return revision
