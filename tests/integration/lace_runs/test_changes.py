"""Changing a written document within a scope: what each way does, what it leaves, and who is told of what is lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core import contracts
from lace_core.actions import InsertBlock, SetNodeState
from lace_core.ir import Artifact, Node, NodeState, Paragraph, Sentence, cited_parts
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.domain.runs import Run, RunState
from lace_runs.domain.verdicts import WantedVerdicts
from tests.doubles.runs_world import SOURCE, RuleModel, World

MORE = {
    "Cost": "The bridge cost 4.2 million pounds in 2021. The loan runs for twenty years.",
    "Safety": "Divers looked at the piers in June 2022. The piers stand on rock.",
}


@pytest.fixture
async def written(world: World) -> Run:
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED, done.error_message
    return done


async def _head(world: World, artifact_id: str) -> tuple[str, Artifact]:
    async with world.open(world.tenant_id) as work:
        shown = await artifacts.show(work, world.tenant_id, artifact_id)
    assert shown.revision is not None
    return shown.revision.revision_id, shown.document


async def _change(world: World, pipeline_id: str, written: Run, **more: Any) -> tuple[Run, Artifact]:
    run = await world.start(pipeline_id, artifact_id=written.artifact_id, **more)
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    return done, (await _head(world, written.artifact_id))[1]


def _section(document: Artifact, title: str) -> Node:
    return next(node for node in document.nodes if node.title == title)


def _texts(node: Node) -> list[str]:
    return [part.text for block in node.blocks for part in cited_parts(block)]


def _codes(run: Run) -> set[str]:
    return {warning["code"] for warning in run.warnings}


def _untouched(before: Artifact, after: Artifact, *titles: str) -> bool:
    return all(
        msgspec.json.encode(_section(after, title)) == msgspec.json.encode(_section(before, title)) for title in titles
    )


async def test_what_was_cited_of_an_earlier_reading_stays_good(world: World, written: Run) -> None:
    _, before = await _head(world, written.artifact_id)
    world.sources.read_again("test.2")
    world.sources.add("more", MORE)
    done, after = await _change(world, "expand", written, node_id=_section(before, "Cost").node_id, scope="node")
    assert done.state is RunState.SUCCEEDED, done.error_message
    cited = {evidence.extraction for node in after.nodes for evidence in node.evidence}
    assert "test.1" in cited
    assert _untouched(before, after, "Safety")


async def test_expand_adds_what_is_not_cited_yet_and_changes_nothing_else(world: World, written: Run) -> None:
    _, before = await _head(world, written.artifact_id)
    world.sources.add("more", MORE)
    cost = _section(before, "Cost").node_id
    done, after = await _change(world, "expand", written, node_id=cost, scope="node")
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert _untouched(before, after, "The bridge", "Safety")
    assert after.node(cost).blocks[:1] == before.node(cost).blocks
    assert "The loan runs for twenty years." in _texts(after.node(cost))
    assert done.result is not None
    assert done.result["revision_id"] != written.revision_id
    assert done.result["dropped_citations"] == 0


async def test_enrich_adds_evidence_and_what_newer_sources_say(world: World, written: Run) -> None:
    _, before = await _head(world, written.artifact_id)
    world.sources.add("more", MORE)
    done, after = await _change(world, "enrich", written, node_id=_section(before, "Cost").node_id)
    assert done.state is RunState.SUCCEEDED, done.error_message
    old, new = _section(before, "Cost"), _section(after, "Cost")
    assert _texts(new)[: len(_texts(old))] == _texts(old)
    parts = {part.part_id: part for block in new.blocks for part in cited_parts(block)}
    for block in old.blocks:
        for part in cited_parts(block):
            assert set(part.evidence_ids) <= set(parts[part.part_id].evidence_ids)
    first = next(iter(cited_parts(new.blocks[0])))
    assert len(first.evidence_ids) == 2, "the same statement in another source is further evidence"
    assert "CITATIONS_KEPT_OUT" in _codes(done), "a fact that does not state the sentence is no evidence for it"
    assert {e.source_id for e in new.evidence} == {"src_bridge", "src_more"}
    assert _untouched(before, after, "The bridge", "Safety")


async def test_regenerate_writes_anew_within_its_scope_and_tells_what_is_gone(world: World, written: Run) -> None:
    _, before = await _head(world, written.artifact_id)

    class Shorter(RuleModel):
        def write(self, asked: Any) -> contracts.Written:
            first = contracts.WrittenParagraph(sentences=tuple(self.sentences(asked.facts[:1])))
            return contracts.Written(blocks=(first,), summary=asked.section.title)

    world.model = Shorter()
    cost = _section(before, "Cost")
    done, after = await _change(world, "regenerate", written, node_id=cost.node_id)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert _untouched(before, after, "The bridge", "Safety")
    assert _texts(_section(after, "Cost")) == _texts(cost)[:1]
    assert "CITATIONS_DROPPED" in _codes(done)
    assert done.result is not None
    assert [item["quote"] for item in done.result["dropped"]] == _texts(cost)[1:]
    async with world.open(world.tenant_id) as work:
        verdicts = await work.artifacts.verdicts(world.tenant_id, WantedVerdicts(written.artifact_id), 0, 100)
    by_node = {row["node_id"] for _, row in verdicts}
    assert _section(after, "Safety").node_id in by_node, "what was found of untouched sections still holds"


async def test_what_is_gone_is_quoted_of_open_sources_only(world: World) -> None:
    """A run's result is shown to the whole tenant, whoever holds the labels of what was quoted."""
    world.sources.known[SOURCE.source_id] = msgspec.structs.replace(SOURCE, labels=("secret",))
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        written = await world.until(run.run_id, "succeeded", "failed")
    done, _ = await _change(world, "patch", written, instructions="girders", scope="subtree")
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert done.result is not None
    assert {item["source_id"] for item in done.result["dropped"]} == {SOURCE.source_id}
    assert {item["quote"] for item in done.result["dropped"]} == {""}


