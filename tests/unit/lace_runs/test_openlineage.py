"""A run's ends as OpenLineage events: what is told, and that the specification's own schema takes it."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from lace_runs.domain.events import Event, EventDraft
from lace_runs.domain.openlineage import Datasets, run_events

_SPECS = Path(os.environ.get("LACE_SHARED", Path(__file__).parents[4] / "shared")) / "specs" / "openlineage"
_FAILED: dict[str, Any] = {
    "run_failed": {"error_code": "NO_EVIDENCE", "message": "Nothing was found.", "step_id": "plan"}
}
_CASES: dict[str, dict[str, Any]] = {
    "pipeline.run.started": {"run_started": {}},
    "pipeline.run.completed": {"run_completed": {}},
    "pipeline.run.failed": _FAILED,
    "pipeline.run.cancelled": {"run_controlled": {}},
}


def _event(kind: str, sequence: int) -> Event:
    draft = EventDraft(kind, _CASES.get(kind, {}), datetime(2026, 11, 21, 12, tzinfo=UTC))
    return Event("evt_1", sequence, "ten_a", "run_x", "generate", draft, 0.0, "req", "cor", "", "")


def _told(kind: str, *, sequence: int = 9, first_started: int = 2, revision_id: str = "rev_1") -> list[tuple[str, Any]]:
    datasets = Datasets(["src_a", "src_b"], "art_1", revision_id, first_started)
    return [(topic, told) for topic, told in run_events(_event(kind, sequence), datasets)]


def test_a_run_begins_once_and_ends_once() -> None:
    assert [topic for topic, _ in _told("pipeline.run.started", sequence=2)] == ["openlineage.start"]
    assert _told("pipeline.run.started", sequence=7) == [], "a worker that takes a run over begins nothing"
    assert _told("pipeline.step.started") == []
    ends = {kind: [told["eventType"] for _, told in _told(kind)] for kind in _CASES}
    assert ends == {
        "pipeline.run.started": [],
        "pipeline.run.completed": ["COMPLETE"],
        "pipeline.run.failed": ["FAIL"],
        "pipeline.run.cancelled": ["ABORT"],
    }
    unbegun = _told("pipeline.run.cancelled", first_started=0)
    assert [told["eventType"] for _, told in unbegun] == ["START", "ABORT"]


def test_it_says_what_went_in_and_what_came_out() -> None:
    [(_, told)] = _told("pipeline.run.completed")
    assert [entry["name"] for entry in told["inputs"]] == [
        "tenants/ten_a/sources/src_a",
        "tenants/ten_a/sources/src_b",
    ]
    over_a_bundle = Datasets(["src_a"], "", "", 2, "bnd_a", 3)
    [(_, told_of_it)] = run_events(_event("pipeline.run.completed", 9), over_a_bundle)
    named = told_of_it["inputs"][1]
    assert (named["name"], named["facets"]["version"]["datasetVersion"]) == ("tenants/ten_a/bundles/bnd_a", "3")
    [written] = told["outputs"]
    assert (written["namespace"], written["name"]) == ("lace", "tenants/ten_a/artifacts/art_1")
    assert written["facets"]["version"]["datasetVersion"] == "rev_1"
    assert (told["job"]["namespace"], told["job"]["name"]) == ("lace", "generate")
    assert uuid.UUID(told["run"]["runId"]).version == 5
    assert told["run"]["facets"]["lace_run"]["run_id"] == "run_x"
    [(_, failed)] = _told("pipeline.run.failed")
    assert failed["run"]["facets"]["errorMessage"]["message"] == "Nothing was found."
    assert failed["run"]["runId"] == told["run"]["runId"]


@pytest.mark.real_parts
@pytest.mark.skipif(not _SPECS.is_dir(), reason="no specifications beside the clone: LACE_SHARED names no such folder")
@pytest.mark.parametrize("kind", sorted(_CASES))
def test_the_schema_of_the_specification_takes_it(kind: str) -> None:
    registry = jsonschema_rs.Registry(
        [
            (schema["$id"], schema)
            for path in [_SPECS / "OpenLineage.json", *sorted((_SPECS / "facets").glob("*.json"))]
            if "$id" in (schema := json.loads(path.read_text()))
        ]
    )
    main = json.loads((_SPECS / "OpenLineage.json").read_text())
    checker = jsonschema_rs.Draft202012Validator(main, registry=registry, validate_formats=True)
    told = [told for _, told in _told(kind, first_started=0)]
    assert told or kind == "pipeline.run.started"
    for event in told:
        assert [error.message for error in checker.iter_errors(event)] == []
        for facet in (*event["run"]["facets"].values(), *(f for d in event["outputs"] for f in d["facets"].values())):
            own = jsonschema_rs.Draft202012Validator(
                {"$schema": main["$schema"], "$ref": facet["_schemaURL"]}, registry=registry, validate_formats=True
            )
            assert [error.message for error in own.iter_errors(facet)] == []
