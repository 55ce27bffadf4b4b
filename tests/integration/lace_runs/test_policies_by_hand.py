"""A policy holds people as it holds models: whatever way text comes into a document."""

from __future__ import annotations

from typing import Any

import pytest

from lace_core.actions import Action, InsertBlock, InsertNode, UpdateNode
from lace_core.errors import LaceError, Reason
from lace_core.ir import Paragraph, Sentence
from lace_core.merging import Resolution
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.app.history import merging, naming
from lace_runs.app.policies import activating, keeping
from lace_runs.app.reviews import deciding
from lace_runs.domain.reviews import Wanted
from tests.doubles.runs_world import World
from tests.integration.lace_runs.test_policies import under_policy

HOUSE = "policy: house\nversion: 1\nconstraints: {forbidden_phrases: [on budget, cost the town]}\n"


async def _hold(world: World) -> None:
    async with world.open(world.tenant_id) as work:
        now = utc_now()
        await keeping.keep(work, world.caller("keep"), HOUSE, now)
        await activating.activate(work, world.caller("hold"), "house@1", None, "", now)
        await work.commit()


async def _create(world: World, title: str) -> str:
    async with world.open(world.tenant_id) as work:
        record = (await artifacts.create(work, world.caller(title), title, "en", utc_now())).record
        await work.commit()
    return record.artifact_id


async def _patch(world: World, artifact_id: str, *actions: Action, **more: Any) -> artifacts.Shown:
    asked = artifacts.Patch(artifact_id, actions, **more)
    async with world.open(world.tenant_id) as work:
        shown, _ = await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()
    return shown


def _own(text: str) -> Paragraph:
    return Paragraph(block_id="", sentences=(Sentence(sentence_id="", text=text),))


async def test_a_persons_words_are_refused_by_code_and_phrase(world: World) -> None:
    artifact_id = await _create(world, "The bridge")
    shown = await _patch(world, artifact_id, InsertNode(key="root", parent_id=None, title="The bridge"))
    root = shown.document.root.node_id
    before = await _patch(world, artifact_id, InsertBlock(key="a", node_id=root, block=_own("It was on budget.")))
    await _hold(world)
    for refused, pointer in (
        (InsertBlock(key="b", node_id=root, block=_own("Finished ON  Budget.")), "/actions/0/block/sentences/0/text"),
        (InsertNode(key="c", parent_id=root, title="On budget"), "/actions/0/title"),
        (UpdateNode(key="d", node_id=root, title="The bridge, on budget"), f"/nodes/{root}/title"),
    ):
        with pytest.raises(LaceError, match="on budget") as told:
            await _patch(world, artifact_id, refused)
        assert told.value.reason is Reason.IR_INVALID
        (detail,) = told.value.details
        assert pointer in detail.field
        assert detail.description.startswith("PHRASE_FORBIDDEN: “")
        assert detail.description.endswith("”: 'on budget' may not occur; use other words (house@1).")
    with pytest.raises(LaceError, match="PHRASE_FORBIDDEN") as told:
        await _create(world, "On budget")
    assert told.value.reason is Reason.POLICY_FORBIDS
    # What was written before the policy held stays, and keeps nobody from changing something else.
    after = await _patch(world, artifact_id, InsertBlock(key="e", node_id=root, block=_own("It took two years.")))
    assert after.document.root.blocks[0] == before.document.root.blocks[0]
    assert len(after.document.root.blocks) == 2


async def test_what_stood_on_a_branch_is_merged_and_what_a_resolution_words_is_refused(world: World) -> None:
    artifact_id = await _create(world, "The bridge")
    shown = await _patch(world, artifact_id, InsertNode(key="root", parent_id=None, title="The bridge"))
    root = shown.document.root.node_id
    async with world.open(world.tenant_id) as work:
        await naming.create_branch(work, world.caller(), artifact_id, "draft", "", utc_now())
        await work.commit()
    await _patch(
        world, artifact_id, InsertBlock(key="a", node_id=root, block=_own("It was on budget.")), branch="draft"
    )
    for at, branch in enumerate(("draft", "")):
        await _patch(world, artifact_id, UpdateNode(key=f"t{at}", node_id=root, title=f"Bridge {at}"), branch=branch)
    await _hold(world)

    async def merge(title: str) -> merging.Outcome:
        async with world.open(world.tenant_id) as work:
            found = await merging.merge(work, world.caller(title), merging.Wanted(artifact_id, "draft"), utc_now())
            chosen = {c.conflict_id: Resolution(choice="value", value=title) for c in found.conflicts}
            wanted = merging.Wanted(artifact_id, "draft", resolutions=chosen)
            found = await merging.merge(work, world.caller(title), wanted, utc_now())
            await work.commit()
        return found

    with pytest.raises(LaceError, match="may not occur"):
        await merge("A bridge on budget")
    assert (await merge("A bridge")).outcome == merging.MERGED


@pytest.mark.slow
async def test_nobody_accepts_what_the_policy_forbids(world: World) -> None:
    world.model.lie = "The bridge cost the town 4.2 million pounds in 2021."
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        await world.until(run.run_id, "succeeded", "failed")
    await _hold(world)
    async with world.open(world.tenant_id) as work:
        items = await work.reviews.page(world.tenant_id, Wanted(labels=frozenset()), None, 50)
        asked = deciding.Asked(review_item_id=items[0].review_item_id, reason="Seen.")
        with pytest.raises(LaceError, match="'cost the town' may not occur") as told:
            await deciding.accept(work, world.sources, world.caller(), asked, utc_now())
    assert told.value.reason is Reason.IR_INVALID


@pytest.mark.slow
async def test_headings_of_a_run_lose_the_phrase_and_the_run_says_so(world: World) -> None:
    settings = under_policy("policy: house\nversion: 1\nconstraints: {forbidden_phrases: [safe]}\n")
    run = await world.start("generate", {**settings, "compile.targets": []}, title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.error_message == ""
    warnings = [warning["message"] for warning in done.warnings if warning["code"] == "PHRASE_FORBIDDEN"]
    assert warnings == ["The heading 'Safety' was left out with its section: it holds a phrase that may not occur."]
    assert done.result is not None
    assert done.result["sentences"]


async def test_an_outlined_heading_that_is_forbidden_stops_the_run_before_it_writes(world: World) -> None:
    artifact_id = await _create(world, "The bridge")
    shown = await _patch(world, artifact_id, InsertNode(key="root", parent_id=None, title="The bridge"))
    root = shown.document.root.node_id
    await _patch(world, artifact_id, InsertNode(key="a", parent_id=root, title="On budget"))
    settings = {**under_policy(HOUSE), "compile.targets": []}
    run = await world.start("generate", settings, title="The bridge", artifact_id=artifact_id)
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.error_code == "POLICY_FORBIDS"
    assert "rename them" in done.error_message
