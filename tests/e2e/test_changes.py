"""A written document changed through the API: each pipeline, the choice among them, and pipelines of one's own."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import RunningInstallation

FIRST = b"""# Ferry Road pumping station

## Cost

The final cost of the Ferry Road pumping station was 4.2 million pounds in 2021. The council paid 3.0 million pounds
of the cost. The county paid the remaining 1.2 million pounds from its flood budget.

## Safety

Inspectors tested the Ferry Road pumping station on 3 May 2022. The inspectors found no crack in the main girders of
the station. The alarm of the Ferry Road pumping station was renewed in June 2022.
"""
SECOND = b"""# Ferry Road review

## Cost

The final cost of the Ferry Road pumping station was 4.2 million pounds in 2021. The loan of the Ferry Road pumping
station runs for twenty years. The interest of the loan is 3.1 per cent a year.
"""


class Api:
    """The REST API as these tests speak to it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ingest(self, name: str, content: bytes) -> str:
        answer = await self.http.post("/v1/sources:ingest", files=[("files", (name, content))], headers=_key())
        assert answer.status_code == 202, answer.text
        await self.finished(answer.json()["run_id"])
        return str(answer.json()["sources"][0]["source_id"])

    async def start(self, pipeline_id: str, status: int = 202, **body: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/v1/runs/{pipeline_id}", json={"targets": ["md"], **body}, headers=_key())
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def finished(self, run_id: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                found: dict[str, Any] = (await self.http.get(f"/v1/runs/{run_id}")).json()
                if found["state"] in ("succeeded", "failed", "cancelled"):
                    assert found["state"] == "succeeded", found
                    return found
                await asyncio.sleep(0.03)

    async def run(self, pipeline_id: str, **body: Any) -> dict[str, Any]:
        return await self.finished((await self.start(pipeline_id, **body))["run_id"])

    async def sections(self, artifact_id: str) -> dict[str, dict[str, Any]]:
        """Every section with its text, by its title."""
        nodes = (await self.http.get(f"/v1/artifacts/{artifact_id}")).json()["nodes"]
        found = {}
        for node in nodes:
            shown = (await self.http.get(f"/v1/artifacts/{artifact_id}/nodes/{node['node_id']}")).json()["node"]
            found[node["title"]] = shown
        return found


def _key() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


def _texts(node: dict[str, Any]) -> list[str]:
    found = []
    for block in node.get("blocks", ()):
        for kind in ("paragraph", "quote", "list"):
            inner = block.get(kind, {})
            found += [part["text"] for part in inner.get("sentences", inner.get("items", ()))]
    return found


@pytest.fixture
def rest(api: httpx.AsyncClient) -> Api:
    return Api(api)


@pytest.fixture
async def written(rest: Api) -> tuple[str, str]:
    """An artifact out of the first source, and that source."""
    source = await rest.ingest(f"{uuid.uuid4().hex}.md", FIRST)
    run = await rest.run("generate", title="Ferry Road pumping station", source_ids=[source])
    return run["artifact_id"], source


async def test_each_way_changes_its_scope_alone(rest: Api, written: tuple[str, str]) -> None:
    artifact, source = written
    before = await rest.sections(artifact)
    cost = next(title for title in before if "ost" in title)
    others = [title for title in before if title != cost]
    second = await rest.ingest(f"{uuid.uuid4().hex}.md", SECOND)
    node = {"artifact_id": artifact, "node_id": before[cost]["node_id"], "scope": "node"}

    auto = await rest.start("auto", **node, source_ids=[source, second])
    assert (auto["pipeline_id"], "1 source is" in auto["reason"]) == ("enrich", True)
    enriched = await rest.finished(auto["run_id"])
    events = (await rest.http.get(f"/v1/runs/{auto['run_id']}/events")).json()["events"]
    asked = events[0]["payload"]["run_requested"]
    assert (asked["asked_pipeline_id"], asked["pipeline_id"], asked["reason"]) == ("auto", "enrich", auto["reason"])
    after = await rest.sections(artifact)
    assert [after[title] for title in others] == [before[title] for title in others]
    assert set(_texts(before[cost])) <= set(_texts(after[cost]))
    assert {e["source_id"] for e in after[cost]["evidence"]} == {source, second}
    assert enriched["result"]["dropped_citations"] == 0

    expanded = await rest.run("expand", **node, source_ids=[source, second])
    more = await rest.sections(artifact)
    assert set(_texts(after[cost])) <= set(_texts(more[cost]))
    assert "dropped" not in expanded["result"] or expanded["result"]["dropped"] == []

    patched = await rest.run("patch", **node, source_ids=[source, second], instructions="Leave out the loan.")
    shorter = await rest.sections(artifact)
    assert not [text for text in _texts(shorter[cost]) if "loan" in text]
    assert [shorter[title] for title in others] == [before[title] for title in others]
    lost = {item["quote"] for item in patched["result"]["dropped"]}
    assert any("loan" in quote for quote in lost)
    assert {warning["code"] for warning in patched["warnings"]} >= {"CITATIONS_DROPPED"}

    await rest.run("regenerate", **node, source_ids=[source])
    anew = await rest.sections(artifact)
    assert {e["source_id"] for e in anew[cost]["evidence"]} == {source}
    assert [anew[title] for title in others] == [before[title] for title in others]
    revisions = (await rest.http.get(f"/v1/artifacts/{artifact}/revisions")).json()["revisions"]
    assert len(revisions) >= 4


async def test_what_is_wrong_is_said_before_anything_is_made(rest: Api, written: tuple[str, str]) -> None:
    artifact, source = written
    runs_before = len((await rest.http.get("/v1/runs", params={"page_size": 500})).json()["runs"])
    for pipeline_id, body, status, code in (
        ("expand", {}, 400, "INVALID_ARGUMENT"),
        ("patch", {"artifact_id": artifact}, 400, "INVALID_ARGUMENT"),
        ("enrich", {"artifact_id": artifact, "node_id": "nod_none"}, 404, "NODE_NOT_FOUND"),
        ("generate", {"title": "x", "node_id": "nod_none"}, 400, "INVALID_ARGUMENT"),
        ("regenerate", {"artifact_id": artifact, "scope": "world"}, 400, "INVALID_ARGUMENT"),
        ("sing", {"source_ids": [source]}, 404, "PIPELINE_UNKNOWN"),
        ("auto", {}, 400, "INVALID_ARGUMENT"),
    ):
        assert (await rest.start(pipeline_id, status, **body))["error_code"] == code, pipeline_id
    runs_after = len((await rest.http.get("/v1/runs", params={"page_size": 500})).json()["runs"])
    assert runs_after == runs_before


async def test_a_pipeline_of_ones_own_is_registered_checked_and_run(
    rest: Api, written: tuple[str, str], installation: RunningInstallation
) -> None:
    source = written[1]
    pipeline_id = f"draft-{uuid.uuid4().hex[:8]}"
    wrong = {"pipeline_id": pipeline_id, "steps": [{"step": "load"}, {"step": "sing"}, {"step": "llm"}]}
    refused = await rest.http.post("/v1/pipelines", json=wrong, headers=_key())
    told = refused.json()
    assert (refused.status_code, told["error_code"]) == (400, "PIPELINE_INVALID")
    assert [detail["field"] for detail in told["details"]] == ["/steps/1/step"]
    definition = {"pipeline_id": pipeline_id, "base": "generate", "without": ["compile"]}
    versions = []
    for body in (definition, definition, {**definition, "description": "No files."}):
        answer = await rest.http.post("/v1/pipelines", json=body, headers=_key())
        assert answer.status_code == 201, answer.text
        versions.append(answer.json()["version"])
    assert versions == [1, 1, 2]
    listed = (await rest.http.get("/v1/pipelines")).json()["pipelines"]
    own = next(pipeline for pipeline in listed if pipeline["pipeline_id"] == pipeline_id)
    assert (own["custom"], own["versions"]) == (True, [1, 2])
    assert (await rest.http.get(f"/v1/pipelines/{pipeline_id}", params={"version": 1})).json()["version"] == 1
    assert (await rest.http.get("/v1/pipelines/none")).status_code == 404
    done = await rest.run(pipeline_id, title="Ferry Road", source_ids=[source])
    assert (done["pipeline_id"], done["pipeline_version"]) == (pipeline_id, 2)
    assert done["result"]["sentences"] > 0
    assert not done["result"].get("compiled")
