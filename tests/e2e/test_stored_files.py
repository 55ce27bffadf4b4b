"""Files of a running installation that are damaged or in the way: what fails says so, and what is committed stands."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import Stage

pytestmark = pytest.mark.one_process  # elsewhere the files are on an S3 server


@pytest.fixture
def blobs(installation: RunningInstallation) -> Path:
    """Where the files are."""
    return installation.data_dir / "blobs"


async def _ended(api: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await api.get(f"/v1/runs/{run_id}")).json()
            if run["state"] in ("succeeded", "failed"):
                return run
            await asyncio.sleep(0.05)


async def _compile(stage: Stage, artifact_id: str) -> dict[str, Any]:
    started = await stage.change("POST", "/v1/compile", {"artifact_id": artifact_id, "targets": ["md"]})
    return await _ended(stage.api, started["run_id"])


async def test_a_failed_compilation_leaves_the_revision_and_the_next_is_an_attempt_of_its_own(
    api: httpx.AsyncClient, installation: RunningInstallation, blobs: Path
) -> None:
    stage = Stage(api, installation.admin_dsn)
    artifact_id = await stage.document(1)
    before = (await api.get(f"/v1/artifacts/{artifact_id}")).json()
    tenant = await stage.sql("SELECT tenant_id FROM runs.artifacts WHERE artifact_id = %(a)s", a=artifact_id)
    assert not (await _compile(stage, artifact_id)).get("warnings")
    [place] = (blobs / f"lace-compiled/{tenant}/{artifact_id}/{before['revision_id']}").rglob("*.md")
    shutil.rmtree(place.parent)
    _in_the_way(place, b"something else")

    failed = await _compile(stage, artifact_id)
    assert failed["state"] == "succeeded", "the revision stands; the target is a warning"
    assert [warning["code"] for warning in failed["warnings"]] == ["BLOB_CONFLICT"]
    shutil.rmtree(place.parent)
    done = await _compile(stage, artifact_id)
    assert (done["state"], done.get("warnings", [])) == ("succeeded", [])

    third, second, first = (await api.get(f"/v1/compiled/{artifact_id}")).json()["compiled"]
    assert [(c["attempt"], c["status"], c.get("error_code", "")) for c in (first, second, third)] == [
        (1, "succeeded", ""), (2, "failed", "BLOB_CONFLICT"), (3, "succeeded", ""),
    ]  # fmt: skip
    assert len({first["compiled_id"], second["compiled_id"], third["compiled_id"]}) == 3
    assert (await api.get(f"/v1/artifacts/{artifact_id}")).json() == before
    assert (await api.get(f"/v1/artifacts/{artifact_id}:verify")).json()["intact"] is True


def _in_the_way(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    about = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "content_type": "text/plain"}
    place.with_name(f".{place.name}.about").write_bytes(orjson.dumps(about))


@pytest.mark.parametrize(("damage", "code"), [("lose", "BLOB_NOT_FOUND"), ("alter", "BLOB_CORRUPT")])
async def test_a_damaged_source_file_fails_the_run_that_reads_it_and_what_was_read_stays(
    api: httpx.AsyncClient, installation: RunningInstallation, blobs: Path, damage: str, code: str
) -> None:
    stage = Stage(api, installation.admin_dsn)
    source = await _source(api)
    [place] = [path for path in (blobs / "lace-sources").rglob("*") if _holds(path, source)]
    if damage == "lose":
        place.unlink()
    else:
        place.write_bytes(place.read_bytes().upper())
    # As after an upgrade of the extraction: the file itself is needed once more.
    await stage.sql("UPDATE ingest.sources SET extraction = 'old' WHERE source_id = %(s)s", s=source["source_id"])
    started = await stage.change("POST", "/v1/runs/ingest", {"source_ids": [source["source_id"]]})
    run = await _ended(api, started["run_id"])
    assert (run["state"], run["error_code"]) == ("failed", code)
    now = (await api.get(f"/v1/sources/{source['source_id']}")).json()
    assert (now["state"], now["unit_count"]) == ("ready", source["unit_count"])


async def _source(api: httpx.AsyncClient) -> dict[str, Any]:
    name = f"{uuid.uuid4().hex}.md"
    content = f"# {name}\n\nThe pump was tested on 8 July 2025.\n".encode()
    answer = await api.post("/v1/sources:ingest", files=[("files", (name, content))], headers={"idempotency-key": name})
    assert (await _ended(api, answer.json()["run_id"]))["state"] == "succeeded"
    [taken] = answer.json()["sources"]
    found: dict[str, Any] = (await api.get(f"/v1/sources/{taken['source_id']}")).json()
    return found


def _holds(path: Path, source: Mapping[str, Any]) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == source["sha256"]
