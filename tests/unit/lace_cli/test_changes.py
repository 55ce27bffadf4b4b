"""Changing documents and registering pipelines from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace, story

STARTED = {"run_id": "run_1", "artifact_id": "art_1", "state": "queued", "pipeline_id": "expand", "reason": ""}


@pytest.fixture
def changed(api: ScriptedApi) -> ScriptedApi:
    """An API on which every change succeeds at once."""
    for pipeline_id in ("regenerate", "expand", "enrich", "patch", "auto", "draft"):
        api.on("POST", f"/v1/runs/{pipeline_id}", {**STARTED, "pipeline_id": pipeline_id}, status=202)
    api.stream("/v1/runs/run_1/stream", story(sentences=3, cited_sentences=3, cited_sources=1, dropped_citations=2))
    api.on("GET", "/v1/artifacts/art_1", {"artifact_id": "art_1", "title": "Costs"})
    return api


@pytest.mark.parametrize("command", ["regenerate", "expand", "enrich", "patch"])
def test_a_change_says_its_scope(lace: Lace, changed: ScriptedApi, command: str) -> None:
    more = ("-i", "Leave out the loan.") if command == "patch" else ()
    told = lace(command, "art_1", "--node", "nod_1", "--scope", "node", "--base", "rev_1", *more)
    assert told.code == 0, told.err
    asked = changed.last("POST").json
    assert (asked["artifact_id"], asked["node_id"], asked["scope"]) == ("art_1", "nod_1", "node")
    assert asked["base_revision_id"] == "rev_1"
    assert asked.get("instructions") == ("Leave out the loan." if command == "patch" else None)
    assert "3 of 3 sentences cited" in told.out
    assert "2 citations were dropped" in told.out


def test_instructions_come_from_a_file(lace: Lace, changed: ScriptedApi, tmp_path: Path) -> None:
    (tmp_path / "wish.txt").write_text("Shorter.", encoding="utf-8")
    assert lace("patch", "art_1", "-i", "@wish.txt").code == 0
    assert changed.last("POST").json["instructions"] == "Shorter."
    assert lace("patch", "art_1").code == 2, "patch needs instructions"


def test_auto_says_what_it_chose_and_why(lace: Lace, changed: ScriptedApi) -> None:
    chosen = {**STARTED, "pipeline_id": "enrich", "reason": "1 source is ready."}
    changed.on("POST", "/v1/runs/auto", chosen, status=202)
    told = lace("auto", "art_1", "--detach")
    assert told.out.splitlines()[0] == "enrich: 1 source is ready."
    assert "scope" not in changed.last("POST").json
    assert json.loads(lace("auto", "art_1", "--detach", "--json").out)["pipeline_id"] == "enrich"


def test_pipelines_are_listed_registered_and_run(lace: Lace, changed: ScriptedApi, tmp_path: Path) -> None:
    steps = [{"step": "load"}, {"step": "resolve"}]
    draft = {"pipeline_id": "draft", "version": 2, "custom": True, "steps": steps}
    changed.on("GET", "/v1/pipelines", {"pipelines": [draft]})
    assert lace("pipelines").out == "draft\t2\town\tload resolve\n"
    assert json.loads(lace("pipelines", "--json").out)[0]["pipeline_id"] == "draft"
    changed.on("POST", "/v1/pipelines", draft, status=201)
    definition = {"pipeline_id": "draft", "base": "generate", "without": ["compile"]}
    (tmp_path / "draft.json").write_text(json.dumps(definition), encoding="utf-8")
    told = lace("pipelines", "create", "draft.json")
    assert changed.last("POST").json == definition
    assert told.out.splitlines()[0] == "draft 2: load → resolve"
    assert lace("pipelines", "run", "draft", "--title", "Costs").code == 0
    assert changed.last("POST").path == "/v1/runs/draft"


def test_a_definition_that_is_none_is_wrong_use(lace: Lace, changed: ScriptedApi, tmp_path: Path) -> None:
    for text in ("no json", "[]"):
        (tmp_path / "bad.json").write_text(text, encoding="utf-8")
        told = lace("pipelines", "create", "bad.json")
        assert told.code == 2
        assert "bad.json" in told.err
    changed.refuse(
        "POST", "/v1/pipelines", 400, "PIPELINE_INVALID", "draft cannot be run: There is no step sing.",
        details=[{"field": "/steps/0/step", "description": "STEP_UNKNOWN: There is no step sing."}],
    )  # fmt: skip
    (tmp_path / "bad.json").write_text('{"pipeline_id": "draft"}', encoding="utf-8")
    refused = lace("pipelines", "create", "bad.json")
    assert refused.code != 0
    assert "/steps/0/step" in refused.err


@pytest.mark.parametrize("command", ["regenerate", "expand", "enrich", "patch", "auto", "pipelines"])
def test_help_teaches(lace: Lace, command: str) -> None:
    told = lace(command, "--help")
    assert told.code == 0
    assert f"lace {command}" in told.out
    assert "Example" in told.out
