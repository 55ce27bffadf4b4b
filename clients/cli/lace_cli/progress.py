"""A run's progress out of its events: what is known after each, apart from how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from lace.common.v1 import event_pb2
from lace_client.event_versions import Progress, progress_of

_STEPS = {
    "load": "reading the request",
    "resolve": "fixing settings and prompts",
    "intent": "understanding the task",
    "sources": "surveying the sources",
    "outline": "planning the document",
    "context": "gathering evidence",
    "strategy": "planning the section",
    "llm": "writing",
    "verify": "checking against the evidence",
    "apply": "putting it together",
    "validate": "checking the document",
    "snapshot": "taking up the document",
    "compile": "making the files",
    "import": "looking into the inbox",
    "ingest": "reading the documents",
    "survey": "surveying the sources",
    "facts": "taking facts out",
}
_ENDED = {"succeeded", "failed", "cancelled"}


@dataclass
class RunView:
    """What a person wants to know of a run under way; `take` brings it up to date with one more event."""

    state: str = "queued"
    percent: float = 0.0
    step: str = ""
    node: str = ""
    remaining_ms: int = -1
    warnings: list[event_pb2.Notice] = field(default_factory=list)
    completed: event_pb2.RunCompleted | None = None
    failed: event_pb2.RunFailed | None = None
    last_event_id: str = ""

    def take(self, event: event_pb2.RunEvent) -> None:
        """Events come in order, each once."""
        self.last_event_id = event.event_id
        # A restart goes back; a late tick of a parallel step does not.
        self.percent = event.progress_pct if _goes_back(event) else max(self.percent, event.progress_pct)
        if not event.step_id and event.status:
            self.state = event.status
        payload = event.payload
        match payload.WhichOneof("kind"):
            case "run_progress" | "run_progress_v2":
                self._take_progress(progress_of(event))
            case "step_started":
                self.step, self.node = payload.step_started.step, payload.step_started.node_title
            case "warning":
                self.warnings.append(payload.warning)
            case "run_completed":
                self.completed, self.percent, self.remaining_ms = payload.run_completed, 100.0, 0
            case "run_failed":
                self.failed, self.remaining_ms = payload.run_failed, -1

    def _take_progress(self, progress: Progress | None) -> None:
        if progress is not None:
            self.node = progress.node_title or self.node
            self.remaining_ms = -1 if progress.remaining_ms is None else progress.remaining_ms

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.state in _ENDED or self.completed is not None or self.failed is not None

    @property
    def activity(self) -> str:
        """What goes on, in words: `writing · The estuary crossing`."""
        doing = _STEPS.get(self.step, self.step) or self.state
        return f"{doing} · {self.node}" if self.node else doing

    @property
    def time_left(self) -> str:
        """`about 12 s left`, empty while nobody knows."""
        if self.remaining_ms < 0 or self.is_over:
            return ""
        seconds = round(self.remaining_ms / 1000)
        if seconds < 1:
            return "a moment left"
        return f"about {seconds // 60} min {seconds % 60} s left" if seconds >= 60 else f"about {seconds} s left"


def _goes_back(event: event_pb2.RunEvent) -> bool:
    return event.event_type == "pipeline.run.restart.requested"
