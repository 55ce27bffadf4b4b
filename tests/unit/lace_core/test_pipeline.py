"""Pipelines as data: those that ship are sound, and what is wrong with others is named."""

from __future__ import annotations

import pytest

from lace_core.pipeline import GENERATE, PIPELINES, PLANNED_LATER, Pipeline, Step, problems


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_every_pipeline_that_ships_is_sound(pipeline: Pipeline) -> None:
    assert problems(pipeline) == []
    assert PIPELINES[pipeline.pipeline_id] is pipeline
    assert pipeline.version >= 1


def _made(*steps: Step) -> list[str]:
    return problems(Pipeline("p", 1, "x", steps))


def test_what_is_wrong_is_named() -> None:
    assert _made() == ["has no steps"]
    assert _made(Step("a", (), "A"), Step("a", ("A",), "B")) == ["a: is there twice"]
    assert _made(Step("a", ("B",), "A"), Step("b", ("A",), "B")) == ["a: takes B, which no earlier step gives"]
    assert _made(Step("a", ("A",), "A")) == ["a: takes A, which no earlier step gives"]
    assert _made(Step("a", (), "A"), Step("b", ("A", "C", "D"), "B")) == [
        "b: takes C, which no earlier step gives",
        "b: takes D, which no earlier step gives",
    ]


def test_generate_verifies_before_it_applies_and_compiles_last() -> None:
    names = [step.name for step in GENERATE.steps]
    assert names.index("llm") < names.index("verify") < names.index("apply") < names.index("validate")
    assert names[-1] == "compile"
    assert GENERATE.steps[-1].mode == "job"


def test_what_is_planned_is_not_there_yet() -> None:
    assert not set(PLANNED_LATER) & set(PIPELINES)
