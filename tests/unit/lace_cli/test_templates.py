"""`lace templates` against an API that answers as it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lace_cli.failures import NOT_FOUND, WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace

CONTENT: dict[str, Any] = {
    "name": "advice",
    "version": "1",
    "messages": [{"role": "user", "content": "Advise on {{topic}}."}],
    "variables": [{"name": "topic", "type": "string"}],
}
TEMPLATE: dict[str, Any] = {
    "template_id": "tpl_1", "template_sha256": "ab" * 32, "content": CONTENT, "created_at": "2026-11-01T12:00:00Z",
    "created_by": "prn_1",
}  # fmt: skip
RUN: dict[str, Any] = {
    "run_id": "trn_1", "template_id": "tpl_1", "state": "succeeded", "output": "Insulate first.", "provider": "openai",
    "answered_model": "gpt-4o-2024-08-06", "input_tokens": 12, "output_tokens": 4, "cost_micro_usd": 3500,
    "response_output_sha256": "cd" * 32, "created_at": "2026-11-01T12:00:00Z",
}  # fmt: skip


def test_a_template_is_kept_out_of_a_file(api: ScriptedApi, lace: Lace, tmp_path: Path) -> None:
    api.on("POST", "/v1/templates", TEMPLATE)
    file = tmp_path / "advice.json"
    file.write_text(json.dumps(CONTENT))
    told = lace("templates", "create", str(file))
    assert told.code == 0, told.err
    assert api.last("POST").json == CONTENT
    assert "tpl_1  advice 1" in told.out
    assert "lace templates run tpl_1 --var topic=…" in told.out
    file.write_text("[1]")
    assert lace("templates", "create", str(file)).code == WRONG_USE


def test_templates_are_listed_and_shown(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/templates", {"templates": [TEMPLATE]})
    api.on("GET", "/v1/templates/tpl_1", TEMPLATE)
    assert "advice" in lace("templates", "list", "--name", "advice").out
    shown = lace("templates", "show", "tpl_1").out
    assert "{{topic}} string" in shown
    assert "Advise on {{topic}}." in shown
    assert json.loads(lace("templates", "show", "tpl_1", "--json").out)["template_sha256"] == "ab" * 32


def test_a_run_prints_its_answer_alone_and_its_origin_beside(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/templates/tpl_1/run", RUN)
    told = lace("templates", "run", "tpl_1", "--var", "topic=heat", "--var", "years:=[2024]", "--locale", "de-AT")
    assert told.code == 0, told.err
    assert told.out == "Insulate first.\n"
    assert "openai/gpt-4o-2024-08-06" in told.err
    assert api.last("POST").json == {"variables": {"topic": "heat", "years": [2024]}, "locale": "de-AT"}
    assert lace("templates", "run", "tpl_1", "--var", "topic").code == WRONG_USE


def test_a_run_that_is_not_waited_for_says_where_to_look(api: ScriptedApi, lace: Lace) -> None:
    api.on("POST", "/v1/templates/tpl_1/run", {**RUN, "state": "queued", "output": ""})
    told = lace("templates", "run", "tpl_1", "--detach")
    assert api.last("POST").json == {"variables": {}, "respond_async": True}
    assert "trn_1 queued" in told.out
    assert "lace templates runs tpl_1" in told.out


def test_runs_are_filtered(api: ScriptedApi, lace: Lace) -> None:
    api.on("GET", "/v1/templates/tpl_1/runs", {"runs": [RUN]})
    told = lace("templates", "runs", "tpl_1", "--state", "succeeded", "--output", "cd" * 32)
    assert told.code == 0, told.err
    assert "trn_1" in told.out
    assert "0.0035" in told.out


def test_failures_say_what_to_do(api: ScriptedApi, lace: Lace) -> None:
    api.refuse("GET", "/v1/templates/tpl_x", 404, "TEMPLATE_NOT_FOUND", "No template tpl_x.")
    told = lace("templates", "show", "tpl_x")
    assert told.code == NOT_FOUND
    assert "lace templates list" in told.err
