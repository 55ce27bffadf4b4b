"""What is different between two revisions of a document."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lace_core.diff import Diff, diff
from lace_core.differences.placed import Level, Placed, placed
from lace_core.errors import LaceError, Reason
from lace_runs.app import heads
from lace_runs.app.artifacts import Shown, require_visible, show, visible_revision
from lace_runs.app.ports import Caller, UnitOfWork

MOST_DIFFERENCES = 100_000


@dataclass(frozen=True)
class Wanted:
    """Two refs, and how much of their difference; `before` is the parent of the later where it is empty."""

    artifact_id: str
    before: str = ""
    after: str = ""
    node_id: str = ""
    level: Level = "sentence"


@dataclass(frozen=True)
class Compared:
    """The two revisions, the title of the later, and every difference that was asked for, in document order."""

    before: str
    after: str
    title: str
    diff: Diff
    differences: Sequence[Placed]


async def compare(work: UnitOfWork, caller: Caller, wanted: Wanted, most: int = MOST_DIFFERENCES) -> Compared:
    """The difference of two refs.

    Raises LaceError NODE_NOT_FOUND, DIFF_LIMIT_EXCEEDED, ARTIFACT_EMPTY, and what finding the refs raises.
    """
    tenant_id, artifact_id = caller.tenant_id, wanted.artifact_id
    after = await visible_revision(work, caller, artifact_id, wanted.after)
    if not after:
        raise LaceError(Reason.ARTIFACT_EMPTY, f"{artifact_id} has no committed revision yet.")
    before = await _before(work, tenant_id, wanted, after)
    await require_visible(work, caller, artifact_id, before)
    shown = await show(work, tenant_id, artifact_id, after)
    parent = await show(work, tenant_id, artifact_id, before) if before else None
    later = shown.document
    earlier = parent.document if parent else await work.artifacts.document(tenant_id, artifact_id, "")
    if wanted.node_id and all(node.node_id != wanted.node_id for node in (*later.nodes, *earlier.nodes)):
        raise LaceError(Reason.NODE_NOT_FOUND, f"Neither revision of {artifact_id} has a node {wanted.node_id}.")
    found = _as_stored(await asyncio.to_thread(diff, earlier, later), parent, shown)
    differences = await asyncio.to_thread(placed, found, earlier, later, wanted.node_id, wanted.level)
    if len(differences) > most:
        message = f"{before} and {after} differ in {len(differences)} places, more than {most}."
        raise LaceError(Reason.DIFF_LIMIT_EXCEEDED, f"{message} Ask for one section (node_id), or level=node.")
    return Compared(before, after, later.title, found, differences)


def _as_stored(found: Diff, before: Shown | None, after: Shown) -> Diff:
    """With the hashes that the revisions are known by: one of an older IR schema has that of its own form."""
    hashes = [shown.revision.ir_hash if shown and shown.revision else "" for shown in (before, after)]
    return replace(found, before_hash=hashes[0] or found.before_hash, after_hash=hashes[1] or found.after_hash)


async def _before(work: UnitOfWork, tenant_id: str, wanted: Wanted, after: str) -> str:
    if wanted.before:
        return await heads.resolve(work, tenant_id, wanted.artifact_id, wanted.before)
    return (await work.history.lineage(tenant_id, wanted.artifact_id)).parent(after)
