"""Sentences of paragraphs that could not be decided wait in the queue, and a person decides once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.ir import cited_parts
from lace_platform.clock import utc_now
from lace_runs.app import artifacts
from lace_runs.app.paragraphs import landing, specs
from lace_runs.app.reviews import deciding, reading
from lace_runs.app.reviews.deciding import Asked
from lace_runs.domain.paragraphs.records import Paragraph
from lace_runs.domain.paragraphs.states import ParagraphState
from lace_runs.domain.reviews import ReviewItem, ReviewState, Wanted
from lace_runs.domain.verdicts import WantedVerdicts
from tests.doubles.paragraphs_world import COST, PAID, Paragraphs
from tests.doubles.runs_world import World

UNDECIDED = "The bridge cost the town 4.2 million pounds in 2021."
REWORDED = "In 2021 the bridge cost 4.2 million pounds."


@pytest.fixture
def paragraphs(world: World) -> Paragraphs:
    world.model.lie = UNDECIDED
    return Paragraphs(world)


async def _items(world: World, **wanted: Any) -> Sequence[ReviewItem]:
    async with world.open(world.tenant_id) as work:
        return await work.reviews.page(world.tenant_id, Wanted(labels=frozenset(), **wanted), None, 50)


async def _decide(world: World, verb: Callable[..., Awaitable[ReviewItem]], item: ReviewItem, **asked: Any) -> Any:
    caller = replace(world.caller(), principal_id="prn_reviewer")
    sources = (world.sources,) if verb in (deciding.accept, deciding.rewrite) else ()
    async with world.open(world.tenant_id) as work:
        wanted = Asked(review_item_id=item.review_item_id, reason="Seen on site.", **asked)
        decided = await verb(work, *sources, caller, wanted, utc_now())
        await work.commit()
    return decided


async def _waiting(paragraphs: Paragraphs) -> tuple[Paragraph, ReviewItem]:
    made = await paragraphs.create()
    await paragraphs.generate(made)
    (item,) = await _items(paragraphs.world, paragraph_id=made.paragraph_id, state="open")
    return made, item


async def test_a_paragraphs_run_leaves_what_it_could_not_decide_and_an_accepted_sentence_stands(
    paragraphs: Paragraphs,
) -> None:
    world = paragraphs.world
    made = await paragraphs.create()
    done = await paragraphs.generate(made)
    assert done.result is not None
    assert (done.result["paragraph"]["withheld"], done.result["paragraph"]["review_items"]) == (1, 1)
    (item,) = await _items(world, paragraph_id=made.paragraph_id)
    assert (item.verdict.text, item.node_title, item.run_id) == (UNDECIDED, "Cost", done.run_id)
    assert [piece.quote for piece in item.evidence] == [COST]
    assert item.sources[0].filename
    shown = await reading.show(world.open, world.sources, world.caller(), item.review_item_id)
    assert [around.stands for around in shown.surroundings.values()] == [True]

    accepted = await _decide(world, deciding.accept, item)
    assert (accepted.state, accepted.settled_by) == (ReviewState.ACCEPTED, "prn_reviewer")
    now = await paragraphs.show(made)
    assert await paragraphs.texts(made) == ([COST, UNDECIDED, PAID], [])
    assert now.paragraph.state is ParagraphState.VERIFIED
    assert now.text is not None
    stands = now.text.standing[1]
    assert stands.verdict == "partially"
    assert stands.acceptance is not None
    assert (stands.acceptance.accepted_by, stands.acceptance.reason) == ("prn_reviewer", "Seen on site.")
    assert (await paragraphs.rebuild(made)).same
    # Who verifies the text anew finds what a person decided decided.
    await paragraphs.verify(made)
    assert await paragraphs.texts(made) == ([COST, UNDECIDED, PAID], [])
    with pytest.raises(LaceError, match="was accepted by prn_reviewer"):
        await _decide(world, deciding.reject, item)


async def test_a_rewrite_stands_where_its_facts_support_it(paragraphs: Paragraphs) -> None:
    made, item = await _waiting(paragraphs)
    with pytest.raises(LaceError) as refused:
        await _decide(paragraphs.world, deciding.rewrite, item, text="The bridge cost 9.9 million pounds in 2021.")
    assert refused.value.reason is Reason.REVIEW_NOT_SUPPORTED
    rewritten = await _decide(paragraphs.world, deciding.rewrite, item, text=REWORDED)
    assert (rewritten.state, rewritten.new_text) == (ReviewState.REWRITTEN, REWORDED)
    assert await paragraphs.texts(made) == ([COST, REWORDED, PAID], [])


async def test_a_rejected_sentence_stays_out_and_is_not_asked_about_again(paragraphs: Paragraphs) -> None:
    made, item = await _waiting(paragraphs)
    await _decide(paragraphs.world, deciding.reject, item)
    await paragraphs.verify(made)
    assert await paragraphs.texts(made) == ([COST, PAID], [UNDECIDED])
    assert await _items(paragraphs.world, state="open") == []


async def test_an_edit_asks_anew_and_settles_what_it_replaced(paragraphs: Paragraphs) -> None:
    made, item = await _waiting(paragraphs)
    other = "The bridge cost our town 4.2 million pounds in 2021."
    await paragraphs.edit(made, (COST, ("fct_cost",)), (other, ("fct_cost",)))
    assert {i.verdict.text: i.state for i in await _items(paragraphs.world)} == {
        UNDECIDED: ReviewState.SUPERSEDED,
        other: ReviewState.OPEN,
    }
    with pytest.raises(LaceError) as late:
        await _decide(paragraphs.world, deciding.accept, item)
    assert late.value.reason is Reason.REVIEW_SETTLED


async def test_what_is_gone_settles_and_what_is_being_written_waits(paragraphs: Paragraphs) -> None:
    world = paragraphs.world
    made, item = await _waiting(paragraphs)
    await paragraphs.start(made)
    with pytest.raises(LaceError) as busy:
        await _decide(world, deciding.accept, item)
    assert busy.value.reason is Reason.PARAGRAPH_TRANSITION_ILLEGAL
    other = await paragraphs.create(title="Another")
    await paragraphs.edit(other, (UNDECIDED, ("fct_cost",)))
    async with world.open(world.tenant_id) as work:
        await specs.delete(work, world.caller(), other.paragraph_id, "", utc_now())
        await work.commit()
    assert [i.state for i in await _items(world, paragraph_id=other.paragraph_id)] == [ReviewState.SUPERSEDED]


async def test_labels_hide_items_like_their_paragraphs(paragraphs: Paragraphs) -> None:
    world = paragraphs.world
    _, item = await _waiting(paragraphs)
    await world.sql("UPDATE runs.review_items SET labels = '{secret}' WHERE review_item_id = :i", i=item.review_item_id)
    assert await _items(world) == []
    with pytest.raises(LaceError) as hidden:
        await _decide(world, deciding.accept, item)
    assert hidden.value.reason is Reason.REVIEW_ITEM_NOT_FOUND


@pytest.mark.slow
async def test_an_accepted_sentence_lands_in_the_document_on_that_persons_word(paragraphs: Paragraphs) -> None:
    world = paragraphs.world
    world.model.lie = ""
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        written = await world.until(run.run_id, "succeeded", "failed")
    world.model.lie = UNDECIDED
    made = await paragraphs.create(specs.Place(written.artifact_id))
    await paragraphs.generate(made)
    (item,) = await _items(world, paragraph_id=made.paragraph_id)
    assert (item.artifact_id, item.artifact_title) == (written.artifact_id, "The bridge")
    await _decide(world, deciding.accept, item)
    async with world.open(world.tenant_id) as work:
        landed = await landing.land(work, world.sources, world.facts, world.caller(), made.paragraph_id, "", utc_now())
        await work.commit()
    assert landed.paragraph.landing is not None
    async with world.open(world.tenant_id) as work:
        document = (await artifacts.show(work, world.tenant_id, written.artifact_id)).document
        wanted = WantedVerdicts(artifact_id=written.artifact_id)
        found = {row["text"]: row for _, row in await work.artifacts.verdicts(world.tenant_id, wanted, 0, 100)}
    assert [part.text for part in cited_parts(document.root.blocks[-1])] == [COST, UNDECIDED, PAID]
    assert found[UNDECIDED]["standing"] == "accepted"
    assert found[UNDECIDED]["acceptance"]["accepted_by"] == "prn_reviewer"
