"""Who wrote what: for every sentence its revision, run or person, evidence and verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_runs.app.artifacts import show, visible_revision
from lace_runs.app.history.ports import Entry
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.history.blame import Line, introduced, lines_of


@dataclass(frozen=True)
class Blamed:
    """A sentence, the revision that brought it in (None where that was not recorded), and its verdict if kept."""

    line: Line
    entry: Entry | None
    verdict: Mapping[str, Any] | None


@dataclass(frozen=True)
class Blame:
    """A page of sentences of a revision, and whether there is more."""

    revision_id: str
    lines: Sequence[Blamed]
    more: bool


async def blame(
    work: UnitOfWork, caller: Caller, artifact_id: str, ref: str, node_id: str, skip: int, limit: int
) -> Blame:
    """The sentences of a ref with where they come from, in document order.

    Costs the versions of the blocks on the page, and a narrow row for each revision: not the documents between.
    Raises LaceError NODE_NOT_FOUND, and what finding the ref raises.
    """
    tenant_id = caller.tenant_id
    head = await visible_revision(work, caller, artifact_id, ref)
    document = (await show(work, tenant_id, artifact_id, head)).document
    if node_id and all(node.node_id != node_id for node in document.nodes):
        raise LaceError(Reason.NODE_NOT_FOUND, f"Artifact {artifact_id} has no node {node_id}.")
    lines = lines_of(document, node_id)
    page = lines[skip : skip + limit]
    history = (await work.history.lineage(tenant_id, artifact_id)).newest_first(head)
    versions = await work.history.versions(tenant_id, artifact_id, {line.part.block_id for line in page})
    makers = await asyncio.to_thread(introduced, page, versions, history)
    entries = await work.history.entries(tenant_id, artifact_id, set(makers.values()))
    verdicts = await work.history.verdicts(tenant_id, artifact_id, head, [line.part.part_id for line in page])
    found = [
        Blamed(line, entries.get(makers[line.part.block_id, line.part.part_id]), verdicts.get(line.part.part_id))
        for line in page
    ]
    return Blame(head, found, len(lines) > skip + limit)
