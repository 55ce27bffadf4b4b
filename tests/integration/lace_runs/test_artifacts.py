"""Documents changed by people: the same rules as for a model, and nobody's change lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core.actions import Action, InsertBlock, RemoveBlock, ReplaceBlock, UpdateNode
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact, Evidence, Node, Paragraph, Sentence
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.domain.runs import Run, RunState
from tests.doubles.runs_world import SOURCE, TEXTS, World

COST = TEXTS["Cost"]


@pytest.fixture
async def written(world: World) -> Run:
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    return done


async def _patch(world: World, artifact_id: str, *actions: Action, **more: Any) -> tuple[artifacts.Shown, Any]:
    asked = artifacts.Patch(artifact_id, actions, **more)
    async with world.open(world.tenant_id) as work:
        shown, changes = await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()
    return shown, changes


async def _document(world: World, artifact_id: str) -> tuple[str, Artifact]:
    async with world.open(world.tenant_id) as work:
        shown = await artifacts.show(work, world.tenant_id, artifact_id)
    assert shown.revision is not None
    return shown.revision.revision_id, shown.document


def _section(document: Artifact, title: str) -> Node:
    return next(node for node in document.nodes if node.title == title)


def _evidence(start: int, end: int) -> Evidence:
    quote = COST[start:end]
    return Evidence(
        evidence_id=f"evd_{start}_{end}", source_id=SOURCE.source_id, source_version=SOURCE.version,
        unit_id="unt_cost", extraction="test.1", start=start, end=end, quote=quote,
        quote_hash=sha256_hex(quote.encode()),
    )  # fmt: skip


def _cited(text: str, evidence: Evidence) -> Paragraph:
    return Paragraph(
        block_id="", sentences=(Sentence(sentence_id="", text=text, evidence_ids=(evidence.evidence_id,)),)
    )


async def test_a_supported_change_makes_a_revision_and_keeps_the_old_one(world: World, written: Run) -> None:
    before, document = await _document(world, written.artifact_id)
    evidence = _evidence(0, COST.index(". ") + 1)
    node = _section(document, "Safety")
    block = _cited("In 2021 the bridge cost 4.2 million pounds.", evidence)
    shown, changes = await _patch(
        world, written.artifact_id, InsertBlock(key="k", node_id=node.node_id, block=block, evidence=(evidence,))
    )
    assert [change.change for change in changes] == ["added"]
    assert shown.record.head_revision_id != before
    async with world.open(world.tenant_id) as work:
        old = await artifacts.show(work, world.tenant_id, written.artifact_id, before)
    assert old.document == document


@pytest.mark.parametrize(
    ("text", "span", "code"),
    [
        ("The bridge cost 4.3 million pounds in 2021.", (0, COST.index(". ") + 1), "SENTENCE_CONTRADICTED"),
        ("The bridge cost 4.2 million pounds.", (0, COST.index(" in 2021")), "QUOTE_CUT"),
    ],
)
async def test_what_the_sources_do_not_say_is_refused(
    world: World, written: Run, text: str, span: tuple[int, int], code: str
) -> None:
    head, document = await _document(world, written.artifact_id)
    evidence = _evidence(*span)
    action = InsertBlock(key="k", node_id=document.root.node_id, block=_cited(text, evidence), evidence=(evidence,))
    with pytest.raises(LaceError) as refused:
        await _patch(world, written.artifact_id, action)
    assert refused.value.reason is Reason.IR_INVALID
    assert any(code in detail.description for detail in refused.value.details)
    assert (await _document(world, written.artifact_id))[0] == head


async def test_a_quote_that_is_not_there_and_an_uncited_sentence_are_refused(world: World, written: Run) -> None:
    _, document = await _document(world, written.artifact_id)
    real = _evidence(0, COST.index(". ") + 1)
    forged = msgspec.structs.replace(real, quote="x" * len(real.quote), quote_hash=sha256_hex(b"x" * len(real.quote)))
    for block, evidence in (
        (_cited("x" * len(real.quote), forged), (forged,)),
        (Paragraph(block_id="", sentences=(Sentence(sentence_id="", text="The sky is blue."),)), ()),
    ):
        action = InsertBlock(key="k", node_id=document.root.node_id, block=block, evidence=evidence)
        with pytest.raises(LaceError) as refused:
            await _patch(world, written.artifact_id, action)
        assert refused.value.reason is Reason.IR_INVALID


async def test_of_two_who_read_the_same_state_the_second_is_told(world: World, written: Run) -> None:
    head, document = await _document(world, written.artifact_id)
    first = UpdateNode(key="1", node_id=document.root.node_id, title="A bridge")
    await _patch(world, written.artifact_id, first, etag=head)
    with pytest.raises(LaceError) as stale:
        await _patch(world, written.artifact_id, first, etag=head)
    assert stale.value.reason is Reason.ETAG_MISMATCH
    with pytest.raises(LaceError) as moved:
        await _patch(world, written.artifact_id, first, base_revision_id=head)
    assert moved.value.reason is Reason.REVISION_CONFLICT


async def test_an_action_that_does_not_fit_is_named_and_changes_nothing(world: World, written: Run) -> None:
    head, document = await _document(world, written.artifact_id)
    block = document.root.blocks[0]
    good = RemoveBlock(key="1", block_id=block.block_id)
    with pytest.raises(LaceError) as refused:
        await _patch(world, written.artifact_id, good, ReplaceBlock(key="2", block_id="blk_none", block=block))
    assert refused.value.reason is Reason.PROPOSAL_REJECTED
    assert refused.value.details[0].field == "/actions/1/block_id"
    assert (await _document(world, written.artifact_id))[0] == head


async def test_nothing_uncommitted_is_shown(world: World) -> None:
    async with world.open(world.tenant_id) as work:
        made = await artifacts.create(work, world.caller("key"), "New", "en", utc_now())
        await work.commit()
        artifact_id = made.record.artifact_id
    async with world.open(world.tenant_id) as work:
        shown = await artifacts.show(work, world.tenant_id, artifact_id)
        assert (shown.revision, shown.document.nodes) == (None, ())
        with pytest.raises(LaceError) as unknown:
            await artifacts.show(work, world.tenant_id, artifact_id, "rev_none")
    assert unknown.value.reason is Reason.REVISION_NOT_FOUND
