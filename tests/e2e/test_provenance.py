"""After a real run: every transformation is on record, and every recorded hash is that of bytes still there."""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from lace_core.prompt_pins import PROMPT_PINS
from lace_core.version import VERSION
from lace_platform.ids import new_id
from tests.e2e.conftest import IN_ONE_PROCESS, RunningInstallation

# Here blobs are files in a folder, which can be read without any code of ours.
pytestmark = pytest.mark.parametrize("installation", [IN_ONE_PROCESS], indirect=True, scope="session")

DOSSIER = Path(__file__).parents[2] / "examples" / "dossier"
FILES = ("01-programme-brief.md", "03-public-consultation.txt", "05-design-basis.docx", "07-risk-register.json")
TARGETS = {"md", "docx", "pdf", "owl"}
ENDED = {"succeeded", "failed", "cancelled"}
# What happens before it is known which sources there are.
WITHOUT_SOURCES = {"load", "resolve"}
WITH_A_MODEL = {"intent", "outline", "llm"}

Log = dict[str, Any]
Entity = dict[str, str]
Resolve = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True)
class Made:
    """One document, from its files to its compiled files: the two runs with their steps and logs."""

    principal_id: str
    source_ids: list[str]
    runs: dict[str, dict[str, Any]]
    steps: dict[str, list[dict[str, Any]]]
    logs: dict[str, list[Log]]
    compiled: list[dict[str, Any]]

    def all_logs(self) -> list[Log]:
        return [log for logs in self.logs.values() for log in logs]

    def of_steps(self, pipeline_id: str) -> list[Log]:
        return [log for log in self.logs[pipeline_id] if log["agent"].startswith("lace-runs/")]

    def of_jobs(self, pipeline_id: str) -> list[Log]:
        return [log for log in self.logs[pipeline_id] if not log["agent"].startswith("lace-runs/")]


