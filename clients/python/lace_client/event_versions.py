"""What events say, whichever version of the event schema they come in: the newest, or the one before it."""

from __future__ import annotations

from dataclasses import dataclass

from lace.common.v1 import event_pb2


@dataclass(frozen=True)
class Progress:
    """How far a run is; `remaining_ms` is None while nobody knows, `node_title` empty where no node was written."""

    steps_done: int
    steps_total: int
    node_title: str
    remaining_ms: int | None


def progress_of(event: event_pb2.RunEvent) -> Progress | None:
    """The progress that a pipeline.run.progress tells, of either version; None for other events."""
    payload = event.payload
    kind = payload.WhichOneof("kind")
    if kind == "run_progress_v2":
        new = payload.run_progress_v2
        remaining = new.remaining_ms if new.HasField("remaining_ms") else None
        return Progress(new.steps_done, new.steps_total, new.node.title, remaining)
    if kind == "run_progress":
        old = payload.run_progress
        return Progress(
            old.steps_done, old.steps_total, old.node_title, old.remaining_ms if old.remaining_ms >= 0 else None
        )
    return None
