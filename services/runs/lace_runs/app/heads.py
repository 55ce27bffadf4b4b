"""Where the lines of a document stand: finding a revision by its name, and moving a branch to the next one."""

from __future__ import annotations

from lace_core.errors import LaceError, Reason
from lace_runs.app.ports import UnitOfWork
from lace_runs.domain.artifacts import Revision
from lace_runs.domain.history.refs import MAIN, PUBLISHED

_LOCK_S = 30


async def resolve(work: UnitOfWork, tenant_id: str, artifact_id: str, ref: str) -> str:
    """The committed revision that a ref names: its id, a branch (main where empty), a tag, or published.

    Empty for main while nothing is committed. Raises LaceError ARTIFACT_, REVISION_, REF_NOT_FOUND.
    """
    record = await work.artifacts.get(tenant_id, artifact_id)
    if ref in ("", MAIN):
        return record.head_revision_id
    if ref.startswith("rev_"):
        if (await work.artifacts.revision(tenant_id, artifact_id, ref)).status != "committed":
            raise LaceError(Reason.REVISION_NOT_FOUND, f"Artifact {artifact_id} has no committed revision {ref}.")
        return ref
    if ref == PUBLISHED:
        if standing := await work.publications.standing(tenant_id, artifact_id):
            return standing.revision_id
        raise LaceError(Reason.REF_NOT_FOUND, f"Nothing of {artifact_id} is published.")
    if branch := await work.history.branch(tenant_id, artifact_id, ref):
        return branch.head_revision_id
    if tag := await work.history.tag(tenant_id, artifact_id, ref):
        return tag.revision_id
    raise LaceError(Reason.REF_NOT_FOUND, f"{artifact_id} has no branch or tag {ref}.")


async def etag(work: UnitOfWork, tenant_id: str, artifact_id: str, ref: str) -> str:
    """Names the state of the line that a ref is: of a branch its head, else that of main."""
    found = await work.history.branch(tenant_id, artifact_id, ref) if ref not in ("", MAIN) else None
    head = found.head_revision_id if found else (await work.artifacts.get(tenant_id, artifact_id)).head_revision_id
    return head or "empty"


async def hold(work: UnitOfWork, tenant_id: str, artifact_id: str, branch: str, owner: str) -> str:
    """The head of a branch, which is the owner's alone to move until the transaction ends; empty for an empty document.

    Raises LaceError ARTIFACT_NOT_FOUND, BRANCH_NOT_FOUND; of main ARTIFACT_LOCKED while a run writes it.
    """
    if branch in ("", MAIN):
        await work.artifacts.lock(tenant_id, artifact_id, owner, _LOCK_S)
        return (await work.artifacts.get(tenant_id, artifact_id)).head_revision_id
    await work.artifacts.get(tenant_id, artifact_id)
    held = await work.history.hold_branch(tenant_id, artifact_id, branch)
    if held is None:
        raise branch_not_found(artifact_id, branch)
    return held.head_revision_id


async def release(work: UnitOfWork, tenant_id: str, artifact_id: str, branch: str, owner: str) -> None:
    """Give a branch back that was held."""
    if branch in ("", MAIN):
        await work.artifacts.unlock(tenant_id, artifact_id, owner)


async def move(work: UnitOfWork, revision: Revision, title: str, branch: str, owner: str) -> None:
    """Commit a staged revision that was checked, move the branch to it, and give it back.

    Raises LaceError REVISION_CONFLICT.
    """
    key = (revision.tenant_id, revision.artifact_id)
    await work.artifacts.mark_validated(*key, revision.revision_id)
    if branch in ("", MAIN):
        await work.artifacts.commit(*key, revision.revision_id, title)
        await work.artifacts.unlock(*key, owner)
    else:
        await work.history.commit(*key, branch, revision.revision_id)


def branch_not_found(artifact_id: str, name: str) -> LaceError:
    """The answer for a branch that there is not."""
    return LaceError(Reason.BRANCH_NOT_FOUND, f"{artifact_id} has no branch {name}.")
