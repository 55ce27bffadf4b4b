"""Pipelines as data: those that ship are sound, and what is wrong with others is named."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.pipeline import GENERATE, KINDS, PIPELINES, WRITERS, Pipeline, Step, problems


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_every_pipeline_that_ships_is_sound(pipeline: Pipeline) -> None:
    found = problems(pipeline.steps)
    assert found == []
    assert PIPELINES[pipeline.pipeline_id] is pipeline
    assert pipeline.version >= 1


def _found(*names: str) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in problems([KINDS[name] for name in names])]


def test_what_is_wrong_is_named_with_its_place() -> None:
    assert [p.code for p in problems([])] == ["STEPS_MISSING"]
    assert _found("load", "resolve", "resolve") == [("STEP_REPEATED", "/steps/2/step")]
    assert _found("open", "resolve", "sources", "scope", "context", "rewrite", "enrich") == [
        ("STEP_CONFLICT", "/steps/6/step")
    ]
    assert ("INPUT_LATER", "/steps/1/step") in _found("load", "sources", "resolve")
    assert ("INPUT_MISSING", "/steps/0/step") in _found("compile")
    assert _found("load", "resolve", "sources", "scope") == [("INPUT_MISSING", "/steps/3/step")]


def test_a_circle_of_steps_is_told_from_a_wrong_order() -> None:
    one, other = Step("one", ("B",), "A"), Step("other", ("A",), "B")
    assert [(p.code, p.pointer) for p in problems([one, other])] == [("STEP_CYCLE", "/steps/0/step")]
    assert [p.code for p in problems([Step("one", ("A",), "A")])] == ["STEP_CYCLE"]


def test_nothing_lands_unverified_or_uncommitted() -> None:
    plan = ("load", "resolve", "intent", "sources", "outline", "context")
    assert _found(*plan, "llm", "apply", "validate") == [("VERIFY_MISSING", "/steps/7/step")]
    assert ("VERIFY_MISSING", "/steps/7/step") in _found(*plan, "llm", "apply", "verify", "validate")
    assert _found(*plan, "llm", "verify", "apply") == [("VALIDATE_MISSING", "/steps/8/step")]
    assert _found(*plan, "llm", "verify", "apply", "compile") == [
        ("INPUT_MISSING", "/steps/9/step"),
        ("VALIDATE_MISSING", "/steps/8/step"),
    ]


def test_only_what_can_be_split_is() -> None:
    scoped = ("open", "resolve", "sources", "scope", "context")
    assert _found(*scoped, "strategy", "amend", "verify") == [("SPLIT_NOT_POSSIBLE", "/steps/5/step")]
    assert _found(*scoped, "extend", "strategy", "verify") == [("STEP_TOO_LATE", "/steps/6/step")]
    assert _found(*scoped, "extend", "verify", "apply", "validate") == []


def test_generate_verifies_before_it_applies_and_compiles_last() -> None:
    names = GENERATE.names
    assert names.index("llm") < names.index("verify") < names.index("apply") < names.index("validate")
    assert names[-1] == "compile"
    assert GENERATE.steps[-1].mode == "job"


def test_what_a_pipeline_is_for_follows_from_its_steps() -> None:
    assert {p.pipeline_id for p in PIPELINES.values() if p.edits} == {"regenerate", "expand", "enrich", "patch"}
    assert {p.pipeline_id for p in PIPELINES.values() if p.writes} == {"generate", "outline"}
    assert {p.writer for p in PIPELINES.values()} - {""} == WRITERS


def test_every_order_that_is_sound_gives_each_step_its_inputs() -> None:
    names = ("open", "resolve", "sources", "scope", "context")
    for order in permutations(names):
        given_types: set[str] = set()
        fits = True
        for name in order:
            fits = fits and all(given_types & set(wanted.split("|")) for wanted in KINDS[name].takes)
            given_types.add(KINDS[name].gives)
        assert (problems([KINDS[name] for name in order]) == []) == fits, order


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=10))
def test_a_check_always_ends_and_points_into_the_steps(names: list[str]) -> None:
    for problem in problems([KINDS[name] for name in names]):
        assert problem.code
        assert problem.pointer == "/steps" or int(problem.pointer.split("/")[2]) < len(names)
