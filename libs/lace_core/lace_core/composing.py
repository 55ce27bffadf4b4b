"""Custom pipelines: from what a person registers to a pipeline that can be run, or all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lace_core.canonical import hash_json
from lace_core.errors import Detail, LaceError, Reason
from lace_core.pipeline import AUTO, KINDS, PIPELINES, Pipeline, Problem, Step, problems

_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_MOST_TIMEOUT_S = 86_400
_MOST_ATTEMPTS = 10


@dataclass(frozen=True)
class StepChoice:
    """A step that is asked for; 0 leaves timeout (seconds) and attempts to the run's settings."""

    step: str
    timeout_s: int = 0
    max_attempts: int = 0


@dataclass(frozen=True)
class Definition:
    """What is registered. With a base, its steps are taken without those in `without`, and `steps` only sets their
    limits; without one, `steps` is the whole order.
    """

    pipeline_id: str
    description: str = ""
    base: str = ""
    without: tuple[str, ...] = ()
    steps: tuple[StepChoice, ...] = ()


def compose(definition: Definition) -> tuple[Step, ...]:
    """The steps of a definition; raises LaceError PIPELINE_INVALID, each detail with its pointer and code."""
    found = _identity(definition)
    steps, broken = _based(definition) if definition.base else _plain(definition)
    found.extend(broken)
    if not broken:
        found.extend(problems(steps))
    if found:
        raise LaceError(
            Reason.PIPELINE_INVALID,
            f"{definition.pipeline_id or 'The pipeline'} cannot be run: {found[0].message}",
            details=[Detail(problem.pointer, f"{problem.code}: {problem.message}") for problem in found],
        )
    return steps


def definition_hash(description: str, steps: Sequence[Step]) -> str:
    """What tells two versions of a pipeline apart."""
    return hash_json({"description": description, "steps": stored(steps)})


def stored(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Steps as they are kept: kind with version, and their limits."""
    return [
        {"step": s.name, "version": s.version, "timeout_s": s.timeout_s, "max_attempts": s.max_attempts} for s in steps
    ]


def restored(pipeline_id: str, version: int, description: str, kept: Sequence[Mapping[str, Any]]) -> Pipeline:
    """A pipeline as it was kept; raises LaceError PIPELINE_UNKNOWN where it has a kind that this code does not."""
    steps = []
    for form in kept:
        kind = KINDS.get(form["step"])
        if kind is None or kind.version != form["version"]:
            name = f"{form['step']}/{form['version']}"
            raise LaceError(Reason.PIPELINE_UNKNOWN, f"{pipeline_id} has the step {name}, which is not known here.")
        steps.append(replace(kind, timeout_s=form["timeout_s"], max_attempts=form["max_attempts"]))
    return Pipeline(pipeline_id, version, description, tuple(steps))


def _identity(definition: Definition) -> list[Problem]:
    pipeline_id = definition.pipeline_id
    if pipeline_id in PIPELINES or pipeline_id == AUTO:
        return [Problem("ID_RESERVED", "/pipeline_id", f"{pipeline_id} is the name of a pipeline that ships.")]
    if not _ID.fullmatch(pipeline_id):
        message = "An id begins with a letter and has lower case letters, digits, - and _, 63 at most."
        return [Problem("ID_INVALID", "/pipeline_id", message)]
    return []


def _plain(definition: Definition) -> tuple[tuple[Step, ...], list[Problem]]:
    found = [Problem("WITHOUT_BASE", "/without", "Only steps of a base can be left out.")] if definition.without else []
    steps: list[Step] = []
    for place, choice in enumerate(definition.steps):
        kind = KINDS.get(choice.step)
        if kind is None:
            message = f"There is no step {choice.step}; there are {', '.join(KINDS)}."
            found.append(Problem("STEP_UNKNOWN", f"/steps/{place}/step", message))
            continue
        found.extend(_limits(place, choice))
        steps.append(replace(kind, timeout_s=choice.timeout_s, max_attempts=choice.max_attempts))
    return tuple(steps), found


def _based(definition: Definition) -> tuple[tuple[Step, ...], list[Problem]]:
    base = PIPELINES.get(definition.base)
    if base is None or not set(base.names) <= set(KINDS):
        message = f"No pipeline {definition.base} can be a base; one that ships can."
        return (), [Problem("BASE_UNKNOWN", "/base", message)]
    left = [step for step in base.steps if step.name not in definition.without]
    found = [
        Problem("STEP_UNKNOWN", f"/without/{place}", f"{base.pipeline_id} has no step {name}.")
        for place, name in enumerate(definition.without)
        if name not in base.names
    ]
    choices: dict[str, StepChoice] = {}
    for place, choice in enumerate(definition.steps):
        if choice.step not in {step.name for step in left}:
            message = f"{choice.step} is no step that is left of {base.pipeline_id}."
            found.append(Problem("STEP_UNKNOWN", f"/steps/{place}/step", message))
        elif choice.step in choices:
            found.append(Problem("STEP_REPEATED", f"/steps/{place}/step", f"{choice.step} is there twice."))
        found.extend(_limits(place, choice))
        choices[choice.step] = choice
    limited = [choices.get(step.name, StepChoice(step.name)) for step in left]
    return tuple(
        replace(step, timeout_s=choice.timeout_s, max_attempts=choice.max_attempts)
        for step, choice in zip(left, limited, strict=True)
    ), found


def _limits(place: int, choice: StepChoice) -> list[Problem]:
    found = []
    for name, value, most in (
        ("timeout_s", choice.timeout_s, _MOST_TIMEOUT_S),
        ("max_attempts", choice.max_attempts, _MOST_ATTEMPTS),
    ):
        if not 0 <= value <= most:
            found.append(Problem("LIMIT_INVALID", f"/steps/{place}/{name}", f"{name} must be from 0 to {most}."))
    return found
