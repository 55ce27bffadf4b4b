"""What people get wrong: each has one clear error with its code, and nothing is half-written."""

from __future__ import annotations

import asyncio
import uuid
import zipfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pypdf
import pytest

from lace_cli.failures import NOT_ALLOWED, NOT_FOUND
from lace_cli.main import run
from tests.e2e.conftest import RunningInstallation

Files = list[tuple[str, tuple[str, Any]]]
ENVELOPE = {"error_code", "message", "details", "correlation_id", "retryable"}
GOOD = b"# Notes\n\nThe pump delivers 225 litres a second. It was tested on 8 July 2025.\n"
BIG = 200 * 1024 * 1024
DEEP = 10_000


def new_key() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


def document(name: str, content: Any) -> Files:
    return [("files", (name, content))]


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The envelope of a refusal: whole, of that code, and without a word of how it came about inside."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["error_code"]) == (status, code), told
    assert set(told) >= ENVELOPE
    assert told["message"].strip()
    assert not [word for word in ("Traceback", "SELECT ", "psycopg", ".py") if word in answer.text]
    return told


async def counts(api: httpx.AsyncClient) -> tuple[int, int]:
    """How many sources and runs there are."""
    sources = (await api.get("/v1/sources", params={"page_size": 500})).json()["sources"]
    runs = (await api.get("/v1/runs", params={"page_size": 500})).json()["runs"]
    return len(sources), len(runs)


@pytest.fixture
async def untouched(api: httpx.AsyncClient) -> AsyncIterator[None]:
    """Nothing may have come into being by the end of the test."""
    before = await counts(api)
    yield
    assert await counts(api) == before


async def finished(api: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await api.get(f"/v1/runs/{run_id}")).json()
            if found["state"] in ("succeeded", "failed", "cancelled"):
                return found
            await asyncio.sleep(0.05)


async def read(api: httpx.AsyncClient, files: Files) -> dict[str, Any]:
    """The run that has read the documents."""
    answer = await api.post("/v1/sources:ingest", files=files, headers=new_key())
    assert answer.status_code == 202, answer.text
    return await finished(api, answer.json()["run_id"])


def unreadable_pdf() -> bytes:
    return b"%PDF-1.7\n" + bytes(range(256)) * 40


def encrypted_pdf() -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    writer.encrypt("secret", algorithm="AES-256")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def docx_of_nothing() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("readme.txt", "no document here")
    return out.getvalue()