async def test_regenerate_that_finds_the_same_changes_nothing(world: World, written: Run) -> None:
    head, before = await _head(world, written.artifact_id)
    done, after = await _change(world, "regenerate", written)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert "NOTHING_CHANGED" in _codes(done)
    assert (await _head(world, written.artifact_id))[0] == head == done.revision_id
    assert after == before


async def test_patch_does_what_is_asked_and_keeps_the_rest(world: World, written: Run) -> None:
    _, before = await _head(world, written.artifact_id)
    done, after = await _change(world, "patch", written, instructions="girders", scope="subtree")
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert _texts(_section(after, "Safety")) == []
    assert _untouched(before, after, "Cost")
    assert done.result is not None
    assert done.result["dropped_citations"] == len(done.result["dropped"]) > 0


async def test_a_patch_that_reaches_beyond_its_section_is_rejected(world: World, written: Run) -> None:
    head, before = await _head(world, written.artifact_id)
    foreign = _section(before, "Safety").blocks[0].block_id

    class Reaching(RuleModel):
        def patch(self, asked: contracts.PatchInput) -> contracts.Patched:
            return contracts.Patched(edits=(contracts.RemovedBlock(block_id=foreign),))

    world.model = Reaching()
    cost = _section(before, "Cost").node_id
    done, _ = await _change(world, "patch", written, instructions="shorten", node_id=cost)
    assert (done.state, done.error_code) == (RunState.FAILED, "PROPOSAL_REJECTED")
    assert foreign in done.error_message
    assert (await _head(world, written.artifact_id))[0] == head


