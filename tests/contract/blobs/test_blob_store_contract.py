"""What every blob store keeps: content under a key for ever, verified on reading, nothing outside of its buckets."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.blobs import BlobStore, FolderBlobStore, UrlSigner

_LARGE = 32 * 1024 * 1024


async def _reason(work: object) -> Reason:
    with pytest.raises(LaceError) as caught:
        await work  # type: ignore[misc]
    return caught.value.reason


async def _pieces(store: BlobStore, uri: str) -> bytes:
    return b"".join([piece async for piece in store.open(uri)])


async def test_what_is_put_is_what_is_got(store: BlobStore, key: str) -> None:
    data = b"content " * 100_000
    ref = await store.put("lace-artifacts", key, data, "application/json")
    assert ref.uri == f"lace-artifacts/{key}"
    assert (ref.sha256, ref.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert ref.content_type == "application/json"
    assert await store.get(ref.uri) == data
    assert await store.get(ref.uri, ref.sha256) == data
    assert await _pieces(store, ref.uri) == data
    assert await store.exists(ref.uri)


async def test_empty_content(store: BlobStore, key: str) -> None:
    ref = await store.put("lace-artifacts", key, b"", "text/plain")
    assert await store.get(ref.uri) == b""
    assert await _pieces(store, ref.uri) == b""


async def test_file_is_stored_like_bytes(store: BlobStore, key: str, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(os.urandom(700_000))
    ref = await store.put_file("lace-sources", key, file, "application/pdf")
    assert await store.get(ref.uri, hashlib.sha256(file.read_bytes()).hexdigest()) == file.read_bytes()
    assert ref.size == 700_000
    assert await store.put("lace-sources", key, file.read_bytes(), "application/pdf") == ref


async def test_a_file_is_stored_without_being_held(store: BlobStore, key: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(_LARGE)
    tracemalloc.start()
    try:
        ref = await store.put_file("lace-sources", key, path, "text/plain")
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ref.size == _LARGE
    assert held < _LARGE / 16


async def test_second_put_of_the_same_is_no_change(store: BlobStore, key: str) -> None:
    first = await store.put("lace-compiled", key, b"same", "text/plain")
    assert await store.put("lace-compiled", key, b"same", "text/plain") == first


async def test_second_put_of_another_content_is_a_conflict(store: BlobStore, key: str, tmp_path: Path) -> None:
    ref = await store.put("lace-compiled", key, b"first", "text/plain")
    assert await _reason(store.put("lace-compiled", key, b"other", "text/plain")) is Reason.BLOB_CONFLICT
    file = tmp_path / "other"
    file.write_bytes(b"other")
    assert await _reason(store.put_file("lace-compiled", key, file, "text/plain")) is Reason.BLOB_CONFLICT
    assert await store.get(ref.uri) == b"first"


async def test_of_many_writers_of_one_key_one_content_wins(store: BlobStore, key: str) -> None:
    contents = [bytes([65 + number]) * 50_000 for number in range(8)]
    puts = [store.put("lace-artifacts", key, content, "text/plain") for content in contents]
    results = await asyncio.gather(*puts, return_exceptions=True)
    won = [content for content, result in zip(contents, results, strict=True) if not isinstance(result, Exception)]
    lost = [result for result in results if isinstance(result, Exception)]
    assert len(won) == 1
    assert all(isinstance(error, LaceError) and error.reason is Reason.BLOB_CONFLICT for error in lost)
    assert await store.get(f"lace-artifacts/{key}") == won[0]


async def test_many_writers_of_the_same_all_succeed(store: BlobStore, key: str) -> None:
    puts = [store.put("lace-artifacts", key, b"same" * 1000, "text/plain") for _ in range(8)]
    assert len(set(await asyncio.gather(*puts))) == 1


async def test_what_is_not_there(store: BlobStore, key: str) -> None:
    uri = f"lace-artifacts/{key}"
    assert not await store.exists(uri)
    assert await _reason(store.get(uri)) is Reason.BLOB_NOT_FOUND
    assert await _reason(_pieces(store, uri)) is Reason.BLOB_NOT_FOUND


async def test_reader_who_expects_another_hash_is_told(store: BlobStore, key: str) -> None:
    ref = await store.put("lace-artifacts", key, b"content", "text/plain")
    assert await _reason(store.get(ref.uri, "0" * 64)) is Reason.BLOB_CORRUPT


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "/",
        "../x",
        "a/../b",
        "a/./b",
        "/etc/passwd",
        "a//b",
        "a/",
        ".hidden",
        "a/.about",
        "a\\b",
        "a\0b",
        "ä",
        "x" * 950,
        "a b",
    ],
)
async def test_keys_cannot_lead_elsewhere(store: BlobStore, bad: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await store.put("lace-artifacts", bad, b"x", "text/plain")
    assert await _reason(store.get(f"lace-artifacts/{bad}")) is Reason.BLOB_NOT_FOUND
    assert await _reason(store.exists(f"lace-artifacts/{bad}")) is Reason.BLOB_NOT_FOUND


@pytest.mark.parametrize("bucket", ["", "..", "elsewhere", "lace-artifacts/x"])
async def test_there_are_no_other_buckets(store: BlobStore, bucket: str, key: str) -> None:
    with pytest.raises(ValueError, match="bucket"):
        await store.put(bucket, key, b"x", "text/plain")
    assert await _reason(store.get(f"{bucket}//{key}")) is Reason.BLOB_NOT_FOUND


async def test_signed_links(store: BlobStore, key: str) -> None:
    ref = await store.put("lace-compiled", key, b"pdf", "application/pdf")
    path = store.signed_url(ref.uri, filename="report.pdf", ttl_s=60, tenant_id="ten_a")
    granted = store.verify_signed(path.removeprefix("/v1/blobs/"))
    assert (granted.uri, granted.filename, granted.tenant_id) == (ref.uri, "report.pdf", "ten_a")
    with pytest.raises(LaceError) as caught:
        store.signed_url("elsewhere/x", filename="x", ttl_s=1)
    assert caught.value.reason is Reason.BLOB_NOT_FOUND


async def test_what_is_kept_for_a_time_goes_and_only_that(store: BlobStore, key: str) -> None:
    tenant = key.split("/", maxsplit=1)[0]
    folder = f"kept{tenant[-8:]}"  # of this test alone: a server may hold files of others
    passing = await store.put("lace-replay", f"{tenant}/run_1/{folder}/1", b"passing", "text/plain")
    others = [
        await store.put("lace-replay", f"{tenant}/run_1/results/{folder}", b"another folder", "text/plain"),
        await store.put("lace-provenance", f"{tenant}/run_1/{folder}/1", b"another bucket", "text/plain"),
    ]
    now = datetime.now(UTC)
    assert await store.expire("lace-replay", folder, now - timedelta(hours=1)) == 0
    assert await store.exists(passing.uri)
    assert await store.expire("lace-replay", folder, now + timedelta(hours=1)) == 1
    assert not await store.exists(passing.uri)
    assert await _reason(store.get(passing.uri)) is Reason.BLOB_NOT_FOUND
    assert [await store.exists(other.uri) for other in others] == [True, True]
    again = await store.put("lace-replay", f"{tenant}/run_1/{folder}/1", b"another content", "text/plain")
    assert await store.get(again.uri) == b"another content"


async def test_drafts_that_a_killed_process_left_are_cleared_and_fresh_ones_are_not(tmp_path: Path) -> None:
    drafts = tmp_path / ".drafts"
    drafts.mkdir()
    for name, age_s in (("left", 7200), ("fresh", 60)):
        (drafts / name).write_bytes(b"half of")
        at = time.time() - age_s
        os.utime(drafts / name, (at, at))
    await FolderBlobStore(tmp_path, UrlSigner("secret")).put("lace-replay", "ten_1/a", b"data", "text/plain")
    assert [draft.name for draft in drafts.iterdir()] == ["fresh"]
