"""What could not be decided waits for a person, who decides once, at its place, and on the record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from lace_core.actions import Action, RemoveBlock, RemoveNode, ReplaceBlock, SetNodeState
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact, Evidence, Node, NodeState, Paragraph, Sentence, cited_parts
from lace_core.verification.report import decode
from lace_core.verification.version import RULES_VERSION
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.app.reviews import deciding, reading
from lace_runs.app.reviews.deciding import Asked
from lace_runs.app.verification_report import verification_of
from lace_runs.domain.reviews import ReviewItem, ReviewState, Wanted
from lace_runs.domain.runs import Run, RunState
from lace_runs.domain.verdicts import WantedVerdicts
from tests.doubles.runs_world import SOURCE, TEXTS, World

UNDECIDED = "The bridge cost the town 4.2 million pounds in 2021."
COST = TEXTS["Cost"]
FIRST = COST[: COST.index(". ") + 1]
SECOND = COST[COST.index(". ") + 2 :]


async def _run(world: World, pipeline: str = "generate", **request: Any) -> Run:
    world.model.lie = UNDECIDED
    run = await world.start(pipeline, title="The bridge", **request)
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.state is RunState.SUCCEEDED, done.error_message
    return done


async def _items(world: World, **wanted: Any) -> Sequence[ReviewItem]:
    async with world.open(world.tenant_id) as work:
        return await work.reviews.page(world.tenant_id, Wanted(labels=frozenset(), **wanted), None, 50)


async def _only(world: World, **wanted: Any) -> ReviewItem:
    """The item of the section on the cost; the document's summary says the same, and waits as well."""
    (item,) = [item for item in await _items(world, **wanted) if item.node_title == "Cost"]
    return item


async def _decide(world: World, verb: Callable[..., Awaitable[ReviewItem]], asked: Asked, *, who: str = "") -> Any:
    caller = replace(world.caller(), principal_id=who or "prn_reviewer")
    sources = (world.sources,) if verb in (deciding.accept, deciding.rewrite) else ()
    async with world.open(world.tenant_id) as work:
        item = await verb(work, *sources, caller, asked, utc_now())
        await work.commit()
    return item


async def _document(world: World, artifact_id: str) -> Artifact:
    async with world.open(world.tenant_id) as work:
        return (await artifacts.show(work, world.tenant_id, artifact_id)).document


async def _patch(world: World, artifact_id: str, *actions: Action) -> None:
    asked = artifacts.Patch(artifact_id, actions)
    async with world.open(world.tenant_id) as work:
        await artifacts.patch(work, world.sources, world.caller(), asked, utc_now())
        await work.commit()


def _section(document: Artifact, title: str) -> Node:
    return next(node for node in document.nodes if node.title == title)


def _texts(node: Node) -> list[str]:
    return [part.text for block in node.blocks for part in cited_parts(block)]


async def test_a_run_leaves_what_it_could_not_decide_and_says_how_much(world: World) -> None:
    done = await _run(world)
    item = await _only(world, run_id=done.run_id)
    assert (item.verdict.text, item.verdict.verdict, item.state) == (UNDECIDED, "partially", ReviewState.OPEN)
    assert (item.node_title, item.place.form, item.place.preceding) == ("Cost", "paragraph", (FIRST, SECOND))
    assert [piece.quote for piece in item.evidence] == [FIRST]
    assert done.result is not None
    assert done.result["review_items"] == len(await _items(world)) == 2
    assert UNDECIDED not in _texts(_section(await _document(world, done.artifact_id), "Cost"))


