"""The history of documents on their tables: who wrote what, merges that are whole or not there, and who may see it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from lace_core.actions import Action, InsertBlock, InsertNode, RemoveBlock, SetSummary, UpdateNode
from lace_core.errors import LaceError, Reason
from lace_core.ir import Node, Paragraph, Sentence
from lace_platform.clock import utc_now
from lace_runs.app import artifacts, rollback
from lace_runs.app.history import blame, differing, log, merging, naming
from lace_runs.app.ports import Caller
from lace_runs.app.runs import Start
from lace_runs.app.settling import settle
from lace_runs.domain.runs import Request, Run, RunState
from tests.doubles.runs_world import World


@pytest.fixture
async def written(world: World) -> Run:
    run = await world.start("generate", title="The bridge", instructions="For the board.")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    return done


@pytest.fixture
async def drafted(world: World) -> str:
    """A document that a person wrote: a root, and two sections of a paragraph each."""
    async with world.open(world.tenant_id) as work:
        record = (await artifacts.create(work, world.caller(), "The bridge", "en", utc_now())).record
        await work.commit()
    shown = await _patch(world, record.artifact_id, InsertNode(key="root", parent_id=None, title="The bridge"))
    root = shown.document.root.node_id
    added = [InsertNode(key=title, parent_id=root, title=title) for title in ("Cost", "History")]
    shown = await _patch(world, record.artifact_id, *added)
    blocks = [
        InsertBlock(key=f"{node.title}/text", node_id=node.node_id, block=_own(f"{node.title} by hand."))
        for node in shown.document.children(root)
    ]
    await _patch(world, record.artifact_id, *blocks, message="A first draft.")
    return record.artifact_id


async def _patch(world: World, artifact_id: str, *actions: Action, **more: Any) -> artifacts.Shown:
    async with world.open(world.tenant_id) as work:
        asked = artifacts.Patch(artifact_id, actions, **more)
        shown, _ = await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()
    return shown


async def _branch(world: World, artifact_id: str, name: str = "draft") -> None:
    async with world.open(world.tenant_id) as work:
        await naming.create_branch(work, world.caller(), artifact_id, name, "", utc_now())
        await work.commit()


async def _merge(world: World, artifact_id: str, key: str = "", **wanted: Any) -> merging.Outcome:
    async with world.open(world.tenant_id) as work:
        asked = merging.Wanted(artifact_id, wanted.pop("theirs", "draft"), **wanted)
        found = await merging.merge(work, world.caller(key), asked, utc_now())
        await work.commit()
    return found


async def _blame(world: World, artifact_id: str, ref: str = "") -> blame.Blame:
    async with world.open(world.tenant_id) as work:
        return await blame.blame(work, world.caller(), artifact_id, ref, "", 0, 1000)


async def _sections(world: World, artifact_id: str) -> list[Node]:
    async with world.open(world.tenant_id) as work:
        document = (await artifacts.show(work, world.tenant_id, artifact_id)).document
    return [node for node in document.nodes if node.blocks]


async def _audited(world: World, artifact_id: str, action: str) -> int:
    """How many entries for the audit log wait to leave, or have left."""
    return await world.sql(
        "UPDATE runs.outbox_events SET topic = topic WHERE topic = 'audit.recorded' "
        "AND payload_json ->> 'action' = :action AND strpos(payload_json ->> 'subject', :artifact_id) = 1",
        action=action,
        artifact_id=artifact_id,
    )


def _own(text: str) -> Paragraph:
    return Paragraph(block_id="", sentences=(Sentence(sentence_id="", text=text),))


async def test_blame_names_the_run_its_evidence_and_its_verdict(world: World, written: Run) -> None:
    first = await _sections(world, written.artifact_id)
    await _patch(world, written.artifact_id, UpdateNode(key="t", node_id=first[0].node_id, title="Cost of it"))
    found = await _blame(world, written.artifact_id)
    assert found.lines
    for line in found.lines:
        assert line.entry is not None
        assert (line.entry.revision.run_id, line.entry.pipeline_id) == (written.run_id, "generate")
        assert line.entry.reason == "For the board."
        assert line.verdict is not None
        assert line.verdict["verdict"] == "supported"
        assert [e.evidence_id for e in line.line.evidence] == list(line.line.part.evidence_ids)
        assert line.line.evidence[0].quote


async def test_what_comes_back_is_its_first_maker_s(world: World, written: Run) -> None:
    artifact_id = written.artifact_id
    before = await _blame(world, artifact_id)
    node = (await _sections(world, artifact_id))[0]
    await _patch(world, artifact_id, RemoveBlock(key="gone", block_id=node.blocks[0].block_id))
    assert len((await _blame(world, artifact_id)).lines) < len(before.lines)
    async with world.open(world.tenant_id) as work:
        head = (await work.artifacts.get(world.tenant_id, artifact_id)).head_revision_id
    start = rollback.start_of(rollback.Asked(artifact_id, before.revision_id, head_revision_id=head))
    run = await world.start("rollback", artifact_id=artifact_id, **_plain(start.request))
    async with world.worker():
        assert (await world.until(run.run_id, "succeeded", "failed")).state is RunState.SUCCEEDED
    after = await _blame(world, artifact_id)
    assert [line.entry and line.entry.revision.run_id for line in after.lines] == [written.run_id] * len(before.lines)


def _plain(request: Any) -> dict[str, Any]:
    return {name: getattr(request, name) for name in ("revision_id", "head_revision_id", "reason", "targets")}


async def test_verdicts_of_both_sides_come_with_what_is_merged(world: World, written: Run) -> None:
    artifact_id = written.artifact_id
    await _branch(world, artifact_id)
    nodes = await _sections(world, artifact_id)
    cited = nodes[0].evidence[0]
    said = Sentence(sentence_id="", text=cited.quote, evidence_ids=(cited.evidence_id,))
    quoted = InsertBlock(key="own", node_id=nodes[0].node_id, block=Paragraph(block_id="", sentences=(said,)))
    shown = await _patch(world, artifact_id, quoted, branch="draft")
    block_id = next(b.block_id for b in shown.document.node(nodes[0].node_id).blocks if b not in nodes[0].blocks)
    await _patch(world, artifact_id, SetSummary(key="s", node_id=nodes[-1].node_id, summary="Short."))
    outcome = await _merge(world, artifact_id)
    assert outcome.outcome == merging.MERGED
    assert outcome.revision is not None
    assert (outcome.revision.parent_revision_id, outcome.revision.second_parent_revision_id) == (
        outcome.ours,
        outcome.theirs,
    )
    found = await _blame(world, artifact_id)
    assert {line.verdict and line.verdict["standing"] for line in found.lines} == {"verified"}
    (by_hand,) = (line for line in found.lines if line.line.part.block_id == block_id)
    assert by_hand.entry is not None
    assert by_hand.entry.revision.revision_id == outcome.theirs


async def test_a_merge_that_dies_before_its_commit_leaves_nothing(world: World, drafted: str) -> None:
    artifact_id = drafted
    await _branch(world, artifact_id)
    node = (await _sections(world, artifact_id))[0]
    await _patch(world, artifact_id, SetSummary(key="s", node_id=node.node_id, summary="Short."), branch="draft")
    async with world.open(world.tenant_id) as work:
        wanted = merging.Wanted(artifact_id, "draft")
        died = await merging.merge(work, world.caller("once"), wanted, utc_now())  # and no commit
    assert died.outcome == merging.MERGED
    async with world.open(world.tenant_id) as work:
        assert (await work.artifacts.get(world.tenant_id, artifact_id)).head_revision_id == died.ours
        with pytest.raises(LaceError) as gone:
            await work.artifacts.revision(world.tenant_id, artifact_id, died.head)
    assert gone.value.reason is Reason.REVISION_NOT_FOUND
    assert await _audited(world, artifact_id, "artifact.merge") == 0
    again = await _merge(world, artifact_id, "once")
    assert (again.outcome, again.head) == (merging.MERGED, died.head)
    assert await _audited(world, artifact_id, "artifact.merge") == 1


async def test_two_merges_at_once_make_one_revision(world: World, drafted: str) -> None:
    artifact_id = drafted
    await _branch(world, artifact_id)
    await _branch(world, artifact_id, "into")
    node = (await _sections(world, artifact_id))[0]
    await _patch(world, artifact_id, SetSummary(key="s", node_id=node.node_id, summary="Short."), branch="draft")
    outcomes = await asyncio.gather(*(_merge(world, artifact_id, ours="into") for _ in range(2)))
    assert sorted(found.outcome for found in outcomes) == [merging.MERGED, merging.UP_TO_DATE]


async def test_a_run_that_writes_main_leaves_branches_free(world: World, drafted: str) -> None:
    artifact_id = drafted
    await _branch(world, artifact_id)
    node = (await _sections(world, artifact_id))[0]
    async with world.open(world.tenant_id) as work:
        await work.artifacts.lock(world.tenant_id, artifact_id, "run_other", 30)
        await work.commit()
    await _patch(world, artifact_id, SetSummary(key="s", node_id=node.node_id, summary="Short."), branch="draft")
    with pytest.raises(LaceError) as locked:
        await _merge(world, artifact_id)
    assert locked.value.reason is Reason.ARTIFACT_LOCKED


async def test_sources_that_one_may_not_see_hide_the_history(world: World, written: Run) -> None:
    artifact_id = written.artifact_id
    await world.sql(
        "UPDATE runs.artifact_revisions SET sources = jsonb_set(sources, '{0,labels}', '[\"secret\"]') "
        "WHERE artifact_id = :artifact_id",
        artifact_id=artifact_id,
    )
    stranger: Caller = world.caller()
    elsewhere = Start("patch", Request(title="Another", instructions="Shorter."), artifact_id)
    async with world.open(world.tenant_id) as work:
        for hidden in (
            lambda: log.log(work, stranger, artifact_id, "", "", 0, 10),
            lambda: log.log(work, stranger, artifact_id, "nowhere", "", 0, 10),
            lambda: settle(world.open, world.sources, world.snapshots, stranger, elsewhere),
            lambda: blame.blame(work, stranger, artifact_id, "", "", 0, 10),
            lambda: differing.compare(work, stranger, differing.Wanted(artifact_id)),
            lambda: naming.list_branches(work, stranger, artifact_id, "", 10),
            lambda: naming.list_tags(work, stranger, artifact_id, "", 10),
            lambda: naming.create_tag(work, stranger, artifact_id, "x", "", "", utc_now()),
            lambda: merging.merge(work, stranger, merging.Wanted(artifact_id, "main"), utc_now()),
        ):
            with pytest.raises(LaceError) as refused:
                await hidden()
            assert refused.value.reason is Reason.ARTIFACT_NOT_FOUND
    seen = replace(stranger, labels=frozenset({"secret"}))
    async with world.open(world.tenant_id) as work:
        assert (await log.log(work, seen, artifact_id, "", "", 0, 10)).entries


async def test_another_s_names_are_not_anybody_s_to_delete(world: World, drafted: str) -> None:
    artifact_id = drafted
    await _branch(world, artifact_id)
    node = (await _sections(world, artifact_id))[0]
    await _patch(world, artifact_id, SetSummary(key="s", node_id=node.node_id, summary="Short."), branch="draft")
    other = replace(world.caller(), principal_id="prn_other")
    async with world.open(world.tenant_id) as work:
        await naming.create_tag(work, world.caller(), artifact_id, "kept", "", "", utc_now())
        for asked in (
            lambda: naming.delete_branch(work, other, artifact_id, "draft", True, utc_now()),
            lambda: naming.delete_tag(work, other, artifact_id, "kept", utc_now()),
        ):
            with pytest.raises(LaceError) as refused:
                await asked()
            assert refused.value.reason is Reason.PERMISSION_DENIED
        admin = replace(other, roles=frozenset({"tenant_admin"}))
        await naming.delete_tag(work, admin, artifact_id, "kept", utc_now())
        await work.commit()
    for action in ("artifact.branch", "artifact.tag", "artifact.tag.delete"):
        assert await _audited(world, artifact_id, action) == 1


async def test_more_differences_than_a_page_can_be_made_of(world: World, drafted: str) -> None:
    async with world.open(world.tenant_id) as work:
        whole = await differing.compare(work, world.caller(), differing.Wanted(drafted))
        assert len(whole.differences) == 4  # two blocks, and the sentence of each
        with pytest.raises(LaceError) as refused:
            wanted = differing.Wanted(drafted)
            await differing.compare(work, world.caller(), wanted, most=len(whole.differences) - 1)
    assert refused.value.reason is Reason.DIFF_LIMIT_EXCEEDED


async def test_histories_that_have_nothing_in_common(world: World, drafted: str) -> None:
    await _branch(world, drafted)
    await world.sql(
        "UPDATE runs.artifact_revisions SET parent_revision_id = NULL WHERE artifact_id = :artifact_id",
        artifact_id=drafted,
    )
    node = (await _sections(world, drafted))[0]
    await _patch(world, drafted, SetSummary(key="s", node_id=node.node_id, summary="Short."))
    await world.sql(
        "UPDATE runs.artifact_revisions SET parent_revision_id = NULL WHERE artifact_id = :artifact_id",
        artifact_id=drafted,
    )
    with pytest.raises(LaceError) as refused:
        await _merge(world, drafted)
    assert refused.value.reason is Reason.HISTORIES_UNRELATED


async def test_an_action_is_applied_once_on_each_line_and_on_what_they_become(world: World, drafted: str) -> None:
    await _branch(world, drafted)
    node = (await _sections(world, drafted))[0]
    said = InsertBlock(key="said", node_id=node.node_id, block=_own("Said once."))
    await _patch(world, drafted, said, branch="draft")
    await _merge(world, drafted)
    before = len((await _blame(world, drafted)).lines)
    await _patch(world, drafted, said)
    assert len((await _blame(world, drafted)).lines) == before


async def test_a_branch_that_goes_while_it_is_merged_is_not_there(world: World, drafted: str) -> None:
    await _branch(world, drafted)
    async with world.open(world.tenant_id) as work:
        await naming.delete_branch(work, world.caller(), drafted, "draft", False, utc_now())
        await work.commit()
    for wanted, reason in (({}, Reason.REF_NOT_FOUND), ({"theirs": "main", "ours": "draft"}, Reason.BRANCH_NOT_FOUND)):
        with pytest.raises(LaceError) as refused:
            await _merge(world, drafted, **wanted)
        assert refused.value.reason is reason
