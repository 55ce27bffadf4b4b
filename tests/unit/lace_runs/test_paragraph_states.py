"""The life of a paragraph, pair by pair."""

from __future__ import annotations

import itertools

import pytest

from lace_core.errors import LaceError, Reason
from lace_runs.domain.paragraphs.states import (
    TRANSITIONS,
    UNDER_WAY,
    ParagraphState,
    ParagraphTrigger,
    outcome,
    transition,
)

PAIRS = list(itertools.product(ParagraphState, ParagraphTrigger))
OUTCOMES = {ParagraphTrigger.ALL_STAND, ParagraphTrigger.SOME_STAND, ParagraphTrigger.NONE_STANDS}


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_every_pair_is_in_the_table_or_refused_with_one_code(state: ParagraphState, trigger: ParagraphTrigger) -> None:
    if (state, trigger) in TRANSITIONS:
        assert transition(state, trigger) is TRANSITIONS[state, trigger]
    else:
        with pytest.raises(LaceError) as refused:
            transition(state, trigger)
        assert refused.value.reason is Reason.PARAGRAPH_TRANSITION_ILLEGAL


def test_all_states_are_reached_and_only_the_deleted_one_is_left_by_none() -> None:
    reached = {ParagraphState.DRAFT}
    while more := {after for (state, _), after in TRANSITIONS.items() if state in reached} - reached:
        reached |= more
    assert reached == set(ParagraphState)
    assert {state for state, _ in TRANSITIONS} == set(ParagraphState) - {ParagraphState.DELETED}


def test_what_is_under_way_takes_its_outcome_or_a_failure_and_nothing_else() -> None:
    assert {ParagraphState.GENERATING, ParagraphState.VERIFYING} == UNDER_WAY
    for state in UNDER_WAY:
        taken = {trigger for known, trigger in TRANSITIONS if known is state}
        assert taken == {*OUTCOMES, ParagraphTrigger.FAIL}
    assert not [pair for pair in TRANSITIONS if pair[0] not in UNDER_WAY and pair[1] in OUTCOMES]


@pytest.mark.parametrize(
    ("standing", "withheld", "unmet", "came"),
    [
        (3, 0, 0, ParagraphTrigger.ALL_STAND),
        (3, 1, 0, ParagraphTrigger.SOME_STAND),
        (3, 0, 1, ParagraphTrigger.SOME_STAND),
        (0, 3, 0, ParagraphTrigger.NONE_STANDS),
        (0, 0, 0, ParagraphTrigger.NONE_STANDS),
    ],
)
def test_what_came_of_it(standing: int, withheld: int, unmet: int, came: ParagraphTrigger) -> None:
    assert outcome(standing, withheld, unmet) is came