class Zeros:
    """A large file that takes no room: reads as that many line breaks."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return b"\n" * size


class TestDocumentsAtTheDoor:
    """Refused as they come: no source and no run comes of them."""

    @pytest.mark.parametrize(
        ("name", "content", "status", "code"),
        [
            ("table.xlsx", b"PK\x03\x04", 415, "SOURCE_FORMAT_UNSUPPORTED"),
            ("noending", b"text", 415, "SOURCE_FORMAT_UNSUPPORTED"),
            ("../../etc/passwd.txt", b"text", 400, "SOURCE_NAME_INVALID"),
            ("..\\secret.md", b"text", 400, "SOURCE_NAME_INVALID"),
            ("no-zip.docx", b"this is no zip", 422, "SOURCE_UNREADABLE"),
        ],
    )
    async def test_is_refused(
        self, api: httpx.AsyncClient, untouched: None, name: str, content: bytes, status: int, code: str
    ) -> None:
        answer = await api.post("/v1/sources:ingest", files=document(name, content), headers=new_key())
        refused(answer, status, code)

    async def test_a_file_of_200_mb(self, api: httpx.AsyncClient, untouched: None) -> None:
        try:
            answer = await api.post(
                "/v1/sources:ingest", files=document("big.txt", Zeros(BIG)), headers=new_key(), timeout=120
            )
        except httpx.WriteError:
            pytest.fail("the refusal must reach a client that is still sending")
        assert "big.txt" in refused(answer, 413, "SOURCE_TOO_LARGE")["message"]

    async def test_a_request_without_a_document(self, api: httpx.AsyncClient, untouched: None) -> None:
        answer = await api.post("/v1/sources:ingest", files=[("labels", (None, "internal"))], headers=new_key())
        refused(answer, 400, "SOURCE_EMPTY")


class TestDocumentsThatCannotBeRead:
    """Taken at the door, found out when they are read: the source says why, and the run that only had it fails.

    More of them, together, are in test_hostile_documents.
    """

    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("blank.md", b"", "SOURCE_EMPTY"),
            ("broken.pdf", unreadable_pdf(), "SOURCE_UNREADABLE"),
            ("hollow.docx", docx_of_nothing(), "SOURCE_UNREADABLE"),
        ],
    )
    async def test_alone(self, api: httpx.AsyncClient, name: str, content: bytes, code: str) -> None:
        unique = f"{uuid.uuid4().hex[:8]}-{name}"
        # A source is its bytes: a second run of this test is to read it again.
        done = await read(api, document(unique, content + b" " * (1 + uuid.uuid4().int % 997)))
        assert (done["state"], done["error_code"]) == ("failed", code)
        source = (await api.get(f"/v1/sources/{done['source_ids'][0]}")).json()
        assert (source["state"], source["error_code"]) == ("failed", code), source
        assert source["error_message"]
        assert source["unit_count"] == 0

    async def test_beside_a_good_one_the_run_goes_on_with_a_warning(self, api: httpx.AsyncClient) -> None:
        mark = uuid.uuid4().hex
        files = document("good.md", GOOD + mark.encode()) + document("bad.pdf", unreadable_pdf() + mark.encode())
        done = await read(api, files)
        assert done["state"] == "succeeded"
        assert [warning["code"] for warning in done["warnings"]] == ["SOURCE_UNREADABLE"]
        events = (await api.get(f"/v1/runs/{done['run_id']}/events", params={"page_size": 1000})).json()["events"]
        warnings = [event["payload"]["warning"] for event in events if event["event_type"] == "pipeline.warning"]
        assert [warning["code"] for warning in warnings] == ["SOURCE_UNREADABLE"]
        bad = (await api.get(f"/v1/sources/{warnings[0]['subject']}")).json()
        assert (bad["filename"], bad["state"], bad["unit_count"]) == ("bad.pdf", "failed", 0)


class TestRequests:
    """Refused before anything is done."""

    async def test_json_of_depth_10000(self, api: httpx.AsyncClient, untouched: None) -> None:
        body = b'{"settings":' + b"[" * DEEP + b"]" * DEEP + b"}"
        headers = {**new_key(), "content-type": "application/json"}
        refused(await api.post("/v1/runs/generate", content=body, headers=headers), 400, "JSON_TOO_DEEP")

    async def test_json_that_is_none(self, api: httpx.AsyncClient, untouched: None) -> None:
        headers = {**new_key(), "content-type": "application/json"}
        refused(await api.post("/v1/runs/generate", content=b'{"title":', headers=headers), 400, "MALFORMED_JSON")

    async def test_an_unknown_field(self, api: httpx.AsyncClient, untouched: None) -> None:
        told = refused(
            await api.post("/v1/runs/generate", json={"titel": "Pumps"}, headers=new_key()), 400, "UNKNOWN_FIELD"
        )
        assert "title" in told["message"]
        assert told["details"][0]["field"] == "/titel"

    async def test_a_missing_title(self, api: httpx.AsyncClient, untouched: None) -> None:
        refused(await api.post("/v1/runs/generate", json={}, headers=new_key()), 400, "INVALID_ARGUMENT")

    async def test_no_idempotency_key(self, api: httpx.AsyncClient, untouched: None) -> None:
        answer = await api.post("/v1/runs/generate", json={"title": "Pumps"})
        refused(answer, 400, "IDEMPOTENCY_KEY_REQUIRED")

    async def test_an_unknown_pipeline(self, api: httpx.AsyncClient, untouched: None) -> None:
        refused(await api.post("/v1/runs/summarise", json={"title": "x"}, headers=new_key()), 404, "PIPELINE_UNKNOWN")

    @pytest.mark.parametrize(
        "path", ["/v1/runs/run_unknown", "/v1/runs/run_unknown/stream", "/v1/runs/run_unknown/steps"]
    )
    async def test_an_unknown_run(self, api: httpx.AsyncClient, path: str) -> None:
        refused(await api.get(path), 404, "RUN_NOT_FOUND")

    async def test_a_path_that_there_is_not(self, api: httpx.AsyncClient) -> None:
        refused(await api.get("/v1/nothing"), 404, "ROUTE_NOT_FOUND")


class TestTokens:
    """Who one is comes before all else, also before the body is looked at."""

    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({}, "TOKEN_MISSING"),
            ({"authorization": "Bearer lace_wrong"}, "TOKEN_INVALID"),
            ({"authorization": "Basic bGFjZTpsYWNl"}, "TOKEN_MISSING"),
        ],
    )
    async def test_a_missing_or_wrong_one(
        self, installation: RunningInstallation, headers: dict[str, str], code: str
    ) -> None:
        async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as stranger:
            refused(await stranger.get("/v1/runs"), 401, code)
            answer = await stranger.post("/v1/runs/generate", content=b"not even JSON", headers=new_key())
            refused(answer, 401, code)

    async def test_a_revoked_one_is_refused_soon(
        self, installation: RunningInstallation, api: httpx.AsyncClient
    ) -> None:
        made = (await api.post("/v1/tokens", json={"name": "short-lived"}, headers=new_key())).json()
        bearer = {"authorization": f"Bearer {made['secret']}"}
        async with httpx.AsyncClient(base_url=installation.url, headers=bearer, timeout=30) as holder:
            assert (await holder.get("/v1/runs")).status_code == 200
            path = f"/v1/tokens/{made['token']['token_id']}:revoke"
            assert (await api.post(path, json={}, headers=new_key())).status_code == 200
            # A second is promised; a test must also hold on a busy machine.
            async with asyncio.timeout(20):
                while (answer := await holder.get("/v1/runs")).status_code == 200:
                    await asyncio.sleep(0.01)
            refused(answer, 401, "TOKEN_REVOKED")


async def test_a_key_that_was_used_for_another_body(api: httpx.AsyncClient) -> None:
    await read(api, document("good.md", GOOD))
    key = new_key()
    first = await api.post("/v1/runs/outline", json={"title": "Pumps"}, headers=key)
    assert first.status_code == 202, first.text
    before = await counts(api)
    again = await api.post("/v1/runs/outline", json={"title": "Pumps"}, headers=key)
    assert (again.status_code, again.json()["run_id"]) == (202, first.json()["run_id"])
    told = refused(
        await api.post("/v1/runs/outline", json={"title": "Pipes"}, headers=key), 409, "IDEMPOTENCY_KEY_REUSED"
    )
    assert any("title" in detail["field"] or "title" in detail["description"] for detail in told["details"])
    assert await counts(api) == before
    await finished(api, first.json()["run_id"])


class TestAtTheCommandLine:
    """The same, as whoever types sees it: one line with the code, what to do, and never a traceback."""

    @pytest.fixture(autouse=True)
    def _connected(self, installation: RunningInstallation, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LACE_URL", installation.url)
        monkeypatch.setenv("LACE_TOKEN", installation.token)

    async def told(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, arguments)
        complaint = capsys.readouterr().err
        assert "Traceback" not in complaint
        return code, complaint

    async def test_an_empty_folder(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, untouched: None) -> None:
        code, complaint = await self.told(capsys, "demo", str(tmp_path))
        assert code == 1
        assert "[SOURCE_EMPTY]" in complaint

    async def test_an_unknown_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, complaint = await self.told(capsys, "watch", "run_unknown")
        assert code == NOT_FOUND
        assert "[RUN_NOT_FOUND]" in complaint

    async def test_a_wrong_token(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LACE_TOKEN", "lace_wrong")
        code, complaint = await self.told(capsys, "runs")
        assert code == NOT_ALLOWED
        assert "[TOKEN_INVALID]" in complaint

    async def test_a_folder_with_nothing_readable(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        (tmp_path / "locked.pdf").write_bytes(encrypted_pdf())
        code, complaint = await self.told(capsys, "demo", str(tmp_path), "--title", "Locked")
        assert code == 1
        assert "[SOURCE_ENCRYPTED]" in complaint
        assert "[NO_USABLE_SOURCES]" in complaint
