"""`lace templates batch` and `batches` against an API that answers as it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from rich.progress import Progress, TaskID

from lace.llm_gateway.v1 import templates_pb2
from lace_cli.commands import batches
from lace_cli.failures import INTERRUPTED, WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

BATCH: dict[str, Any] = {
    "batch_id": "bat_1", "template_id": "tpl_1", "state": "queued", "provider": "openai", "model": "gpt-4o",
    "total": 4, "created_at": "2026-11-01T12:00:00Z", "updated_at": "2026-11-01T12:00:00Z",
}  # fmt: skip


def test_a_batch_is_asked_for_and_followed_to_its_end(
    api: ScriptedApi, lace: Lace, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.on("POST", "/v1/templates/tpl_1/batch-run", BATCH)
    done = {**BATCH, "state": "completed", "succeeded": 4, "locked_version": "gpt-4o-2024-08-06"}
    api.on("GET", "/v1/batches/bat_1", {**BATCH, "state": "running", "succeeded": 1})
    waiting = SimpleNamespace(sleep=lambda seconds: api.on("GET", "/v1/batches/bat_1", done))
    monkeypatch.setattr(batches, "time", waiting)
    told = lace(
        "templates", "batch", "run", "tpl_1", "--var", "city=Graz", "--var", "years:=[2024]", "--locale", "de-AT",
        "--locale", "fr", "--mode", "required", "--replicates", "2", "--drift", "fail",
    )  # fmt: skip
    assert told.code == 0, told.err
    assert api.last("POST").json == {
        "variables": {"city": "Graz", "years": [2024]}, "locales": ["de-AT", "fr"], "modes": ["required"],
        "replicates": 2, "drift_policy": "fail",
    }  # fmt: skip
    lines = told.out.splitlines()
    assert lines[:2] == ["Runs  1/4  running", "Runs  4/4  completed"]
    assert "4 of 4 succeeded" in told.out
    assert "gpt-4o-2024-08-06" in told.out


def test_a_paused_batch_says_how_to_go_on(api: ScriptedApi, lace: Lace) -> None:
    drifted = {**BATCH, "state": "paused", "drifted": 1, "error_code": "BATCH_DRIFTED", "error_message": "fp_2"}
    api.on("GET", "/v1/batches/bat_1", drifted)
    told = lace("templates", "batch", "watch", "bat_1")
    assert told.code == 0, told.err
    assert "lace templates batch resume bat_1 --accept-drift" in told.out


def test_a_failed_batch_is_a_failure_of_the_command(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/batches/bat_1", {**BATCH, "state": "failed", "error_code": "BATCH_DRIFTED"})
    assert lace("templates", "batch", "show", "bat_1").code == 1


def test_resume_says_what_is_wanted(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/batches/bat_1:resume", BATCH)
    told = lace("templates", "batch", "resume", "bat_1", "--accept-drift", "--retry-failed", "--detach", "--json")
    assert told.code == 0, told.err
    assert api.last("POST").json == {"accept_drift": True, "retry_failed": True}
    assert json.loads(told.out)["batch_id"] == "bat_1"


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_a_batch_is_paused_and_cancelled(api: ScriptedApi, lace: Lace, verb: str) -> None:
    api.on("POST", f"/v1/batches/bat_1:{verb}", {**BATCH, "state": "pausing"})
    told = lace("templates", "batch", verb, "bat_1")
    assert told.code == 0, told.err
    assert "pausing" in told.out


def test_batches_are_listed(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/templates/tpl_1/batches", {"batches": [{**BATCH, "succeeded": 3, "cost_micro_usd": 2500}]})
    told = lace("templates", "batches", "tpl_1", "--state", "queued")
    assert told.out.split("\t") == ["bat_1", "2026-11-01 12:00:00", "queued", "3/4", "0", "0", "", "0.0025\n"]
    assert api.last("GET").query["state"] == ["queued"]


@pytest.mark.parametrize("wrong", ["city", "=Graz", "n:=x"])
def test_a_value_that_is_none_is_said(lace: Lace, wrong: str) -> None:
    told = lace("templates", "batch", "run", "tpl_1", "--var", wrong)
    assert told.code == WRONG_USE


def test_ctrl_c_leaves_the_batch_and_says_how_to_come_back(
    api: ScriptedApi, lace: Lace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batches, "time", SimpleNamespace(sleep=interrupted))
    api.on("GET", "/v1/batches/bat_1", {**BATCH, "state": "running"})
    told = lace("templates", "batch", "watch", "bat_1")
    assert told.code == INTERRUPTED
    for advised in ("the batch goes on", "batch watch bat_1", "batch pause bat_1"):
        assert advised in told.err


def test_a_failed_batch_says_what_to_do(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/batches/bat_1", {**BATCH, "state": "failed", "error_code": "MODEL_VERSION_MISMATCH"})
    assert "The provider changed the model" in lace("templates", "batch", "show", "bat_1").out


def test_the_bar_moves_while_the_batch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[float | None] = []
    update = Progress.update

    def noted(self: Progress, task_id: TaskID, **fields: Any) -> None:
        shown.append(fields["completed"])
        update(self, task_id, **fields)

    def states() -> Iterator[templates_pb2.Batch]:
        for succeeded in (0, 1, 4):
            assert len(shown) == min(succeeded, 2)  # what came before is shown by the time that the next is asked for
            yield templates_pb2.Batch(batch_id="bat_1", total=4, succeeded=succeeded)

    monkeypatch.setattr(Progress, "update", noted)
    assert batches._bar(states()).succeeded == 4
    assert shown == [0, 1, 4]
