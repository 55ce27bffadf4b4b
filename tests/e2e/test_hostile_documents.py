"""Bad documents through the public API: one clear error or warning each, with its code, and nothing half-kept."""

from __future__ import annotations

import asyncio
import tempfile
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles import hostile_files as hostile
from tests.doubles.repeated_words import RepeatedWords
from tests.e2e.conftest import RunningInstallation

GOOD = b"# Notes\n\nThe committee approved the budget. Work began two months later.\n"
BROKEN_UTF8 = (
    "Die Brücke über die Elbe wurde geprüft. Größe und Höhe sind bekannt.\n".encode() * 8 + b"\xe2\x28 broken\n"
)
CHINESE = "管理委员会于三月批准了预算。总成本为三千零六十万英镑！工程何时开始？两个月后。"
ARABIC = "وافقت اللجنة على الميزانية في مارس. هل بدأت الأعمال؟ بدأت بعد شهرين."
LINE_BYTES = 50_000_000
GIGABYTE = 1_000_000_000


def new_key() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


def unique(name: str) -> str:
    return f"{uuid.uuid4().hex[:8]}-{name}"


async def send(api: httpx.AsyncClient, name: str, content: Any) -> httpx.Response:
    return await api.post("/v1/sources:ingest", files=[("files", (name, content))], headers=new_key(), timeout=120)


async def finished(api: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(100):
        while True:
            found: dict[str, Any] = (await api.get(f"/v1/runs/{run_id}")).json()
            if found["state"] in ("succeeded", "failed", "cancelled"):
                return found
            await asyncio.sleep(0.05)


async def units_of(api: httpx.AsyncClient, source: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(f"/v1/sources/{source['source_id']}/units")).json()["units"]
    return found


def kept(installation: RunningInstallation) -> set[Path]:
    """The raw files of sources in the folder of blobs."""
    return {path for path in (installation.data_dir / "blobs" / "lace-sources").rglob("*") if path.is_file()}


@pytest.fixture
def nothing_left(installation: RunningInstallation) -> Iterator[None]:
    """No stored file and no temporary one may come of the test."""
    before, drafts = kept(installation), set(Path(tempfile.gettempdir()).glob("lace-upload-*"))
    yield
    assert kept(installation) == before
    assert set(Path(tempfile.gettempdir()).glob("lace-upload-*")) <= drafts


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("name", "content", "status", "code", "words"),
    [
        ("report.pdf", hostile.docx(), 415, "SOURCE_FORMAT_UNSUPPORTED", "a DOCX file"),
        ("report.docx", hostile.encrypted_pdf(), 415, "SOURCE_FORMAT_UNSUPPORTED", "a PDF file"),
        ("picture.txt", b"\x89PNG\r\n\x1a\n", 415, "SOURCE_FORMAT_UNSUPPORTED", "a PNG picture"),
        ("notes.pdf", b"this is no PDF", 422, "SOURCE_UNREADABLE", "not a PDF file"),
        ("empty.md", b"", 400, "SOURCE_EMPTY", "empty"),
        ("notes/plan.txt", GOOD, 400, "SOURCE_NAME_INVALID", "path"),
        ("/etc/passwd.txt", GOOD, 400, "SOURCE_NAME_INVALID", "path"),
        ("\u202etxt.md", GOOD, 400, "SOURCE_NAME_INVALID", "control characters"),
        ("x" * 300 + ".md", GOOD, 400, "SOURCE_NAME_INVALID", "longer"),
    ],
)
async def test_refused_at_the_door(
    api: httpx.AsyncClient, nothing_left: None, name: str, content: bytes, status: int, code: str, words: str
) -> None:
    answer = await send(api, name, content)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
    assert words in answer.json()["message"]


@pytest.mark.one_process
@pytest.mark.parametrize("char", [b"\x07", b"\x00", b"\x1b", b"\x7f"])
async def test_a_control_character_in_a_file_name(api: httpx.AsyncClient, nothing_left: None, char: bytes) -> None:
    """Written by hand: clients put other signs in its place."""
    body = b'--b\r\ncontent-disposition: form-data; name="files"; filename="a%s.md"\r\n\r\n%s\r\n--b--\r\n' % (
        char,
        GOOD,
    )
    headers = {**new_key(), "content-type": "multipart/form-data; boundary=b"}
    answer = await api.post("/v1/sources:ingest", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] in ("SOURCE_NAME_INVALID", "INVALID_ARGUMENT")


FAILED = {
    "locked.pdf": (hostile.encrypted_pdf(), "SOURCE_ENCRYPTED", "password"),
    "cut.pdf": (hostile.truncated_pdf(), "SOURCE_UNREADABLE", "broken"),
    "endless.pdf": (hostile.pdf_of_pages(b"", claimed=100_000), "SOURCE_LIMIT_EXCEEDED", "2000 pages"),
    "scan.pdf": (hostile.scanned_pdf(), "SOURCE_NO_TEXT", "scan"),
    "bomb.docx": (hostile.zip_bomb(), "SOURCE_LIMIT_EXCEEDED", "inflates"),
    "entity.docx": (hostile.docx_with_entity("file:///etc/passwd"), "SOURCE_UNREADABLE", "document type"),
    "deep.json": (hostile.deep_json(100_000), "SOURCE_LIMIT_EXCEEDED", "nested deeper than 200"),
    "nulls.txt": (b"One sentence.\x00 Another.\x00\n", "SOURCE_UNREADABLE", "null characters"),
}
WARNED = {
    "half.pdf": (hostile.scanned_pdf(with_text=True), "PAGES_WITHOUT_TEXT", "1, 3"),
    "damaged.txt": (BROKEN_UTF8, "ENCODING_DAMAGED", "not UTF-8"),
    "latin.md": ("# Größe\n\nDie Brücke ist geprüft.\n".encode("latin-1"), "ENCODING_GUESSED", "Windows-1252"),
}
FOUND = {"chinese.txt": (CHINESE, "预算", 4), "arabic.txt": (ARABIC, "الميزانية", 3)}


