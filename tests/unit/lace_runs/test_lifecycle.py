"""The life of a run, pair by pair, and what hangs on what."""

from __future__ import annotations

import itertools

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.pipeline import GENERATE
from lace_runs.domain.dependence import children_of, dependents
from lace_runs.domain.events import event_id_of, sequence_of
from lace_runs.domain.runs import COMMANDS, TRANSITIONS, Checkpoint, Command, RunState, Trigger, outlook, transition

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


def test_a_node_is_decided_on_with_all_below_it() -> None:
    children = {"nod_a": ["nod_b"], "nod_b": ["nod_c"]}
    steps = [f"{kind}:nod_{name}" for name in "abcx" for kind in ("strategy", "llm", "verify")]
    below = [step for step in steps if not step.endswith("x")]
    assert dependents(GENERATE, [*steps, "context", "apply"], "strategy:nod_a", children) == [*below, "apply"]
    assert dependents(GENERATE, [*steps, "apply"], "llm:nod_a", children) == ["llm:nod_a", "verify:nod_a", "apply"]


def test_children_are_found_in_what_the_splitting_steps_made() -> None:
    made = {
        "strategy:nod_a": Checkpoint("strategy:nod_a", "Strategy", "", '{"children": [{"node_id": "nod_b"}]}'),
        "strategy:nod_b": Checkpoint("strategy:nod_b", "Strategy", "", uri="lace-replay/large.json"),
        "llm:nod_c": Checkpoint("llm:nod_c", "Written", "", "{}"),
    }
    assert children_of(made) == {"nod_a": ["nod_b"], "nod_b": ["nod_a", "nod_b", "nod_c"]}


def test_a_command_is_judged_by_what_is_to_come() -> None:
    def left(*triggers: Trigger) -> list[Command]:
        return [Command(f"cmd_{at}", trigger, "prn") for at, trigger in enumerate(triggers)]

    assert outlook(RunState.RUNNING, left(Trigger.PAUSE)) is RunState.PAUSING
    assert outlook(RunState.QUEUED, left(Trigger.PAUSE, Trigger.RESUME)) is RunState.RESUMING
    assert outlook(RunState.RUNNING, left(Trigger.CANCEL, Trigger.PAUSE)) is RunState.CANCELLED
    assert outlook(RunState.PAUSED, left()) is RunState.PAUSED
