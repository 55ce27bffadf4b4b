"""Branches and tags: giving revisions names, and taking the names away; revisions stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_runs.app import audit, heads
from lace_runs.app.artifacts import require_visible, visible_revision
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.history.lineage import Lineage
from lace_runs.domain.history.refs import MAIN, Branch, Tag, check_name

_ADMINISTRATORS = frozenset({"system_admin", "tenant_admin"})


@dataclass(frozen=True)
class Apart:
    """A branch, and how many revisions it has that main has not, and the other way round."""

    branch: Branch
    ahead: int = 0
    behind: int = 0


async def create_branch(
    work: UnitOfWork, caller: Caller, artifact_id: str, name: str, ref: str, now: datetime
) -> Apart:
    """Begin a branch at a ref; the caller commits.

    Raises LaceError REF_NAME_INVALID, REF_EXISTS, ARTIFACT_EMPTY, and what finding the ref raises.
    """
    revision_id = await _named(work, caller, artifact_id, name, ref)
    branch = Branch(
        artifact_id=artifact_id,
        name=name,
        head_revision_id=revision_id,
        from_revision_id=revision_id,
        created_by=caller.principal_id,
        created_at=now,
        updated_at=now,
    )
    await work.history.add_branch(caller.tenant_id, branch)
    work.send(audit.entry(caller, "artifact.branch", artifact_id, {"name": name, "revision_id": revision_id}, now))
    return await apart(work, caller.tenant_id, branch)


async def list_branches(work: UnitOfWork, caller: Caller, artifact_id: str, after: str, limit: int) -> Sequence[Apart]:
    """Branches by name, main first; those behind a name."""
    tenant_id = caller.tenant_id
    await require_visible(work, caller, artifact_id)
    main = await _main(work, tenant_id, artifact_id)
    lineage = await work.history.lineage(tenant_id, artifact_id)
    found = [] if after else [main]
    found += await work.history.branches(tenant_id, artifact_id, "" if after == MAIN else after, limit - len(found))
    return [_apart(lineage, main, branch) for branch in found]


async def get_branch(work: UnitOfWork, caller: Caller, artifact_id: str, name: str) -> Apart:
    """A branch; raises LaceError BRANCH_NOT_FOUND."""
    await require_visible(work, caller, artifact_id)
    main = await _main(work, caller.tenant_id, artifact_id)
    found = main if name == MAIN else await work.history.branch(caller.tenant_id, artifact_id, name)
    if found is None:
        raise heads.branch_not_found(artifact_id, name)
    return await apart(work, caller.tenant_id, found)


async def delete_branch(
    work: UnitOfWork, caller: Caller, artifact_id: str, name: str, force: bool, now: datetime
) -> Apart:
    """Take a branch away; the caller commits.

    Raises LaceError BRANCH_NOT_FOUND, BRANCH_PROTECTED, BRANCH_NOT_MERGED, PERMISSION_DENIED for forcing another's.
    """
    if name == MAIN:
        raise LaceError(Reason.BRANCH_PROTECTED, f"{MAIN} is the document itself; it cannot be deleted.")
    await require_visible(work, caller, artifact_id)
    held = await work.history.hold_branch(caller.tenant_id, artifact_id, name)
    if held is None:
        raise heads.branch_not_found(artifact_id, name)
    found = await apart(work, caller.tenant_id, held)
    if found.ahead and not force:
        message = f"{name} holds {found.ahead} revisions that {MAIN} has not; merge it, or delete it by force."
        raise LaceError(Reason.BRANCH_NOT_MERGED, message)
    if found.ahead:
        _require_right(caller, held.created_by, f"the branch {name}")
    await work.history.delete_branch(caller.tenant_id, artifact_id, name)
    details = {"name": name, "head_revision_id": held.head_revision_id, "unmerged": found.ahead}
    work.send(audit.entry(caller, "artifact.branch.delete", f"{artifact_id}/{name}", details, now))
    return found


async def create_tag(
    work: UnitOfWork, caller: Caller, artifact_id: str, name: str, ref: str, message: str, now: datetime
) -> Tag:
    """Name a revision; the caller commits. Raises what `create_branch` raises."""
    revision_id = await _named(work, caller, artifact_id, name, ref)
    tag = Tag(
        artifact_id=artifact_id,
        name=name,
        revision_id=revision_id,
        message=message,
        created_by=caller.principal_id,
        created_at=now,
    )
    await work.history.add_tag(caller.tenant_id, tag)
    details = {"name": name, "revision_id": revision_id, "message": message}
    work.send(audit.entry(caller, "artifact.tag", f"{artifact_id}/{name}", details, now))
    return tag


async def get_tag(work: UnitOfWork, caller: Caller, artifact_id: str, name: str) -> Tag:
    """A tag; raises LaceError TAG_NOT_FOUND."""
    await require_visible(work, caller, artifact_id)
    found = await work.history.tag(caller.tenant_id, artifact_id, name)
    if found is None:
        raise LaceError(Reason.TAG_NOT_FOUND, f"{artifact_id} has no tag {name}.")
    return found


async def list_tags(work: UnitOfWork, caller: Caller, artifact_id: str, after: str, limit: int) -> Sequence[Tag]:
    """Tags by name, those behind a name."""
    await require_visible(work, caller, artifact_id)
    return await work.history.tags(caller.tenant_id, artifact_id, after, limit)


async def delete_tag(work: UnitOfWork, caller: Caller, artifact_id: str, name: str, now: datetime) -> Tag:
    """Take a tag away; the caller commits.

    Raises LaceError TAG_NOT_FOUND, PERMISSION_DENIED for who did not make it and is no administrator.
    """
    await work.history.lock_names(caller.tenant_id, artifact_id)
    found = await get_tag(work, caller, artifact_id, name)
    _require_right(caller, found.created_by, f"the tag {name}")
    await work.history.delete_tag(caller.tenant_id, artifact_id, name)
    details = {"name": name, "revision_id": found.revision_id}
    work.send(audit.entry(caller, "artifact.tag.delete", f"{artifact_id}/{name}", details, now))
    return found


async def apart(work: UnitOfWork, tenant_id: str, branch: Branch) -> Apart:
    """How far a branch is from main."""
    main = await _main(work, tenant_id, branch.artifact_id)
    return _apart(await work.history.lineage(tenant_id, branch.artifact_id), main, branch)


def _apart(lineage: Lineage, main: Branch, branch: Branch) -> Apart:
    if branch.name == MAIN:
        return Apart(branch)
    return Apart(branch, *lineage.apart(branch.head_revision_id, main.head_revision_id))


async def _main(work: UnitOfWork, tenant_id: str, artifact_id: str) -> Branch:
    record = await work.artifacts.get(tenant_id, artifact_id)
    return Branch(
        artifact_id=artifact_id,
        name=MAIN,
        head_revision_id=record.head_revision_id,
        created_by=record.created_by,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


async def _named(work: UnitOfWork, caller: Caller, artifact_id: str, name: str, ref: str) -> str:
    """The revision that a new name is for; the name is free until the transaction ends."""
    check_name(name)
    tenant_id = caller.tenant_id
    await work.history.lock_names(tenant_id, artifact_id)
    revision_id = await visible_revision(work, caller, artifact_id, ref)
    if not revision_id:
        raise LaceError(Reason.ARTIFACT_EMPTY, f"{artifact_id} has no committed revision yet.")
    if await work.history.branch(tenant_id, artifact_id, name) or await work.history.tag(tenant_id, artifact_id, name):
        raise LaceError(Reason.REF_EXISTS, f"{artifact_id} has a branch or tag {name} already.")
    return revision_id


def _require_right(caller: Caller, made_by: str, what: str) -> None:
    if caller.principal_id != made_by and not caller.roles & _ADMINISTRATORS:
        raise LaceError(Reason.PERMISSION_DENIED, f"Only who made {what}, or an administrator, may delete it so.")
