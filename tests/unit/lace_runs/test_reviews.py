"""The life of a review item: every pair of state and decision, and what each refusal says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.reviewing import Place, Withheld
from lace_core.writing import SentenceVerdict
from lace_runs.domain.reviews import (
    DONE,
    TRANSITIONS,
    Decision,
    Origin,
    ReviewItem,
    ReviewState,
    decided,
    item_of,
    require_acceptable,
    require_etag,
)

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ORIGIN = Origin(tenant_id="ten_1", artifact_id="art_1", run_id="run_1", principal_id="prn_1", at=AT)


def _withheld(text: str = "It may rain.", preceding: tuple[str, ...] = ()) -> Withheld:
    verdict = SentenceVerdict(sentence_id="sen_1", text=text, fact_ids=("F1",), verdict="partially", reasons=("x: y",))
    place = Place(node_id="nod_1", block_id="blk_1", form="paragraph", key="k", blocks=("blk_1",), preceding=preceding)
    return Withheld(verdict=verdict, evidence=(), place=place)


def _item(state: ReviewState = ReviewState.OPEN) -> ReviewItem:
    made = item_of(_withheld(), ORIGIN)
    if state is ReviewState.OPEN:
        return made
    by = "" if state is ReviewState.SUPERSEDED else "prn_2"
    return replace(made, state=state, settled_by=by, settled_at=AT, reason="Seen.", version=2)


@pytest.mark.parametrize("state", ReviewState)
@pytest.mark.parametrize("decision", Decision)
def test_every_pair_is_in_the_table_or_refused_with_what_happened(state: ReviewState, decision: Decision) -> None:
    item = _item(state)
    if (state, decision) in TRANSITIONS:
        moved = decided(item, decision, "prn_3", AT, "Because.")
        assert moved.state is TRANSITIONS[state, decision]
        assert moved.version == item.version + 1
        settled = moved.state is not ReviewState.OPEN
        assert (moved.settled_by, moved.reason) == (("prn_3", "Because.") if settled else ("", ""))
        return
    with pytest.raises(LaceError) as refused:
        decided(item, decision, "prn_3", AT, "Because.")
    assert refused.value.reason is Reason.REVIEW_SETTLED
    assert state.value in refused.value.message
    assert ("prn_2" in refused.value.message) == (state is not ReviewState.SUPERSEDED)


def test_only_open_items_go_anywhere_and_every_decision_has_a_word() -> None:
    assert {state for state, _ in TRANSITIONS} == {ReviewState.OPEN}
    assert {decision for _, decision in TRANSITIONS} == set(Decision) == set(DONE)


@pytest.mark.parametrize(
    ("verdict", "may"), [("partially", True), ("supported", True), ("unsupported", False), ("contradicted", False)]
)
def test_nobody_vouches_for_what_the_evidence_speaks_against(verdict: str, may: bool) -> None:
    if may:
        require_acceptable(verdict)
        return
    with pytest.raises(LaceError) as refused:
        require_acceptable(verdict)
    assert refused.value.reason is Reason.REVIEW_NOT_ACCEPTABLE


def test_an_etag_of_before_a_decision_tells_the_decision() -> None:
    item = _item()
    require_etag(item, "")
    require_etag(item, item.etag)
    with pytest.raises(LaceError) as changed:
        require_etag(decided(item, Decision.ASSIGN, "prn_2", AT, ""), item.etag)
    assert changed.value.reason is Reason.ETAG_MISMATCH
    with pytest.raises(LaceError) as settled:
        require_etag(_item(ReviewState.REJECTED), item.etag)
    assert settled.value.reason is Reason.REVIEW_SETTLED


def test_one_item_for_each_sentence_and_place_of_a_run() -> None:
    one = item_of(_withheld(), ORIGIN)
    assert item_of(_withheld(), replace(ORIGIN, at=AT.replace(hour=10))).review_item_id == one.review_item_id
    others = [
        item_of(_withheld("It rains."), ORIGIN),
        item_of(_withheld(preceding=("Before.",)), ORIGIN),
        item_of(_withheld(), replace(ORIGIN, run_id="run_2")),
    ]
    assert len({one.review_item_id, *(other.review_item_id for other in others)}) == 4
