"""Every type of event: which payload belongs to it, and when it is said. docs/events.md is made of this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EventType:
    """`member` is the payload's member in the newest schema; `about` says whether the event has a step."""

    member: str
    about: Literal["run", "step", "either"]
    when: str


_CONTROLLED = "run_controlled"

EVENT_TYPES: Mapping[str, EventType] = {
    "pipeline.run.requested": EventType("run_requested", "run", "The run was asked for; always the first event."),
    "pipeline.run.started": EventType("run_started", "run", "A worker began it, or took it over or up again."),
    "pipeline.run.progress": EventType("run_progress_v2", "run", "Steps were done; some times a second at most."),
    "pipeline.run.pause.requested": EventType(_CONTROLLED, "run", "The worker learned of the command to pause."),
    "pipeline.run.paused": EventType(_CONTROLLED, "run", "The run stands still."),
    "pipeline.run.resume.requested": EventType(_CONTROLLED, "run", "The worker learned of the command to resume."),
    "pipeline.run.resumed": EventType(_CONTROLLED, "run", "The run goes on."),
    "pipeline.run.restart.requested": EventType(_CONTROLLED, "run", "The run goes back to a step, as a new attempt."),
    "pipeline.run.completed": EventType("run_completed", "run", "The run succeeded; its last event."),
    "pipeline.run.failed": EventType("run_failed", "run", "The run failed; its last event."),
    "pipeline.run.cancelled": EventType(_CONTROLLED, "run", "The run was cancelled; its last event."),
    "pipeline.step.started": EventType("step_started", "step", "An attempt of a step began."),
    "pipeline.step.progress": EventType("step_progress", "step", "A part of a long step is done, or a job was sent."),
    "pipeline.step.completed": EventType("step_completed", "step", "The step's result is committed."),
    "pipeline.step.failed": EventType("step_failed", "step", "An attempt failed; it says whether another follows."),
    "pipeline.context.cut": EventType("context_cut", "step", "Evidence did not fit; it says what was left out."),
    "pipeline.llm.prompt": EventType("llm_prompt", "step", "A prompt was sent; said when the answer is there."),
    "pipeline.llm.response": EventType("llm_response", "step", "The model answered."),
    "pipeline.llm.usage": EventType("llm_usage", "step", "What the call used."),
    "pipeline.validation.result": EventType("validation_result", "step", "A section or the document was checked."),
    "pipeline.apply.result": EventType("apply_result", "step", "What was written was put into a staged revision."),
    "pipeline.compile.result": EventType("compile_result", "step", "A format was compiled, or could not be."),
    "pipeline.warning": EventType("warning", "either", "Something that a person should know; the run goes on."),
    "pipeline.error": EventType("error", "either", "A failure that ends a step for good, or the run; once for each."),
}

LAST_TYPES = frozenset({"pipeline.run.completed", "pipeline.run.failed", "pipeline.run.cancelled"})
