"""One attempt of a step while it is worked on: what it is done for, what it read, what it leaves beside its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lace_core.errors import LaceError
from lace_core.pipeline import Step
from lace_runs.app.ports import Span
from lace_runs.app.provenance import Lineage
from lace_runs.domain.events import EventDraft
from lace_runs.domain.runs import Run, StepRecord


@dataclass(frozen=True)
class Target:
    """What a step is done for: empty for the whole run, else a node, source or target with its title."""

    key: str = ""
    title: str = ""

    def step_id(self, step: Step) -> str:
        """The step's id within the run."""
        return f"{step.name}:{self.key}" if self.key else step.name


@dataclass
class StepScope:
    """What a step's work may use and leaves behind: what it read, what it made beside its result.

    `asking` counts the attempts that ask others anew for what has to be paid for. An attempt after one in doubt asks
    what that one asked, so that an answer which was lost on its way is not paid for twice.
    """

    run: Run
    step: Step
    step_id: str
    attempt: int
    started_at: datetime
    asking: int = 1
    events: list[EventDraft] = field(default_factory=list)
    lineage: Lineage = field(default_factory=Lineage)
    metrics: dict[str, Any] = field(default_factory=dict)
    summary: str = ""
    span: Span = field(default_factory=Span)

    @property
    def node_id(self) -> str:
        """The node that it works on; empty for steps that are not about one."""
        return self.step_id.partition(":")[2] if self.step.per == "node" else ""

    def event(
        self, event_type: str, payload: Mapping[str, Any], at: datetime, status: str = "running", **values: Any
    ) -> None:
        """Add an event that belongs to this step, to be written with the step's result."""
        self.events.append(EventDraft(event_type, payload, at, status, self.step_id, self.attempt, **values))

    def progress(self, done: int, total: int, message: str, at: datetime, status: str = "running") -> EventDraft:
        """An event that says how far the step is."""
        payload = {"step_progress": {"done": done, "total": total, "message": message}}
        return EventDraft("pipeline.step.progress", payload, at, status, self.step_id, self.attempt)

    def record(self, state: str, ended_at: datetime | None = None, error: LaceError | None = None) -> StepRecord:
        """The attempt as its row has it."""
        return StepRecord(
            self.step_id,
            self.step.name,
            self.node_id,
            self.attempt,
            state,
            self.started_at,
            ended_at,
            error_code=error.reason.value if error else "",
            error_message=error.message if error else "",
        )
