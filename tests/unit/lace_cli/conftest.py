"""The command line against an API that answers as it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from lace_cli.main import run
from tests.doubles.scripted_api import ScriptedApi, scripted_api


@dataclass(frozen=True)
class Told:
    """What a command line came to."""

    code: int
    out: str
    err: str


Lace = Callable[..., Told]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedApi]:
    """The API that commands find; and an empty folder to be in."""
    with scripted_api() as scripted:
        monkeypatch.setenv("LACE_URL", scripted.url)
        monkeypatch.setenv("LACE_TOKEN", "lace_secret")
        monkeypatch.chdir(tmp_path)
        yield scripted


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Commands that start services set up this process's logging; other tests have their own."""
    configured, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**configured)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def lace(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lace:
    """Runs a command line: `lace("runs", "--json")`."""
    # Wide enough that no line of a message is broken by the width of whoever's terminal.
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Told:
        code = run(arguments)
        printed = capsys.readouterr()
        return Told(code, printed.out, printed.err)

    return call


def event(number: int, event_type: str, payload: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A run's event in its JSON form."""
    return {
        "event_id": f"evt_1_{number}",
        "event_type": f"pipeline.{event_type}",
        "sequence": number,
        "run_id": "run_1",
        "payload": payload,
        **members,
    }


def story(*, end: str = "completed", **result: Any) -> list[dict[str, Any]]:
    """The events of a short run that ends as `end` says."""
    last: dict[str, dict[str, Any]] = {
        "completed": {"run_completed": {"artifact_id": "art_1", "revision_id": "rev_1", **result}},
        "failed": {"run_failed": {"error_code": "NO_EVIDENCE", "message": "The sources say nothing of it.", **result}},
        "cancelled": {"run_controlled": {"requested_by": "prn_1"}},
    }
    state = "succeeded" if end == "completed" else end
    started = {"step_started": {"step": "llm", "node_id": "nod_1", "node_title": "Costs"}}
    progress = {"run_progress": {"steps_done": 1, "steps_total": 2, "node_title": "Costs", "remaining_ms": 4000}}
    return [
        event(1, "run.requested", {"run_requested": {"title": "Costs"}}, status="queued"),
        event(2, "step.started", started, status="running", step_id="llm:nod_1", progress_pct=20.0),
        event(3, "run.progress", progress, status="running", progress_pct=50.0),
        event(4, f"run.{end}", last[end], status=state, progress_pct=100.0),
    ]