@pytest.fixture(scope="module")
async def made(installation: RunningInstallation) -> Made:
    """Four documents of four formats, read and written about, with the record of it complete."""
    headers = {"authorization": f"Bearer {installation.token}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as api:
        return await make(api)


async def make(api: httpx.AsyncClient) -> Made:
    files = [("files", (name, unread((DOSSIER / name).read_bytes()))) for name in FILES]
    ingest = await ended(api, await started(api, "/v1/sources:ingest", files=files))
    asked = {
        "title": "Harrow Bay Water Renewal",
        "source_ids": ingest["source_ids"],  # others of the tenant are other tests'
        "settings": {"runs.max_sections": 3, "runs.target_words": 600},
    }
    generate = await ended(api, await started(api, "/v1/runs/generate", json=asked))
    runs = {"ingest": ingest, "generate": generate}
    steps = {
        name: (await get(api, f"/v1/runs/{run['run_id']}/steps?page_size=500"))["steps"] for name, run in runs.items()
    }
    jobs = {"ingest": len(FILES), "generate": len(TARGETS)}
    return Made(
        principal_id=generate["requested_by"],
        source_ids=ingest["source_ids"],
        runs=runs,
        steps=steps,
        logs={name: await recorded(api, run["run_id"], len(steps[name]) + jobs[name]) for name, run in runs.items()},
        compiled=(await get(api, f"/v1/compiled/{generate['artifact_id']}"))["compiled"],
    )


@pytest.fixture(scope="module")
async def stored(installation: RunningInstallation) -> AsyncIterator[Resolve]:
    """The bytes behind a uri, straight from the disk and the tables: no code of ours vouches for them."""
    blobs = installation.data_dir / "blobs"
    async with await psycopg.AsyncConnection.connect(installation.admin_dsn) as connection:

        async def row(query: str, *key: str) -> str:
            found = await (await connection.execute(query.encode(), key)).fetchone()
            assert found is not None, f"no row {key}"
            return str(found[0])

        async def resolve(uri: str) -> bytes:
            scheme, separator, path = uri.partition("://")
            if not separator:
                return (blobs / uri).read_bytes()
            table, *key = path.split("/", 2)
            if (scheme, table) == ("runs", "run_checkpoints"):
                query = "SELECT data FROM runs.run_checkpoints WHERE run_id = %s AND step_id = %s"
                return (await row(query, *key)).encode()
            assert (scheme, table) == ("ingest", "sources"), f"{uri} names nothing that is known"
            return (blobs / await row("SELECT raw_uri FROM ingest.sources WHERE source_id = %s", *key)).read_bytes()

        yield resolve


def unread(data: bytes) -> bytes:
    """The same document in other bytes: what another test has had read is not read again, and then has no units."""
    if not data.startswith(b"PK"):
        return data + b"\n"
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as package:
        package.comment = b"for the test of provenance"
    return file.getvalue()


async def get(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def started(api: httpx.AsyncClient, path: str, **content: Any) -> str:
    answer = await api.post(path, headers={"idempotency-key": new_id("idk")}, **content)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["run_id"])


async def ended(api: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """The run when it has ended, and well."""
    deadline = time.monotonic() + 90
    while (run := await get(api, f"/v1/runs/{run_id}"))["state"] not in ENDED:
        assert time.monotonic() < deadline, f"{run_id} is still {run['state']}"
        await asyncio.sleep(0.1)
    assert run["state"] == "succeeded", run
    return run


async def recorded(api: httpx.AsyncClient, run_id: str, count: int) -> list[Log]:
    """The run's logs; they come over the bus, so that the last ones may arrive after the run's end."""
    deadline = time.monotonic() + 15
    while True:
        answer = await api.get(f"/v1/provenance/runs/{run_id}?page_size=500")
        logs: list[Log] = answer.json()["logs"] if answer.status_code == 200 else []
        if len(logs) >= count or time.monotonic() > deadline:
            return logs
        await asyncio.sleep(0.1)


def entities(logs: Sequence[Log]) -> list[Entity]:
    return [entity for log in logs for entity in (*log["inputs"], *log["outputs"])]


async def mismatches(found: Sequence[Entity], resolve: Resolve) -> list[Entity]:
    """The entities whose recorded hash is not that of their bytes."""
    bytes_of = {uri: await resolve(uri) for uri in sorted({entity["uri"] for entity in found})}
    return [e for e in found if hashlib.sha256(bytes_of[e["uri"]]).hexdigest() != e["content_hash"]]


async def test_every_hash_is_that_of_the_stored_bytes(made: Made, stored: Resolve) -> None:
    found = entities(made.all_logs())
    assert await mismatches(found, stored) == []
    kinds = {entity["kind"] for entity in found}
    assert kinds == {"source", "units", "settings", "step_output", "revision", "compiled"}
    schemes = {entity["uri"].partition("/")[0] for entity in found}
    assert {"runs:", "ingest:", "lace-sources", "lace-artifacts", "lace-compiled"} <= schemes


async def test_one_changed_byte_would_be_found(made: Made, stored: Resolve) -> None:
    found = entities(made.all_logs())
    changed = made.compiled[0]["bundle_uri"]

    async def resolve(uri: str) -> bytes:
        data = await stored(uri)
        return data[:-1] + bytes([data[-1] ^ 1]) if uri == changed else data

    wrong = await mismatches(found, resolve)
    assert {entity["uri"] for entity in wrong} == {changed}


@pytest.mark.parametrize("pipeline_id", ["ingest", "generate"])
def test_every_step_has_one_log(made: Made, pipeline_id: str) -> None:
    steps = sorted(step["step_id"] for step in made.steps[pipeline_id] if step["state"] == "succeeded")
    assert len(steps) >= len(FILES)
    assert sorted(log["activity_name"] for log in made.of_steps(pipeline_id)) == steps


def test_every_job_has_one_log(made: Made) -> None:
    read = sorted(log["activity_name"] for log in made.of_jobs("ingest"))
    assert read == sorted(f"extract:{source_id}" for source_id in made.source_ids)
    compiled = sorted(log["activity_name"] for log in made.of_jobs("generate"))
    assert compiled == sorted(f"compile:{target}" for target in TARGETS)


@pytest.mark.parametrize("pipeline_id", ["ingest", "generate"])
def test_logs_say_whose_run_it_was_and_when(made: Made, pipeline_id: str) -> None:
    run = made.runs[pipeline_id]
    for log in made.logs[pipeline_id]:
        who = log["tenant_id"], log["run_id"], log["correlation_id"]
        assert who == (run["tenant_id"], run["run_id"], run["correlation_id"]), log["activity_name"]
        began, ends = datetime.fromisoformat(log["started_at"]), datetime.fromisoformat(log["ended_at"])
        assert datetime.fromisoformat(run["created_at"]) <= began <= ends <= datetime.fromisoformat(run["ended_at"])
    assert {log["on_behalf_of"] for log in made.of_steps(pipeline_id)} == {made.principal_id}


@pytest.mark.parametrize("pipeline_id", ["ingest", "generate"])
def test_the_logs_of_a_run_belong_to_one_trace(made: Made, pipeline_id: str) -> None:
    logs = made.logs[pipeline_id]
    assert all(len(log["trace_id"]) == 32 for log in logs)
    assert len({log["trace_id"] for log in logs}) == 1
    assert all(log["span_id"] or log["parent_span_id"] for log in logs)


def test_logs_say_what_hangs_on_what(made: Made) -> None:
    for log in made.all_logs():
        assert log["inputs"], log["activity_name"]
        assert log["outputs"], log["activity_name"]
        assert log["lineage"]["was_derived_from"] == sorted(entity["entity_id"] for entity in log["inputs"])
        assert log["lineage"]["job_name"], log["activity_name"]
        assert log["lineage"]["status"] == "complete", log["activity_name"]
        assert log["security"]["classification"] == "unclassified", log["activity_name"]
        assert log["retention"]["policy_id"], log["activity_name"]


def test_logs_name_the_sources_they_rest_on(made: Made) -> None:
    without = {log["stage"] for log in made.all_logs() if not log["provenance"]["sources"]}
    assert without == WITHOUT_SOURCES
    named = {source_id for log in made.all_logs() for source_id in log["provenance"]["sources"]}
    assert named == set(made.source_ids)


async def test_steps_with_a_model_say_which(api: httpx.AsyncClient, made: Made) -> None:
    with_model = [log for log in made.of_steps("generate") if "genai" in log]
    assert {log["stage"] for log in with_model} >= WITH_A_MODEL
    for log in with_model:
        genai = log["genai"]
        assert genai["model_id"], log["activity_name"]
        assert genai["model_provider"], log["activity_name"]
        assert genai["call_ids"], log["activity_name"]
        assert genai["usage"]["output_tokens"] > 0, log["activity_name"]
        named = {name: genai["parameters"][f"template_{name}"] for name in ("id", "version", "hash")}
        assert named["hash"] in {pin.split("=")[1] for pin in PROMPT_PINS}, log["activity_name"]
        template = await get(api, f"/v1/templates/{named['id']}")
        assert (template["template_sha256"], template["content"]["version"]) == (named["hash"], named["version"])


@pytest.mark.parametrize("target", sorted(TARGETS))
async def test_a_compiled_file_leads_back_to_its_sources(api: httpx.AsyncClient, made: Made, target: str) -> None:
    compiled = next(each for each in made.compiled if each["target"] == target)
    walk = await get(api, f"/v1/provenance/entities/{compiled['compiled_id']}")
    assert [entity["content_hash"] for entity in walk["entity"]] == [compiled["bundle_hash"]]
    assert {log["agent"].partition(" ")[0] for log in walk["generated_by"]} == {"compiler", f"lace-runs/{VERSION}"}
    origins = walk["derived_from"]
    assert compiled["revision_id"] in {entity["entity_id"] for entity in origins}
    assert {entity["entity_id"] for entity in origins if entity["kind"] == "source"} == set(made.source_ids)


async def test_a_source_leads_to_what_was_made_of_it(api: httpx.AsyncClient, made: Made) -> None:
    found = await get(api, f"/v1/provenance/entities/{made.source_ids[0]}")
    assert {"extract", "ingest", "sources", "context", "validate"} <= {log["stage"] for log in found["used_by"]}
    assert found["derived_from"] == []


async def test_what_was_never_recorded_is_not_found(api: httpx.AsyncClient, made: Made) -> None:
    answer = await api.get(f"/v1/provenance/entities/{made.source_ids[0]}x")
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "PROVENANCE_NOT_FOUND"
