"""Many documents at once, as a client takes them in: by upload and out of the inbox, with what became of each."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import Stage

Files = list[tuple[str, tuple[str, bytes]]]


def _key() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


def _md(mark: str, number: int) -> tuple[str, tuple[str, bytes]]:
    text = f"# Survey {number} of {mark}\n\nThe pier was inspected. It holds {number} tonnes.\n"
    return "files", (f"{mark}-{number:03}.md", text.encode())


async def _ended(api: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while True:
            run: dict[str, Any] = (await api.get(f"/v1/runs/{run_id}")).json()
            if run["state"] in ("succeeded", "failed", "cancelled"):
                return run
            await asyncio.sleep(0.05)


async def _files(api: httpx.AsyncClient, run_id: str, **asked: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        answer = await api.get(f"/v1/runs/{run_id}/files", params={"page_token": token, **asked})  # type: ignore[dict-item]
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["files"]
        token = page["next_page_token"]
        if not token:
            return found


async def test_a_request_of_many_files_is_one_run_that_says_what_became_of_each(api: httpx.AsyncClient) -> None:
    mark = uuid.uuid4().hex[:8]
    files: Files = [_md(mark, number) for number in range(12)]
    files += [("files", (f"{mark}-bad.json", b'{"a": [1, ')), ("files", ("all.zip", b"PK\x03\x04")), files[0]]
    key = _key()
    answer = await api.post("/v1/sources:ingest", files=files, headers=key)
    assert answer.status_code == 202, answer.text
    body = answer.json()
    [rejected] = body["rejected"]
    assert rejected["error_code"] == "SOURCE_FORMAT_UNSUPPORTED"
    assert "unpack it" in rejected["message"]

    run = await _ended(api, body["run_id"])
    assert run["state"] == "succeeded"
    assert {name: run["result"]["files"][name] for name in ("total", "ready", "failed")} == {
        "total": 13, "ready": 12, "failed": 1,
    }  # fmt: skip
    found = await _files(api, body["run_id"], page_size=5)
    assert [file["filename"] for file in found] == [name for _, (name, _) in files[:13]]
    assert [file["state"] for file in found] == ["ready"] * 12 + ["failed"]
    assert found[0]["units"] >= 1
    assert found[0]["words"] >= 8
    assert found[-1]["error_code"] == "SOURCE_UNREADABLE"
    assert [file["state"] for file in await _files(api, body["run_id"], state="failed")] == ["failed"]

    again = await api.post("/v1/sources:ingest", files=files, headers=key)
    assert again.json()["run_id"] == body["run_id"]
    other = await api.post("/v1/sources:ingest", files=files, data={"labels": []}, headers=_key())
    assert other.json()["run_id"] != body["run_id"]
    refused = await api.post("/v1/sources:ingest", files=files[:12], headers=key)
    assert (refused.status_code, refused.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_files_that_are_there_are_found(api: httpx.AsyncClient) -> None:
    mark = uuid.uuid4().hex[:8]
    body = (await api.post("/v1/sources:ingest", files=[_md(mark, 1)], headers=_key())).json()
    [source] = body["sources"]
    asked = {"files": [{"filename": name, "sha256": source["sha256"]} for name in (source["filename"], "other.md")]}
    found = (await api.post("/v1/sources:find", json=asked)).json()["sources"]
    assert [one["source_id"] for one in found] == [source["source_id"]]
    await _ended(api, body["run_id"])


@pytest.mark.one_process  # elsewhere the files are on an S3 server
async def test_the_inbox_is_taken_in_by_a_run(api: httpx.AsyncClient, installation: RunningInstallation) -> None:
    stage = Stage(api, installation.admin_dsn)
    tenant = str(await stage.sql("SELECT tenant_id FROM control.tenants ORDER BY created_at LIMIT 1"))
    mark = uuid.uuid4().hex[:8]
    inbox = installation.data_dir / "blobs/lace-sources" / tenant / "inbox"
    outside = installation.data_dir / "blobs/lace-sources" / "ten_other" / "inbox" / mark
    for number in range(5):
        _put(inbox / mark / f"sub {number % 2}" / f"{number}.md", _md(mark, number)[1][1])
    _put(inbox / mark / "picture.png", b"x")
    _put(inbox / mark / ".hidden.md", b"x")
    _put(outside / "secret.md", b"# Secret\n\nOf another tenant.")
    (inbox / mark / "link.md").symlink_to(outside / "secret.md")

    listed = (await api.get("/v1/sources:inbox", params={"prefix": f"{mark}/"})).json()["objects"]
    names = sorted([*(f"{mark}/sub {n % 2}/{n}.md" for n in range(5)), f"{mark}/picture.png"])
    assert [one["name"] for one in listed] == names
    started = await stage.change("POST", "/v1/sources:import", {"prefix": f"{mark}/"})
    run = await _ended(api, started["run_id"])
    assert run["state"] == "succeeded", run
    assert run["pipeline_id"] == "import"
    files = await _files(api, started["run_id"])
    assert [(file["filename"], file["state"]) for file in files] == [
        (name, "failed" if name.endswith("png") else "ready") for name in names
    ]
    listed = (await api.get("/v1/sources:inbox", params={"prefix": f"{mark}/"})).json()["objects"]
    assert [bool(one["source_id"]) for one in listed] == [not name.endswith("png") for name in names]

    again = await stage.change("POST", "/v1/sources:import", {"prefix": f"{mark}/"})
    await _ended(api, again["run_id"])
    assert {file["source_id"] for file in await _files(api, again["run_id"])} == {file["source_id"] for file in files}


def _put(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


@pytest.mark.parametrize(
    "prefix", ["../", "/etc/", "a/../../ten_other/inbox/", "\u2025/", "a\uff0f..\uff0f", "..\\", ".hidden"]
)
async def test_nothing_outside_of_the_inbox_can_be_asked_for(api: httpx.AsyncClient, prefix: str) -> None:
    listed = await api.get("/v1/sources:inbox", params={"prefix": prefix})
    asked = await api.post("/v1/sources:import", json={"prefix": prefix}, headers=_key())
    for answer in (listed, asked):
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INBOX_PREFIX_INVALID")


async def test_an_empty_inbox_and_labels_that_one_does_not_hold(api: httpx.AsyncClient) -> None:
    started = await api.post("/v1/sources:import", json={"prefix": "nothing/here/"}, headers=_key())
    run = await _ended(api, started.json()["run_id"])
    assert (run["state"], run["error_code"]) == ("failed", "INBOX_EMPTY")
    refused = await api.post("/v1/sources:import", json={"labels": ["not-mine"]}, headers=_key())
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    direct = await api.post("/v1/runs/import", json={}, headers=_key())
    assert direct.status_code == 400
    assert "sources:import" in direct.json()["message"]


@pytest.mark.slow
async def test_a_cancelled_run_reads_no_more_and_its_files_can_be_read_by_another(
    api: httpx.AsyncClient, installation: RunningInstallation
) -> None:
    mark = uuid.uuid4().hex[:8]
    files: Files = [_md(mark, number) for number in range(30)]
    body = (await api.post("/v1/sources:ingest", files=files, headers=_key())).json()
    run_id = body["run_id"]
    assert (await api.post(f"/v1/runs/{run_id}:cancel", json={}, headers=_key())).status_code == 202
    run = await _ended(api, run_id)
    if run["state"] == "succeeded":
        pytest.fail("thirty documents were read before the cancellation came")
    states = [file["state"] for file in await _files(api, run_id)]
    assert states.count("waiting") + states.count("ready") == 30
    assert "waiting" in states
    ids = [source["source_id"] for source in body["sources"]]
    again = await api.post("/v1/runs/ingest", json={"source_ids": ids}, headers=_key())
    assert (await _ended(api, again.json()["run_id"]))["result"]["files"]["ready"] == 30
    query = "SELECT count(*) FROM ingest.source_units AS unit WHERE source_id = ANY(%s) GROUP BY source_id"
    async with await psycopg.AsyncConnection.connect(installation.admin_dsn) as connection:
        counts = await (await connection.execute(query, [ids])).fetchall()
    assert len(counts) == 30
    assert len(set(counts)) == 1  # whoever read them, none has anything twice


@pytest.mark.slow
async def test_pausing_and_going_on_loses_and_repeats_nothing(api: httpx.AsyncClient) -> None:
    mark = uuid.uuid4().hex[:8]
    files: Files = [_md(mark, number) for number in range(24)]
    body = (await api.post("/v1/sources:ingest", files=files, headers=_key())).json()
    run_id = body["run_id"]
    assert (await api.post(f"/v1/runs/{run_id}:pause", json={}, headers=_key())).status_code == 202
    async with asyncio.timeout(60):
        while (run := (await api.get(f"/v1/runs/{run_id}")).json())["state"] not in ("paused", "succeeded"):
            await asyncio.sleep(0.05)
    assert run["state"] == "paused"
    before = _states(await _files(api, run_id))
    assert before.get("reading", 0) == 0
    assert before.get("waiting", 0) > 0
    await asyncio.sleep(0.2)
    assert _states(await _files(api, run_id)) == before
    assert (await api.post(f"/v1/runs/{run_id}:resume", json={}, headers=_key())).status_code == 202
    assert (await _ended(api, run_id))["result"]["files"]["ready"] == 24
    assert {file["attempts"] for file in await _files(api, run_id)} == {1}


def _states(files: list[dict[str, Any]]) -> Mapping[str, int]:
    states = [file["state"] for file in files]
    return {state: states.count(state) for state in set(states)}