async def test_what_is_accepted_stands_at_its_place_on_the_word_of_who_accepted_it(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    accepted = await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Seen on site."))
    document = await _document(world, done.artifact_id)
    assert _texts(_section(document, "Cost")) == [FIRST, SECOND, UNDECIDED]
    assert (accepted.state, accepted.settled_by) == (ReviewState.ACCEPTED, "prn_reviewer")
    async with world.open(world.tenant_id) as work:
        record = await work.artifacts.get(world.tenant_id, done.artifact_id)
        history = await work.reviews.history(world.tenant_id, item.review_item_id)
    assert record.head_revision_id == accepted.revision_id != done.revision_id
    assert [(event.action, event.reason) for event in history] == [("created", ""), ("accepted", "Seen on site.")]


async def test_of_two_reviewers_at_once_one_wins_and_the_other_is_told(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    told = await asyncio.gather(
        _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes."), who="prn_a"),
        _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes too."), who="prn_b"),
        return_exceptions=True,
    )
    (lost,) = [answer for answer in told if isinstance(answer, BaseException)]
    (won,) = [answer for answer in told if not isinstance(answer, BaseException)]
    assert isinstance(lost, LaceError)
    assert lost.reason is Reason.REVIEW_SETTLED
    assert won.settled_by in lost.message
    assert _texts(_section(await _document(world, done.artifact_id), "Cost")).count(UNDECIDED) == 1


async def test_what_is_rejected_stays_out_and_is_not_decided_again(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    asked = Asked(review_item_id=item.review_item_id, reason="Hearsay.")
    await _decide(world, deciding.reject, asked)
    for verb in (deciding.accept, deciding.reject, deciding.rewrite, deciding.assign):
        with pytest.raises(LaceError) as refused:
            await _decide(world, verb, replace(asked, text=FIRST))
        assert refused.value.reason is Reason.REVIEW_SETTLED
        assert "Hearsay." in refused.value.message
    assert UNDECIDED not in _texts(_section(await _document(world, done.artifact_id), "Cost"))
    assert item.review_item_id not in {waiting.review_item_id for waiting in await _items(world, state="open")}


async def test_a_rewrite_stands_where_its_evidence_supports_it_and_else_says_what_is_wrong(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    wrong = "The bridge cost 4.3 million pounds in 2021."
    asked = Asked(review_item_id=item.review_item_id, reason="Clearer.", text=wrong)
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.rewrite, asked)
    assert refused.value.reason is Reason.REVIEW_NOT_SUPPORTED
    assert any("4.3" in detail.description for detail in refused.value.details)
    assert (await _only(world)).state is ReviewState.OPEN
    better = "In 2021 the bridge cost 4.2 million pounds."
    rewritten = await _decide(world, deciding.rewrite, replace(asked, text=better))
    assert (rewritten.state, rewritten.new_text) == (ReviewState.REWRITTEN, better)
    assert _texts(_section(await _document(world, done.artifact_id), "Cost")) == [FIRST, SECOND, better]


@pytest.mark.slow
async def test_a_rewrite_takes_evidence_of_its_own_that_stands_where_it_says(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    start = COST.index(SECOND)
    own = Evidence(
        evidence_id="evd_own", source_id=SOURCE.source_id, source_version=SOURCE.version, unit_id="unt_cost",
        extraction="test.1", start=start, end=len(COST), quote=SECOND, quote_hash=sha256_hex(SECOND.encode()),
    )  # fmt: skip
    text = "3.0 million pounds of the cost were paid by the council."
    asked = Asked(review_item_id=item.review_item_id, reason="Better.", text=text, evidence=(own,))
    wrong = msgspec.structs.replace(own, start=start - 1, end=len(COST) - 1)
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.rewrite, replace(asked, evidence=(wrong,)))
    assert refused.value.reason is Reason.IR_INVALID
    await _decide(world, deciding.rewrite, asked)
    assert text in _texts(_section(await _document(world, done.artifact_id), "Cost"))


@pytest.mark.slow
async def test_the_etag_names_one_state_of_an_item(world: World) -> None:
    await _run(world)
    item = await _only(world)
    asked = Asked(review_item_id=item.review_item_id, etag=item.etag, assignee="prn_a", reason="x")
    assigned = await _decide(world, deciding.assign, asked)
    assert (assigned.assignee, assigned.state) == ("prn_a", ReviewState.OPEN)
    assert assigned.etag != item.etag
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.reject, asked)
    assert refused.value.reason is Reason.ETAG_MISMATCH
    assert [found.review_item_id for found in await _items(world, assignee="prn_a")] == [item.review_item_id]
    assert not await _items(world, assignee="prn_b")


async def test_a_place_that_a_person_changed_or_took_out_settles_the_question(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    node = _section(await _document(world, done.artifact_id), "Cost")
    (block,) = node.blocks
    assert isinstance(block, Paragraph)
    shorter = Paragraph(block_id="", sentences=block.sentences[:1])
    await _patch(world, done.artifact_id, ReplaceBlock(key="r", block_id=block.block_id, block=shorter))
    settled = await _only(world, artifact_id=done.artifact_id)
    assert (settled.state, settled.settled_by) == (ReviewState.SUPERSEDED, "")
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes."))
    assert refused.value.reason is Reason.REVIEW_SETTLED
    async with world.open(world.tenant_id) as work:
        history = await work.reviews.history(world.tenant_id, item.review_item_id)
    assert [event.action for event in history] == ["created", "superseded"]


async def test_a_section_that_is_taken_out_takes_its_questions_along(world: World) -> None:
    done = await _run(world)
    node = _section(await _document(world, done.artifact_id), "Cost")
    await _patch(world, done.artifact_id, RemoveNode(key="gone", node_id=node.node_id))
    assert (await _only(world)).state is ReviewState.SUPERSEDED


@pytest.mark.slow
async def test_a_place_that_is_gone_by_other_ways_is_told(world: World) -> None:
    await _run(world)
    item = await _only(world)
    gone = "jsonb_set(jsonb_set(place, '{node_id}', '\"nod_gone\"'), '{block_id}', '\"blk_gone\"')"
    await world.sql(f"UPDATE runs.review_items SET place = {gone} WHERE review_item_id = :i", i=item.review_item_id)
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes."))
    assert refused.value.reason is Reason.REVIEW_PLACE_GONE


async def test_a_run_that_writes_the_section_anew_asks_anew(world: World) -> None:
    done = await _run(world)
    first = await _only(world)
    node = _section(await _document(world, done.artifact_id), "Cost")
    again = await _run(world, "regenerate", artifact_id=done.artifact_id, node_id=node.node_id, scope="node")
    waiting = await _only(world, state="open")
    assert waiting.run_id == again.run_id
    async with world.open(world.tenant_id) as work:
        assert (await work.reviews.get(world.tenant_id, first.review_item_id)).state is ReviewState.SUPERSEDED


@pytest.mark.slow
async def test_a_final_section_refuses_until_it_is_reopened(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    node = _section(await _document(world, done.artifact_id), "Cost")
    await _patch(world, done.artifact_id, SetNodeState(key="f", node_id=node.node_id, state=NodeState.FINAL))
    asked = Asked(review_item_id=item.review_item_id, reason="Yes.")
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.accept, asked)
    assert refused.value.reason is Reason.REVIEW_PLACE_FINAL
    await _patch(world, done.artifact_id, SetNodeState(key="o", node_id=node.node_id, state=NodeState.DRAFT))
    assert (await _decide(world, deciding.accept, asked)).state is ReviewState.ACCEPTED


@pytest.mark.slow
async def test_what_no_longer_stands_in_its_source_is_not_accepted(world: World) -> None:
    await _run(world)
    item = await _only(world)
    world.sources.units["unt_cost"] = msgspec.structs.replace(world.sources.units["unt_cost"], text="Nothing is left.")
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes."))
    assert refused.value.reason is Reason.REVIEW_EVIDENCE_GONE
    shown = await reading.show(world.open, world.sources, world.caller(), item.review_item_id)
    assert not any(around.stands for around in shown.surroundings.values())


async def test_what_the_evidence_contradicts_nobody_vouches_for(world: World) -> None:
    await _run(world)
    item = await _only(world)
    refuted = "The bridge cost 4.9 million pounds in 2021."
    touched = await world.sql(
        "UPDATE runs.review_items SET judged = jsonb_set(judged, '{text}', to_jsonb(CAST(:text AS text))) "
        "WHERE review_item_id = :item",
        text=refuted,
        item=item.review_item_id,
    )
    assert touched == 1
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes."))
    assert refused.value.reason is Reason.REVIEW_NOT_ACCEPTABLE


@pytest.mark.slow
async def test_a_run_that_writes_the_document_keeps_reviewers_out(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    async with world.open(world.tenant_id) as work:
        await work.artifacts.lock(world.tenant_id, done.artifact_id, "run_other", 30)
        await work.commit()
    with pytest.raises(LaceError) as refused:
        await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes."))
    assert refused.value.reason is Reason.ARTIFACT_LOCKED
    rejected = await _decide(world, deciding.reject, Asked(review_item_id=item.review_item_id, reason="No."))
    assert rejected.state is ReviewState.REJECTED


@pytest.mark.slow
async def test_labels_hide_items_like_their_documents(world: World) -> None:
    await _run(world)
    item = await _only(world)
    await world.sql(
        "UPDATE runs.review_items SET labels = ARRAY['secret'] WHERE review_item_id = :item", item=item.review_item_id
    )
    assert item.review_item_id not in {found.review_item_id for found in await _items(world)}
    with pytest.raises(LaceError) as refused:
        await reading.show(world.open, world.sources, world.caller(), item.review_item_id)
    assert refused.value.reason is Reason.REVIEW_ITEM_NOT_FOUND


@pytest.mark.slow
async def test_a_reviewer_reads_the_quote_in_the_text_around_it(world: World) -> None:
    await _run(world)
    item = await _only(world)
    shown = await reading.show(world.open, world.sources, world.caller(), item.review_item_id)
    (around,) = shown.surroundings.values()
    assert (around.before, around.after, around.stands) == ("", f" {SECOND}", True)


async def test_an_accepted_sentence_survives_a_persons_edit_beside_it(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes."))
    node = _section(await _document(world, done.artifact_id), "Cost")
    (block,) = node.blocks
    assert isinstance(block, Paragraph)
    turned = "In 2021 the bridge cost 4.2 million pounds."
    first = Sentence(sentence_id="", text=turned, evidence_ids=block.sentences[0].evidence_ids)
    edited = Paragraph(block_id="", sentences=(first, *block.sentences[1:]))
    await _patch(world, done.artifact_id, ReplaceBlock(key="e", block_id=block.block_id, block=edited))
    assert _texts(_section(await _document(world, done.artifact_id), "Cost")) == [turned, SECOND, UNDECIDED]


@pytest.mark.slow
async def test_a_person_may_take_an_accepted_sentence_out_again(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Yes."))
    node = _section(await _document(world, done.artifact_id), "Cost")
    await _patch(world, done.artifact_id, RemoveBlock(key="gone", block_id=node.blocks[0].block_id))
    assert not _texts(_section(await _document(world, done.artifact_id), "Cost"))


async def _verdicts(world: World, artifact_id: str) -> list[Any]:
    async with world.open(world.tenant_id) as work:
        return [row for _, row in await work.artifacts.verdicts(world.tenant_id, WantedVerdicts(artifact_id), 0, 100)]


async def test_the_verdicts_say_who_vouches_for_a_sentence_and_no_longer_that_it_was_kept_out(world: World) -> None:
    done = await _run(world)
    item = await _only(world)
    cost = item.place.node_id
    (out,) = [
        row for row in await _verdicts(world, done.artifact_id) if row["node_id"] == cost and not row["in_document"]
    ]
    assert (out["text"], out["standing"]) == (UNDECIDED, "")
    await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Seen on site."))
    (own,) = [
        row for row in await _verdicts(world, done.artifact_id) if row["text"] == UNDECIDED and row["node_id"] == cost
    ]
    assert (own["standing"], own["verdict"], own["in_document"]) == ("accepted", "partially", True)
    assert own["acceptance"]["accepted_by"] == "prn_reviewer"
    assert own["acceptance"]["reason"] == "Seen on site."


async def test_a_persons_edit_is_verified_and_its_verdict_kept(world: World) -> None:
    done = await _run(world)
    node = _section(await _document(world, done.artifact_id), "Cost")
    (block,) = node.blocks
    assert isinstance(block, Paragraph)
    evidence_ids = block.sentences[0].evidence_ids
    for text, stands in (("In 2021 the bridge cost 4.2 million pounds.", True), (UNDECIDED, False)):
        own = Sentence(sentence_id="", text=text, evidence_ids=evidence_ids)
        edited = Paragraph(block_id="", sentences=(own, *block.sentences[1:]))
        edit = ReplaceBlock(key=text, block_id=block.block_id, block=edited)
        if stands:
            await _patch(world, done.artifact_id, edit)
            continue
        with pytest.raises(LaceError) as refused:
            await _patch(world, done.artifact_id, edit)
        assert refused.value.reason is Reason.IR_INVALID
        assert refused.value.details[0].description.startswith("SENTENCE_PARTIALLY")
    rows = {row["text"]: row for row in await _verdicts(world, done.artifact_id) if row["node_id"] == node.node_id}
    made = rows["In 2021 the bridge cost 4.2 million pounds."]
    assert (made["standing"], made["verdict"], made["run_id"]) == ("verified", "supported", "")
    assert made["layers"]
    assert rows[SECOND]["run_id"] == done.run_id
    assert FIRST not in rows


async def test_the_report_on_a_revision_stays_the_same_whatever_is_decided_later(world: World) -> None:
    done = await _run(world)
    key = (world.open, world.tenant_id, done.artifact_id)
    before = await verification_of(*key, done.revision_id)
    item = await _only(world)
    accepted = await _decide(world, deciding.accept, Asked(review_item_id=item.review_item_id, reason="Seen on site."))
    assert await verification_of(*key, done.revision_id) == before
    first, second = decode(before), decode(await verification_of(*key, accepted.revision_id))
    assert (first.withheld - second.withheld, len(first.accepted), first.verifiers) == (1, 0, (RULES_VERSION,))
    assert [(part.accepted_by, part.reason) for part in second.accepted] == [("prn_reviewer", "Seen on site.")]
    assert (second.parts, second.by_people) == (first.parts + 1, 1)
    assert [(run.run_id, run.pipeline, run.model) for run in second.runs] == [
        (done.run_id, f"generate {done.pipeline_version}", "extractive")
    ]
