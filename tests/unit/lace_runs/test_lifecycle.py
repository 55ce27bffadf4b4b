"""The life of a run, pair by pair, and what hangs on what."""

from __future__ import annotations

import itertools

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.pipeline import GENERATE
from lace_runs.domain.dependence import dependents
from lace_runs.domain.events import event_id_of, sequence_of
from lace_runs.domain.runs import COMMANDS, TRANSITIONS, RunState, Trigger, transition

PAIRS = list(itertools.product(RunState, Trigger))


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_every_pair_is_in_the_table_or_refused_with_one_code(state: RunState, trigger: Trigger) -> None:
    if (state, trigger) in TRANSITIONS:
        assert transition(state, trigger) is TRANSITIONS[state, trigger]
    else:
        with pytest.raises(LaceError) as refused:
            transition(state, trigger)
        assert refused.value.reason is Reason.RUN_TRANSITION_ILLEGAL


def test_final_states_have_no_way_out_and_all_states_can_be_reached() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0].is_final]
    reached = {RunState.QUEUED}
    while more := {after for (state, _), after in TRANSITIONS.items() if state in reached} - reached:
        reached |= more
    assert reached == set(RunState)


def test_every_living_run_can_be_cancelled() -> None:
    living = [state for state in RunState if not state.is_final]
    assert all(TRANSITIONS[state, Trigger.CANCEL] is RunState.CANCELLED for state in living)
    assert {Trigger.PAUSE, Trigger.RESUME, Trigger.RESTART, Trigger.CANCEL} == COMMANDS


def test_event_ids_name_their_run_and_place() -> None:
    assert sequence_of("run_abc", event_id_of("run_abc", 17)) == 17
    for foreign in ("evt_abd_17", "evt_abc_", "evt_abc_x", "evt_abc_-1", "17", "", "evt_abc_" + "9" * 30):
        assert sequence_of("run_abc", foreign) is None


STEPS = ["load", "intent", "outline", "context", "strategy:a", "llm:a", "verify:a", "strategy:b", "llm:b", "verify:b",
         "apply", "compile:pdf"]  # fmt: skip


@pytest.mark.parametrize(
    ("from_step", "again"),
    [
        ("", STEPS),
        ("context", STEPS[3:]),
        ("llm:a", ["llm:a", "verify:a", "apply", "compile:pdf"]),
        ("llm", ["llm:a", "verify:a", "llm:b", "verify:b", "apply", "compile:pdf"]),
        ("compile:pdf", ["compile:pdf"]),
    ],
)
def test_a_restart_does_again_what_hangs_on_the_step(from_step: str, again: list[str]) -> None:
    assert dependents(GENERATE, STEPS, from_step) == again


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(LaceError) as refused:
        dependents(GENERATE, STEPS, "sing")
    assert refused.value.reason is Reason.STEP_UNKNOWN
