"""Proposals to a document's head: rebased on what others did, sent again, refused whole; and what of them is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lace_core.actions import Action, InsertNode, SetSummary, UpdateNode
from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact, Node
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.domain.runs import RunState
from tests.doubles.runs_world import World


class Line:
    """One document and the people who change it."""

    def __init__(self, world: World, artifact_id: str) -> None:
        self.world, self.artifact_id = world, artifact_id

    async def patch(self, *actions: Action, scopes: frozenset[str] = frozenset(), **more: Any) -> artifacts.Shown:
        caller = replace(self.world.caller(), scopes=scopes)
        asked = artifacts.Patch(self.artifact_id, actions, **more)
        async with self.world.open(self.world.tenant_id) as work:
            shown, _ = await artifacts.patch(work, self.world.sources, caller, asked, utc_now())
            await work.commit()
        return shown

    async def head(self) -> tuple[str, Artifact]:
        async with self.world.open(self.world.tenant_id) as work:
            shown = await artifacts.show(work, self.world.tenant_id, self.artifact_id)
        return shown.record.head_revision_id, shown.document

    async def rows(self, table: str) -> int:
        async with self.world.system.transaction() as tx:
            query = f"SELECT count(*) AS n FROM runs.{table} WHERE artifact_id = :a"
            row = await tx.fetch_one(query, {"a": self.artifact_id})
        assert row is not None
        return int(row.n)


@pytest.fixture
async def line(world: World) -> Line:
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    return Line(world, run.artifact_id)


def _sections(document: Artifact) -> list[Node]:
    return list(document.children(document.root.node_id))


async def test_what_others_did_since_stays_where_the_change_is_elsewhere(line: Line) -> None:
    base, document = await line.head()
    one, other = _sections(document)[:2]
    await line.patch(UpdateNode(key="theirs", node_id=one.node_id, title="Theirs"))
    mine = UpdateNode(key="mine", node_id=other.node_id, title="Mine")
    with pytest.raises(LaceError) as caught:
        await line.patch(mine, base_revision_id=base)
    assert caught.value.reason is Reason.REVISION_CONFLICT
    shown = await line.patch(mine, base_revision_id=base, on_conflict="rebase")
    titles = {node.node_id: node.title for node in shown.document.nodes}
    assert (titles[one.node_id], titles[other.node_id]) == ("Theirs", "Mine")


async def test_a_conflict_is_named_and_only_who_may_overwrites(line: Line) -> None:
    base, document = await line.head()
    section = _sections(document)[0]
    await line.patch(UpdateNode(key="theirs", node_id=section.node_id, title="Theirs"))
    head, _ = await line.head()
    mine = UpdateNode(key="mine", node_id=section.node_id, title="Mine")
    with pytest.raises(LaceError) as caught:
        await line.patch(mine, base_revision_id=base, on_conflict="rebase")
    assert caught.value.reason is Reason.PROPOSAL_REJECTED
    assert [(d.field, d.description.split(":")[0]) for d in caught.value.details] == [("/actions/0/title", "CONFLICT")]
    with pytest.raises(LaceError) as caught:
        await line.patch(mine, base_revision_id=base, on_conflict="overwrite")
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert (await line.head())[0] == head, "nothing was changed"
    shown = await line.patch(mine, base_revision_id=base, on_conflict="overwrite", scopes=frozenset({"admin"}))
    assert shown.document.node(section.node_id).title == "Mine"


async def test_a_base_that_was_never_committed_is_none(line: Line) -> None:
    _, document = await line.head()
    with pytest.raises(LaceError) as caught:
        await line.patch(
            UpdateNode(key="k", node_id=document.root.node_id, title="x"),
            base_revision_id="rev_unknown",
            on_conflict="rebase",
        )
    assert caught.value.reason is Reason.REVISION_NOT_FOUND


async def test_an_action_that_is_sent_again_does_nothing_though_its_result_was_changed(line: Line) -> None:
    _, document = await line.head()
    section = _sections(document)[0].node_id
    first = UpdateNode(key="first", node_id=section, title="First")
    await line.patch(first)
    await line.patch(UpdateNode(key="second", node_id=section, title="Second"))
    head, _ = await line.head()
    shown = await line.patch(first)
    assert (shown.record.head_revision_id, shown.document.node(section).title) == (head, "Second")
    with pytest.raises(LaceError) as caught:
        await line.patch(UpdateNode(key="first", node_id=section, title="Another"))
    assert [d.description.split(":")[0] for d in caught.value.details] == ["KEY_REUSED"]


async def test_a_change_writes_the_node_versions_that_changed_and_no_others(line: Line) -> None:
    _, document = await line.head()
    before = {table: await line.rows(table) for table in ("artifact_nodes", "artifact_blocks", "evidence")}
    section = next(node for node in document.nodes if node.blocks)
    await line.patch(SetSummary(key="k", node_id=section.node_id, summary="In short."))
    after = {table: await line.rows(table) for table in before}
    assert after == {
        "artifact_nodes": before["artifact_nodes"] + 1,
        "artifact_blocks": before["artifact_blocks"] + len(section.blocks),
        "evidence": before["evidence"],
    }
    await line.patch(InsertNode(key="n", parent_id=document.root.node_id, title="More"))
    assert await line.rows("artifact_nodes") == after["artifact_nodes"] + 1
    assert await line.rows("artifact_blocks") == after["artifact_blocks"]
    _, document = await line.head()
    assert document.children(document.root.node_id)[-1].title == "More"


async def test_all_or_nothing(line: Line) -> None:
    head, document = await line.head()
    root = document.root.node_id
    with pytest.raises(LaceError) as caught:
        await line.patch(
            UpdateNode(key="a", node_id=root, title="Good"),
            UpdateNode(key="b", node_id="nod_unknown", title="Bad"),
            InsertNode(key="c", parent_id=root, title="x", after_id="nod_unknown"),
        )
    assert [(d.field, d.description.split(":")[0]) for d in caught.value.details] == [
        ("/actions/1/node_id", "NODE_NOT_FOUND"),
        ("/actions/2/after_id", "SIBLING_NOT_FOUND"),
    ]
    assert (await line.head())[0] == head
