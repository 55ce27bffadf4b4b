"""Custom pipelines: a definition becomes steps that can be run, or all that is wrong with it is told at once."""

from __future__ import annotations

import pytest

from lace_core.composing import Definition, StepChoice, compose, definition_hash, restored, stored
from lace_core.errors import LaceError, Reason
from lace_core.pipeline import GENERATE, KINDS


def _refused(definition: Definition) -> list[tuple[str, str]]:
    with pytest.raises(LaceError) as refused:
        compose(definition)
    assert refused.value.reason is Reason.PIPELINE_INVALID
    return [(detail.description.partition(":")[0], detail.field) for detail in refused.value.details]


def test_a_base_gives_its_steps_without_those_left_out() -> None:
    steps = compose(Definition("draft", base="generate", without=("compile",), steps=(StepChoice("llm", 60, 2),)))
    assert [step.name for step in steps] == [name for name in GENERATE.names if name != "compile"]
    own = next(step for step in steps if step.name == "llm")
    assert (own.timeout_s, own.max_attempts) == (60, 2)
    assert [step for step in steps if step.name != "llm"] == [s for s in GENERATE.steps if s.name in GENERATE.names[:7]
        or s.name in ("verify", "apply", "validate")]  # fmt: skip


def test_an_order_of_its_own() -> None:
    chosen = tuple(map(StepChoice, ("open", "resolve", "sources", "scope", "context")))
    assert compose(Definition("look", steps=chosen)) == tuple(KINDS[choice.step] for choice in chosen)


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        (Definition("generate", base="outline"), [("ID_RESERVED", "/pipeline_id")]),
        (Definition("auto", base="outline"), [("ID_RESERVED", "/pipeline_id")]),
        (Definition("Mine", base="outline"), [("ID_INVALID", "/pipeline_id")]),
        (Definition("mine"), [("STEPS_MISSING", "/steps")]),
        (Definition("mine", base="mine"), [("BASE_UNKNOWN", "/base")]),
        (Definition("mine", base="noop10"), [("BASE_UNKNOWN", "/base")]),
        (Definition("mine", base="outline", without=("llm",)), [("STEP_UNKNOWN", "/without/0")]),
        (Definition("mine", without=("llm",), steps=(StepChoice("load"),)), [("WITHOUT_BASE", "/without")]),
        (Definition("mine", base="outline", steps=(StepChoice("llm"),)), [("STEP_UNKNOWN", "/steps/0/step")]),
        (
            Definition("mine", base="outline", steps=(StepChoice("load"), StepChoice("load"))),
            [("STEP_REPEATED", "/steps/1/step")],
        ),
        (
            Definition("mine", steps=(StepChoice("load", -1, 11), StepChoice("sing"))),
            [
                ("LIMIT_INVALID", "/steps/0/timeout_s"),
                ("LIMIT_INVALID", "/steps/0/max_attempts"),
                ("STEP_UNKNOWN", "/steps/1/step"),
            ],
        ),
        (Definition("mine", base="generate", without=("verify",)), [("VERIFY_MISSING", "/steps/8/step")]),
        (
            Definition("mine", base="generate", without=("apply", "validate")),
            [("INPUT_MISSING", "/steps/9/step")],
        ),
    ],
)
def test_what_is_wrong_is_told_with_code_and_pointer(definition: Definition, found: list[tuple[str, str]]) -> None:
    assert _refused(definition) == found


def test_what_is_kept_comes_back_and_a_change_changes_its_hash() -> None:
    steps = compose(Definition("mine", base="generate", steps=(StepChoice("llm", 60),)))
    assert restored("mine", 3, "d", stored(steps)).steps == steps
    assert definition_hash("d", steps) == definition_hash("d", tuple(steps))
    assert definition_hash("d", steps) != definition_hash("e", steps)
    assert definition_hash("d", steps) != definition_hash("d", GENERATE.steps)


def test_a_kind_of_another_version_is_not_run_by_guess() -> None:
    kept = [{**form, "version": 2} for form in stored(GENERATE.steps)]
    with pytest.raises(LaceError) as unknown:
        restored("mine", 1, "", kept)
    assert unknown.value.reason is Reason.PIPELINE_UNKNOWN