@pytest.fixture(scope="module")
async def read_together(installation: RunningInstallation) -> dict[str, dict[str, Any]]:
    """The sources of all these documents by name, after the one run that has read them."""
    contents = {name: content for name, (content, _, _) in {**FAILED, **WARNED}.items()}
    contents |= {name: text.encode() for name, (text, _, _) in FOUND.items()}
    headers = {"authorization": f"Bearer {installation.token}", **new_key()}
    files = [("files", (name, content)) for name, content in contents.items()]
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as api:
        answer = await api.post("/v1/sources:ingest", files=files)
        assert answer.status_code == 202, answer.text
        assert not answer.json()["rejected"]
        done = await finished(api, answer.json()["run_id"])
        assert done["state"] == "succeeded"
        expected = [*(code for _, code, _ in FAILED.values()), *["SOURCE_WARNING"] * len(WARNED)]
        assert sorted(warning["code"] for warning in done["warnings"]) == sorted(expected)
        sources = [(await api.get(f"/v1/sources/{one['source_id']}")).json() for one in answer.json()["sources"]]
    return {source["filename"]: source for source in sources}


@pytest.mark.parametrize("name", FAILED)
async def test_found_out_when_it_is_read(
    api: httpx.AsyncClient, read_together: dict[str, dict[str, Any]], name: str
) -> None:
    source, (_, code, words) = read_together[name], FAILED[name]
    assert (source["state"], source["error_code"]) == ("failed", code), source
    assert words in source["error_message"]
    assert await units_of(api, source) == []


@pytest.mark.parametrize("name", WARNED)
async def test_read_with_a_warning(api: httpx.AsyncClient, read_together: dict[str, dict[str, Any]], name: str) -> None:
    source, (_, code, words) = read_together[name], WARNED[name]
    assert source["state"] == "ready", source
    assert [warning["code"] for warning in source["extraction_warnings"]] == [code]
    assert words in source["extraction_warnings"][0]["message"]
    assert await units_of(api, source)


@pytest.mark.parametrize("name", FOUND)
async def test_other_scripts_are_cut_into_sentences_and_found(
    api: httpx.AsyncClient, read_together: dict[str, dict[str, Any]], name: str
) -> None:
    source, (text, query, spans) = read_together[name], FOUND[name]
    [unit] = await units_of(api, source)
    assert unit["text"] == text
    assert len(unit["spans"]) == spans
    asked = {"queries": [{"key": "q", "text": query}], "source_ids": [source["source_id"]]}
    found = (await api.post("/v1/search", json=asked)).json()
    assert [hit["unit_id"] for hit in found["results"][0]["hits"]] == [unit["unit_id"]]


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("name", "size", "code"),
    [
        ("line.json", 16_000_000, "SOURCE_UNREADABLE"),
        pytest.param("line.txt", LINE_BYTES, "SOURCE_LIMIT_EXCEEDED", marks=pytest.mark.slow),
    ],
)
async def test_an_upload_is_held_by_neither_gateway_nor_ingest(
    api: httpx.AsyncClient, name: str, size: int, code: str
) -> None:
    """Both run in this process, and so does the sender: what Python holds in all of them, copies included.

    The larger one is a line of 50 MB, which is too much text for one source; the smaller one is no JSON.
    """
    tracemalloc.start()
    try:
        answer = await send(api, unique(name), RepeatedWords(size))
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 202, answer.text
    assert held < size / 3
    done = await finished(api, answer.json()["run_id"])
    assert (done["state"], done["error_code"]) == ("failed", code)


@pytest.mark.one_process
async def test_an_upload_that_breaks_off_leaves_nothing(
    api: httpx.AsyncClient, installation: RunningInstallation, nothing_left: None
) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="files"; filename="half.md"\r\n\r\n' + GOOD * 20_000
        raise ConnectionError

    headers = {**new_key(), "content-type": "multipart/form-data; boundary=b"}
    with pytest.raises(ConnectionError):
        await api.post("/v1/sources:ingest", content=half(), headers=headers)
    names = [one["filename"] for one in (await api.get("/v1/sources", params={"page_size": 500})).json()["sources"]]
    assert "half.md" not in names


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_same_file_a_hundred_times_at_once_is_one_source(api: httpx.AsyncClient) -> None:
    name = unique("same.md")
    answers = await asyncio.gather(*(send(api, name, GOOD) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["sources"][0]["source_id"] for answer in answers}) == 1
    done = [await finished(api, answer.json()["run_id"]) for answer in answers]
    assert {one["state"] for one in done} == {"succeeded"}
    source = answers[0].json()["sources"][0]
    assert len(await units_of(api, source)) == 1
    assert len((await api.get(f"/v1/sources/{source['source_id']}/extractions")).json()["extractions"]) == 1


@pytest.mark.slow
@pytest.mark.one_process
@pytest.mark.timeout(300)
async def test_a_gigabyte_is_refused_early_and_not_stored(api: httpx.AsyncClient, nothing_left: None) -> None:
    answer = await send(api, unique("big.txt"), RepeatedWords(GIGABYTE))
    assert (answer.status_code, answer.json()["error_code"]) == (413, "SOURCE_TOO_LARGE"), answer.text
