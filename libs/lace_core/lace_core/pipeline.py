"""Pipelines as data: ordered steps with what they take and give, checked before they are ever run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Per = Literal["run", "node", "source", "target"]
Mode = Literal["call", "job"]


@dataclass(frozen=True)
class Step:
    """One kind of step. `per` says what it is done for; a job is sent to another service and waited for durably."""

    name: str
    takes: tuple[str, ...]
    gives: str
    per: Per = "run"
    mode: Mode = "call"
    calls_model: bool = False


@dataclass(frozen=True)
class Pipeline:
    """Steps in order; runs pin the version. `needs_title` and `writes` say what a start request must and may hold."""

    pipeline_id: str
    version: int
    description: str
    steps: tuple[Step, ...]
    needs_title: bool = False
    writes: bool = False


_PLAN = (
    Step("load", (), "Loaded"),
    Step("resolve", ("Loaded",), "Resolved"),
    Step("intent", ("Resolved",), "Intent", calls_model=True),
    Step("sources", ("Intent",), "Selected"),
    Step("outline", ("Loaded", "Intent", "Selected"), "Planned", calls_model=True),
)
_LAND = (
    Step("apply", ("Loaded", "Planned"), "Staged"),
    Step("validate", ("Staged",), "Committed"),
)

GENERATE = Pipeline(
    "generate",
    1,
    "Writes a cited document out of the sources and compiles it.",
    (
        *_PLAN,
        Step("context", ("Planned", "Selected"), "Context"),
        Step("strategy", ("Planned", "Context"), "Strategy", per="node", calls_model=True),
        Step("llm", ("Strategy", "Context"), "Written", per="node", calls_model=True),
        Step("verify", ("Written", "Context"), "Verified", per="node", calls_model=True),
        *_LAND,
        Step("compile", ("Committed",), "Compiled", per="target", mode="job"),
    ),
    needs_title=True,
    writes=True,
)
OUTLINE = Pipeline(
    "outline",
    1,
    "Plans the sections of a document, for a person to change before it is written.",
    (*_PLAN, *_LAND),
    needs_title=True,
    writes=True,
)
INGEST = Pipeline(
    "ingest", 1, "Reads sources that were uploaded.", (Step("ingest", (), "Ingested", per="source", mode="job"),)
)
COMPILE = Pipeline(
    "compile",
    1,
    "Compiles a committed revision; started by POST /v1/compile.",
    (Step("snapshot", (), "Committed"), Step("compile", ("Committed",), "Compiled", per="target", mode="job")),
)
NOOP10 = Pipeline(
    "noop10",
    1,
    "Ten steps that do nothing, for measuring what a durable step costs.",
    tuple(Step(f"noop{n}", ("Nothing",) if n > 1 else (), "Nothing") for n in range(1, 11)),
)

PIPELINES: Mapping[str, Pipeline] = {p.pipeline_id: p for p in (GENERATE, OUTLINE, INGEST, COMPILE, NOOP10)}
PLANNED_LATER = ("regenerate", "expand", "enrich", "patch", "auto")


def problems(pipeline: Pipeline) -> list[str]:
    """What is wrong with a pipeline: no steps, names used twice, or inputs that no earlier step gives, which rules out
    cycles.
    """
    found = [] if pipeline.steps else ["has no steps"]
    given: set[str] = set()
    names: set[str] = set()
    for step in pipeline.steps:
        if step.name in names:
            found.append(f"{step.name}: is there twice")
        found.extend(
            f"{step.name}: takes {kind}, which no earlier step gives" for kind in step.takes if kind not in given
        )
        names.add(step.name)
        given.add(step.gives)
    return found
