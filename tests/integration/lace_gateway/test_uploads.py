"""Uploads: streamed on as they come, bounded by the service, and never half a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

PATH = "/v1/sources:ingest"
KEY = {"Idempotency-Key": "k1"}


def _files(*named: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (name, content)) for name, content in named]


async def test_documents_are_stored_and_one_run_reads_them(http: httpx.AsyncClient, gateway: Any) -> None:
    files = _files(("a.md", b"# A"), ("Bücher.txt", b"B" * 700_000))
    response = await http.post(PATH, files=files, data={"labels": ["internal", "hr"]}, headers=KEY)
    assert response.status_code == 202
    body = response.json()
    assert response.headers["location"] == f"/v1/runs/{body['run_id']}"
    assert [source["filename"] for source in body["sources"]] == ["a.md", "Bücher.txt"]
    assert body["rejected"] == []
    assert gateway.backend.sources.sizes == {"a.md": 3, "Bücher.txt": 700_000}
    assert list(gateway.backend.sources.heads[0].labels) == ["internal", "hr"]
    [(_, request, call)] = gateway.backend.runs.calls
    assert request.pipeline_id == "ingest"
    assert list(request.source_ids) == [source["source_id"] for source in body["sources"]]
    assert call.idempotency_key == "k1"


async def test_what_is_said_of_versions_and_privacy_goes_on(http: httpx.AsyncClient, gateway: Any) -> None:
    files = [
        ("version_of", (None, b"src_1")),
        *_files(("a.md", b"# A")),
        ("private", (None, b"true")),
        *_files(("b.md", b"B")),
    ]
    assert (await http.post(PATH, files=files, headers=KEY)).status_code == 202
    heads = gateway.backend.sources.heads
    assert [(head.version_of, head.private) for head in heads] == [("src_1", False), ("", True)]
    for name, value in (("private", b"yes"), ("version_off", b"src_1")):
        bad = await http.post(
            PATH, files=[(name, (None, value)), *_files(("c.md", b"C"))], headers={"Idempotency-Key": name}
        )
        assert bad.status_code == 400, bad.text
    assert "did you mean version_of" in bad.json()["message"]


async def test_sending_it_again_starts_nothing_new(http: httpx.AsyncClient) -> None:
    first = await http.post(PATH, files=_files(("a.md", b"# A")), headers=KEY)
    again = await http.post(PATH, files=_files(("a.md", b"# A")), headers=KEY)
    assert again.json()["run_id"] == first.json()["run_id"]
    other = await http.post(PATH, files=_files(("a.md", b"# B")), headers=KEY)
    assert (other.status_code, other.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_a_bad_document_does_not_hold_up_the_others(http: httpx.AsyncClient, gateway: Any) -> None:
    gateway.backend.sources.limit = 1_000_000
    files = _files(
        ("../a.md", b"x"),
        ("good.md", b"1"),
        ("sheet.xlsx", b"x" * 300_000),
        ("big.pdf", b"x" * 3_000_000),
        ("b.md", b"2"),
    )
    response = await http.post(PATH, files=files, headers=KEY)
    assert response.status_code == 202
    assert [source["filename"] for source in response.json()["sources"]] == ["good.md", "b.md"]
    assert [(one["filename"], one["error_code"]) for one in response.json()["rejected"]] == [
        ("../a.md", "SOURCE_NAME_INVALID"),
        ("sheet.xlsx", "SOURCE_FORMAT_UNSUPPORTED"),
        ("big.pdf", "SOURCE_TOO_LARGE"),
    ]


async def test_where_none_is_taken_the_first_refusal_is_the_answer(http: httpx.AsyncClient, gateway: Any) -> None:
    response = await http.post(PATH, files=_files(("a.xlsx", b"x"), ("../b.md", b"x")), headers=KEY)
    assert (response.status_code, response.json()["error_code"]) == (415, "SOURCE_FORMAT_UNSUPPORTED")
    assert gateway.backend.runs.calls == []


async def test_a_document_that_is_too_large_is_refused_while_it_comes(http: httpx.AsyncClient, gateway: Any) -> None:
    """200 MB are sent; the service has seen little more than its limit when they end."""
    gateway.backend.sources.limit = 2_000_000
    piece = b"x" * 1_000_000

    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="big.pdf"\r\n\r\n'
        for _ in range(200):
            yield piece
        yield b"\r\n--b--\r\n"

    headers = {**KEY, "content-type": "multipart/form-data; boundary=b"}
    response = await http.post(PATH, content=body(), headers=headers, timeout=30)
    assert (response.status_code, response.json()["error_code"]) == (413, "SOURCE_TOO_LARGE")
    assert gateway.backend.sources.received < 6_000_000
    assert gateway.backend.sources.largest_chunk <= 1_048_576
    assert gateway.backend.runs.calls == []


async def test_a_request_that_breaks_off_leaves_nothing_behind(gateway: Any) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer lace_good\r\nIdempotency-Key: k\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\n'
    )
    writer.write(head.encode() + b"x" * 600_000)
    await writer.drain()
    async with asyncio.timeout(30):
        while not gateway.backend.sources.received:
            await asyncio.sleep(0.01)
        writer.close()
        while not gateway.backend.sources.broken_off:
            await asyncio.sleep(0.01)
    assert gateway.backend.sources.sizes == {}
    assert gateway.backend.runs.calls == []


@pytest.mark.parametrize(
    ("content_type", "content", "status", "code"),
    [
        ("application/json", b"{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("multipart/form-data", b"", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 400, "SOURCE_EMPTY"),
        ("multipart/form-data; boundary=b", b"", 400, "INVALID_ARGUMENT"),
        ("multipart/form-data; boundary=b", b"nonsense", 400, "INVALID_ARGUMENT"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\ntext',
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\ntext\r\n--b--\r\n',
            400,
            "UNKNOWN_FIELD",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--b--\r\n',
            400,
            "INVALID_ARGUMENT",
        ),
    ],
)
async def test_bad_multipart(
    http: httpx.AsyncClient, gateway: Any, content_type: str, content: bytes, status: int, code: str
) -> None:
    response = await http.post(PATH, content=content, headers={**KEY, "content-type": content_type})
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert gateway.backend.runs.calls == []
    assert gateway.backend.sources.sizes == {}


async def test_an_upload_needs_a_key_and_the_scope(http: httpx.AsyncClient, gateway: Any) -> None:
    response = await http.post(PATH, files=_files(("a.md", b"x")))
    assert response.json()["error_code"] == "IDEMPOTENCY_KEY_REQUIRED"
    gateway.backend.auth.add("lace_reader2", scopes=frozenset({"runs:read"}))
    response = await http.post(
        PATH, files=_files(("a.md", b"x")), headers={**KEY, "authorization": "Bearer lace_reader2"}
    )
    assert (response.status_code, response.json()["error_code"]) == (403, "PERMISSION_DENIED")
