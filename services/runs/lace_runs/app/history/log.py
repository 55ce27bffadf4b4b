"""The log of a document: the revisions behind a ref, who made each and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_runs.app.artifacts import show, visible_revision
from lace_runs.app.history.ports import Entry
from lace_runs.app.ports import Caller, UnitOfWork


@dataclass(frozen=True)
class Logged:
    """A revision in a log, with the names that it has."""

    entry: Entry
    branches: Sequence[str]
    tags: Sequence[str]


@dataclass(frozen=True)
class Log:
    """A page of a log: where it was begun, and whether there is more."""

    head: str
    entries: Sequence[Logged]
    more: bool


async def log(
    work: UnitOfWork, caller: Caller, artifact_id: str, ref: str, subject_id: str, skip: int, limit: int
) -> Log:
    """The revisions that led to a ref, newest first, or those of them that changed a node or block.

    Raises LaceError NODE_NOT_FOUND, and what finding the ref raises.
    """
    tenant_id = caller.tenant_id
    head = await visible_revision(work, caller, artifact_id, ref)
    history = (await work.history.lineage(tenant_id, artifact_id)).newest_first(head)
    if subject_id:
        subjects = await _subjects(work, tenant_id, artifact_id, head, subject_id)
        changed = await work.history.changed(tenant_id, artifact_id, subjects)
        history = [ident for ident in history if ident in changed]
    page = history[skip : skip + limit]
    entries = await work.history.entries(tenant_id, artifact_id, page)
    names = await work.history.names(tenant_id, artifact_id, page)
    found = [Logged(entries[ident], *names[ident]) for ident in page]
    return Log(head, found, len(history) > skip + limit)


async def _subjects(work: UnitOfWork, tenant_id: str, artifact_id: str, head: str, subject_id: str) -> Sequence[str]:
    """The ids whose changes count: a node's and its blocks', or a block's; one that is gone goes by its own."""
    document = (await show(work, tenant_id, artifact_id, head)).document
    for node in document.nodes:
        if node.node_id == subject_id:
            return [subject_id, *(block.block_id for block in node.blocks)]
    if not subject_id.startswith(("blk_", "nod_")):
        message = f"{subject_id} is no section (nod_…) or block (blk_…) of {artifact_id}."
        raise LaceError(Reason.NODE_NOT_FOUND, message)
    return [subject_id]