async def test_a_replacement_that_is_not_supported_leaves_the_old_block(world: World, written: Run) -> None:
    head, before = await _head(world, written.artifact_id)

    class Lying(RuleModel):
        def patch(self, asked: contracts.PatchInput) -> contracts.Patched:
            lie = contracts.WrittenSentence(text="It cost 9.9 million pounds.", fact_ids=(asked.facts[0].fact_id,))
            block = contracts.WrittenParagraph(sentences=(lie,))
            current = asked.blocks[0].block_id
            return contracts.Patched(edits=(contracts.ReplacedBlock(block_id=current, block=block),))

    world.model = Lying()
    cost = _section(before, "Cost").node_id
    done, after = await _change(world, "patch", written, instructions="say more", node_id=cost)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert {"EDITS_KEPT_OUT", "NOTHING_CHANGED", "SENTENCES_KEPT_OUT"} <= _codes(done)
    assert after == before
    assert done.revision_id == head


async def test_a_base_that_was_left_behind(world: World, written: Run) -> None:
    """Changes elsewhere do not matter; a change of what is in scope does."""
    base, before = await _head(world, written.artifact_id)
    world.sources.add("more", MORE)
    cost, safety = _section(before, "Cost"), _section(before, "Safety")
    evidence = safety.evidence[0]
    added = InsertBlock(
        key="k",
        node_id=safety.node_id,
        block=Paragraph(
            block_id="",
            sentences=(Sentence(sentence_id="", text=evidence.quote, evidence_ids=(evidence.evidence_id,)),),
        ),
    )
    async with world.open(world.tenant_id) as work:
        await artifacts.patch(
            work, world.sources, world.caller(), artifacts.Patch(written.artifact_id, (added,)), utc_now()
        )
        await work.commit()
    done, after = await _change(world, "expand", written, node_id=cost.node_id, revision_id=base)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert len(_section(after, "Safety").blocks) == len(safety.blocks) + 1
    refused, _ = await _change(world, "expand", written, node_id=safety.node_id, revision_id=base)
    assert (refused.state, refused.error_code) == (RunState.FAILED, "REVISION_CONFLICT")


async def test_what_is_final_is_left_alone(world: World, written: Run) -> None:
    _, before = await _head(world, written.artifact_id)
    cost = _section(before, "Cost")
    async with world.open(world.tenant_id) as work:
        final = SetNodeState(key="k", node_id=cost.node_id, state=NodeState.FINAL)
        await artifacts.patch(
            work, world.sources, world.caller(), artifacts.Patch(written.artifact_id, (final,)), utc_now()
        )
        await work.commit()
    refused, _ = await _change(world, "regenerate", written, node_id=cost.node_id)
    assert (refused.state, refused.error_code) == (RunState.FAILED, "PROPOSAL_REJECTED")
    world.sources.add("more", MORE)
    done, after = await _change(world, "expand", written)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert "NODE_FINAL" in _codes(done)
    assert _section(after, "Cost").blocks == cost.blocks
    assert len(_section(after, "Safety").blocks) > len(_section(before, "Safety").blocks)


@pytest.mark.parametrize("pipeline_id", ["regenerate", "expand", "enrich", "patch"])
async def test_nothing_unsupported_lands_whatever_the_way(world: World, written: Run, pipeline_id: str) -> None:
    world.sources.add("more", MORE)
    world.model = RuleModel(lie="The bridge cost 9.9 million pounds in 2021.")
    more = {"instructions": "4.2 million"} if pipeline_id == "patch" else {}
    done, after = await _change(world, pipeline_id, written, **more)
    assert done.state is RunState.SUCCEEDED, done.error_message
    assert world.model.lie not in [text for node in after.nodes for text in _texts(node)]
    quotes = {unit.text for unit in world.sources.units.values()}
    assert all(any(text in quote for quote in quotes) for node in after.nodes for text in _texts(node))


async def test_an_artifact_without_a_revision_cannot_be_changed(world: World) -> None:
    async with world.open(world.tenant_id) as work:
        made = await artifacts.create(work, world.caller("key"), "New", "en", utc_now())
        await work.commit()
    run = await world.start("expand", artifact_id=made.record.artifact_id)
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.error_code == "ARTIFACT_EMPTY"
