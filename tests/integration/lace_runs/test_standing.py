"""No revision holds text that has no right to stand, whoever stages it; what was found stays with the revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from lace_core import contracts
from lace_core.actions import InsertBlock, UpdateNode
from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact, Evidence, Paragraph, Sentence, cited_parts
from lace_core.merkle import content_hash, ir_hash
from lace_core.verification.verdicts import Acceptance
from lace_core.writing import SentenceVerdict
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.domain.artifacts import Revision, Staging
from lace_runs.domain.runs import Run, RunState
from lace_runs.domain.verdicts import WantedVerdicts
from tests.doubles.runs_world import TEXTS, RuleModel, World

LIE = "The bridge cost 9.9 million pounds in 2021."
OPEN = "The bridge was priced at 4.2 million pounds in 2021."


@pytest.fixture
async def written(world: World) -> Run:
    world.model = RuleModel(lie=LIE)
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    return done


@dataclass
class DoubtfulModel(RuleModel):
    """A model whose judge speaks of sentences that nobody asked about, or gives an answer that breaks its contract."""

    breaks: bool = False

    def answer(self, contract: contracts.Contract, asked: msgspec.Struct) -> str:
        if contract is contracts.JUDGE and self.breaks:
            return "It is all true, I think."
        return super().answer(contract, asked)

    def judge(self, asked: contracts.JudgeInput) -> contracts.Judgement:
        strange = contracts.JudgeVerdict(sentence_id="sen_strange", verdict="supported", reason="of course")
        return contracts.Judgement(verdicts=(strange,))


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize(("abstentions", "state"), [("keep", True), ("review", False)])
async def test_a_judge_that_answers_nonsense_abstains(
    world: World, breaks: bool, abstentions: str, state: bool
) -> None:
    world.model = DoubtfulModel(breaks=breaks)
    settings = {"runs.judge": True, "runs.abstentions": abstentions}
    run = await world.start("generate", title="The bridge", settings=settings)
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED
    found = await _verdicts(world, run.artifact_id)
    assert {row["in_document"] for row in found} == {state}
    assert {row["verdict"] for row in found} == {"supported" if state else "partially"}
    judges = [layer for row in found for layer in row["layers"] if layer["layer"] == "judge"]
    assert {layer["verdict"] for layer in judges} == {"abstained"}
    assert all(layer["call_id"] for layer in judges)
    assert ("JUDGE_ABSTAINED" in {warning["code"] for warning in done.warnings}) == breaks


async def _head(world: World, artifact_id: str) -> tuple[Revision, Artifact]:
    async with world.open(world.tenant_id) as work:
        shown = await artifacts.show(work, world.tenant_id, artifact_id)
    assert shown.revision is not None
    return shown.revision, shown.document


async def _verdicts(world: World, artifact_id: str, **wanted: Any) -> list[Mapping[str, Any]]:
    async with world.open(world.tenant_id) as work:
        asked = WantedVerdicts(artifact_id, **wanted)
        return [row for _, row in await artifacts.list_verdicts(work, world.tenant_id, asked, 0, 100)]


async def test_what_was_kept_out_is_for_who_may_read_what_the_run_read(world: World, written: Run) -> None:
    """A sentence that a model made of a source which the document does not cite: only the run says what it read."""
    artifact_id = written.artifact_id
    held = {"held": ("board",)}
    for reader in ({}, held):
        assert LIE in {row["text"] for row in await _verdicts(world, artifact_id, **reader)}
    await world.sql(
        "UPDATE runs.runs SET labels = CAST(:labels AS jsonb) WHERE run_id = :run_id",
        labels='["board", "secret"]',
        run_id=written.run_id,
    )
    seen = await _verdicts(world, artifact_id, **held)
    assert seen
    assert all(row["in_document"] for row in seen)
    assert LIE in {row["text"] for row in await _verdicts(world, artifact_id, held=("board", "secret"))}


def _with(document: Artifact, text: str) -> tuple[Artifact, Evidence]:
    """The document with one more sentence over the first piece of evidence that speaks of the cost."""
    at = next(i for i, n in enumerate(document.nodes) for e in n.evidence if "4.2 million" in e.quote)
    node = document.nodes[at]
    cited = next(e for e in node.evidence if "4.2 million" in e.quote)
    sentence = Sentence(sentence_id="sen_new", text=text, evidence_ids=(cited.evidence_id,))
    grown = msgspec.structs.replace(node, blocks=(*node.blocks, Paragraph(block_id="blk_new", sentences=(sentence,))))
    return msgspec.structs.replace(document, nodes=(*document.nodes[:at], grown, *document.nodes[at + 1 :])), cited


def _staging(head: Revision, document: Artifact, run_id: str, *said: SentenceVerdict) -> Staging:
    node_id = next(n.node_id for n in document.nodes for b in n.blocks if b.block_id == "blk_new")
    revision = replace(
        head, revision_id="rev_round", parent_revision_id=head.revision_id, status="staged", run_id=run_id,
        ir_hash=ir_hash(document), content_hash=content_hash(document),
    )  # fmt: skip
    verdicts = tuple((node_id, own) for own in said)
    return Staging(revision=revision, document=document, changes=(), verdicts=verdicts, verdicts_of=head.revision_id)


def _said(text: str, acceptance: Acceptance | None = None) -> SentenceVerdict:
    return SentenceVerdict(
        sentence_id="sen_said", text=text, fact_ids=("F1",), verdict="supported" if acceptance is None else "partially",
        reasons=("quote: verbatim",), acceptance=acceptance,
    )  # fmt: skip


@pytest.mark.parametrize("run_id", ["", "run_of_somebody"])
@pytest.mark.parametrize("text", [LIE, OPEN])
async def test_a_caller_that_goes_round_the_pipeline_is_refused(
    world: World, written: Run, run_id: str, text: str
) -> None:
    head, document = await _head(world, written.artifact_id)
    forged, _ = _with(document, text)
    with pytest.raises(LaceError) as refused:
        async with world.open(world.tenant_id) as work:
            await work.artifacts.stage(world.tenant_id, _staging(head, forged, run_id, _said(text)))
            await work.commit()
    assert refused.value.reason is Reason.UNVERIFIED_CONTENT
    assert [detail.field.rpartition("/")[2] for detail in refused.value.details] == ["sen_new"]
    async with world.open(world.tenant_id) as work:
        with pytest.raises(LaceError) as unknown:
            await work.artifacts.revision(world.tenant_id, written.artifact_id, "rev_round")
    assert unknown.value.reason is Reason.REVISION_NOT_FOUND


async def test_what_a_person_accepted_stands_and_says_by_whom(world: World, written: Run) -> None:
    head, document = await _head(world, written.artifact_id)
    grown, _ = _with(document, OPEN)
    accepted = Acceptance(accepted_by="usr_1", accepted_at="2026-01-02T03:04:05+00:00", reason="Checked by hand.")
    staging = _staging(head, grown, "", _said(OPEN, accepted))
    async with world.open(world.tenant_id) as work:
        await work.artifacts.stage(world.tenant_id, staging)
        await work.artifacts.mark_validated(world.tenant_id, written.artifact_id, "rev_round")
        await work.artifacts.commit(world.tenant_id, written.artifact_id, "rev_round", grown.title)
        await work.commit()
    (own,) = [row for row in await _verdicts(world, written.artifact_id) if row["sentence_id"] == "sen_new"]
    assert (own["standing"], own["verdict"], own["in_document"]) == ("accepted", "partially", True)
    assert own["acceptance"]["accepted_by"] == "usr_1"


async def test_every_piece_of_a_revision_has_its_verdict_and_what_was_kept_out_is_told(
    world: World, written: Run
) -> None:
    head, document = await _head(world, written.artifact_id)
    parts = {part.part_id for node in document.nodes for block in node.blocks for part in cited_parts(block)}
    inside = await _verdicts(world, written.artifact_id, in_document=True)
    assert {row["sentence_id"] for row in inside} == parts
    assert {row["standing"] for row in inside} == {"verified"}
    assert all(row["layers"] for row in inside)
    outside = await _verdicts(world, written.artifact_id, in_document=False, verdict="contradicted")
    assert {row["text"] for row in outside} == {LIE}
    assert {layer["layer"]: layer["verdict"] for layer in outside[0]["layers"]}["numbers"] == "contradicted"
    assert await _verdicts(world, written.artifact_id, verdict="partially") == []
    node = outside[0]["node_id"]
    assert {row["node_id"] for row in await _verdicts(world, written.artifact_id, node_id=node)} == {node}
    assert await _verdicts(world, written.artifact_id, revision_id=head.revision_id) == await _verdicts(
        world, written.artifact_id
    )
    with pytest.raises(LaceError):
        await _verdicts(world, written.artifact_id, revision_id="rev_none")


async def test_a_change_by_a_person_keeps_and_adds_verdicts(world: World, written: Run) -> None:
    head, document = await _head(world, written.artifact_id)
    before = await _verdicts(world, written.artifact_id)
    cited = next(e for n in document.nodes for e in n.evidence if e.quote in TEXTS["Cost"] and "4.2" in e.quote)
    sentence = Sentence(
        sentence_id="", text="In 2021 the bridge cost 4.2 million pounds.", evidence_ids=(cited.evidence_id,)
    )
    block = Paragraph(block_id="", sentences=(sentence,))
    action = InsertBlock(key="k", node_id=document.root.node_id, block=block, evidence=(cited,))
    async with world.open(world.tenant_id) as work:
        asked = artifacts.Patch(written.artifact_id, (action,))
        await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()
    after = await _verdicts(world, written.artifact_id)
    assert {row["text"] for row in after} - {row["text"] for row in before} == {sentence.text}
    assert {row["text"] for row in before} <= {row["text"] for row in after}
    (own,) = [row for row in after if row["text"] == sentence.text]
    assert (own["standing"], own["run_id"], own["verdict"]) == ("verified", "", "supported")
    assert await _verdicts(world, written.artifact_id, revision_id=head.revision_id) == before


async def test_what_stood_before_verdicts_named_their_grounds_stands(world: World, written: Run) -> None:
    _, document = await _head(world, written.artifact_id)
    async with world.system.transaction() as tx:
        await tx.execute(
            "UPDATE runs.verdicts SET grounds = '', layers = '[]', standing = '' WHERE artifact_id = :a",
            {"a": written.artifact_id},
        )
        await tx.commit()
    async with world.open(world.tenant_id) as work:
        action = UpdateNode(key="k", node_id=document.root.node_id, title="Renamed")
        asked = artifacts.Patch(written.artifact_id, (action,))
        await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()
    inside = await _verdicts(world, written.artifact_id, in_document=True)
    assert {row["standing"] for row in inside} == {"verified"}
    assert {row["text"] for row in inside} == {
        part.text for node in document.nodes for block in node.blocks for part in cited_parts(block)
    }
