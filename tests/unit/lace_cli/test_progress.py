"""What is known of a run after each of its events."""

from __future__ import annotations

from lace.common.v1 import event_pb2
from lace_cli.progress import RunView


def event(
    kind: str, *, percent: float = 0.0, status: str = "", step_id: str = "", **payload: object
) -> event_pb2.RunEvent:
    made = event_pb2.RunEvent(
        event_id=f"evt_{kind}", event_type=f"pipeline.{kind}", progress_pct=percent, status=status, step_id=step_id
    )
    made.payload.CopyFrom(event_pb2.EventPayload(**payload))  # type: ignore[arg-type]
    return made


def test_a_run_from_its_request_to_its_end() -> None:
    view = RunView()
    view.take(event("run.requested", status="queued", run_requested=event_pb2.RunRequested(title="T")))
    assert (view.state, view.activity, view.is_over) == ("queued", "queued", False)
    view.take(event("run.started", status="running", run_started=event_pb2.RunStarted()))
    started = event_pb2.StepStarted(step="llm", node_id="nod_1", node_title="Costs")
    view.take(event("step.started", status="running", step_id="llm:nod_1", percent=40, step_started=started))
    assert view.activity == "writing · Costs"
    progress = event_pb2.RunProgress(steps_done=4, steps_total=9, node_title="Costs", remaining_ms=12_400)
    view.take(event("run.progress", status="running", percent=44.4, run_progress=progress))
    assert (view.percent, view.time_left) == (44.4, "about 12 s left")
    done = event_pb2.RunCompleted(sentences=9, cited_sentences=9, cited_sources=3)
    view.take(event("run.completed", status="succeeded", percent=100, run_completed=done))
    assert (view.state, view.percent, view.is_over, view.time_left) == ("succeeded", 100.0, True, "")
    assert view.completed == done
    assert view.last_event_id == "evt_run.completed"


def test_the_state_of_a_step_is_not_that_of_the_run() -> None:
    view = RunView(state="running")
    completed = event_pb2.StepCompleted(step="outline")
    view.take(event("step.completed", status="succeeded", step_id="outline", step_completed=completed))
    assert view.state == "running"
    assert not view.is_over


def test_progress_does_not_tremble_but_a_restart_goes_back() -> None:
    view = RunView()
    view.take(event("run.progress", percent=60, run_progress=event_pb2.RunProgress(remaining_ms=-1)))
    view.take(event("step.started", percent=58, step_id="s", step_started=event_pb2.StepStarted(step="verify")))
    assert view.percent == 60
    view.take(event("run.restart.requested", percent=20, run_controlled=event_pb2.RunControlled()))
    assert view.percent == 20


def test_warnings_and_the_failure_are_kept() -> None:
    view = RunView()
    view.take(event("warning", warning=event_pb2.Notice(code="SOURCE_UNREADABLE", message="bad", subject="x.pdf")))
    failed = event_pb2.RunFailed(error_code="NO_EVIDENCE", message="nothing")
    view.take(event("run.failed", status="failed", run_failed=failed))
    assert [warning.code for warning in view.warnings] == ["SOURCE_UNREADABLE"]
    assert view.failed == failed
    assert view.is_over


def test_long_times_are_told_in_minutes() -> None:
    view = RunView()
    view.take(event("run.progress", run_progress=event_pb2.RunProgress(remaining_ms=125_000)))
    assert view.time_left == "about 2 min 5 s left"


def test_an_unknown_step_keeps_its_own_name() -> None:
    view = RunView()
    view.take(event("step.started", step_id="x", step_started=event_pb2.StepStarted(step="translate")))
    assert view.activity == "translate"
