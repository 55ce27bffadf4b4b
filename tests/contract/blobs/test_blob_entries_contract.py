"""What every blob store shows of what others put into it: all below a prefix, in one order, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.blobs import BlobStore

Put = Callable[[str, str, bytes], Awaitable[None]]
BUCKET = "lace-sources"


@pytest.fixture
def inbox() -> str:
    return f"ten_{uuid.uuid4().hex}/inbox/"


async def _names(store: BlobStore, prefix: str, **values: object) -> list[str]:
    return [entry.key for entry in await store.entries(BUCKET, prefix, **values)]  # type: ignore[arg-type]


async def _content(store: BlobStore, key: str) -> bytes:
    return b"".join([piece async for piece in store.open_entry(BUCKET, key)])


async def test_what_others_put_is_listed_in_the_order_of_its_bytes(
    store: BlobStore, put_by_others: Put, inbox: str
) -> None:
    names = ["b.txt", "a/z.md", "a/é ü.md", "a.txt", "Ω.json", "B.txt"]
    for name in names:
        await put_by_others(BUCKET, inbox + name, name.encode())
    assert await _names(store, inbox) == [inbox + name for name in sorted(names, key=str.encode)]
    assert await _content(store, f"{inbox}a/é ü.md") == "a/é ü.md".encode()


async def test_an_entry_says_what_it_is(store: BlobStore, put_by_others: Put, inbox: str) -> None:
    await put_by_others(BUCKET, f"{inbox}a.txt", b"four")
    [entry] = await store.entries(BUCKET, inbox)
    assert (entry.key, entry.size) == (f"{inbox}a.txt", 4)
    assert abs(entry.modified_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert [entry] == list(await store.entries(BUCKET, inbox))
    await put_by_others(BUCKET, f"{inbox}a.txt", b"other")
    [changed] = await store.entries(BUCKET, inbox)
    assert changed.mark != entry.mark


async def test_a_prefix_may_end_within_a_name(store: BlobStore, put_by_others: Put, inbox: str) -> None:
    for name in ("2026/a.md", "2026-01.md", "2025/b.md", "2026/deep/er/c.md"):
        await put_by_others(BUCKET, inbox + name, b"x")
    assert await _names(store, f"{inbox}2026") == [
        inbox + name for name in ("2026-01.md", "2026/a.md", "2026/deep/er/c.md")
    ]
    assert await _names(store, f"{inbox}2026/") == [inbox + name for name in ("2026/a.md", "2026/deep/er/c.md")]
    assert await _names(store, f"{inbox}none") == []


async def test_pages_follow_one_another(store: BlobStore, put_by_others: Put, inbox: str) -> None:
    keys = [f"{inbox}{number:02}.md" for number in range(7)]
    for key in keys:
        await put_by_others(BUCKET, key, b"x")
    first = await _names(store, inbox, limit=3)
    second = await _names(store, inbox, limit=3, after=first[-1])
    assert first + second + await _names(store, inbox, limit=3, after=second[-1]) == keys


async def test_hidden_files_and_our_own_notes_are_not_shown(store: BlobStore, put_by_others: Put, inbox: str) -> None:
    await store.put(BUCKET, f"{inbox}ours.txt", b"ours", "text/plain")
    await put_by_others(BUCKET, f"{inbox}.hidden", b"x")
    await put_by_others(BUCKET, f"{inbox}.git/config", b"x")
    assert await _names(store, inbox) == [f"{inbox}ours.txt"]


async def test_what_is_not_there(store: BlobStore, put_by_others: Put, inbox: str) -> None:
    await put_by_others(BUCKET, f"{inbox}a/b.md", b"x")
    for key in (f"{inbox}c.md", f"{inbox}a", f"{inbox}a/b.md/c"):
        with pytest.raises(LaceError) as caught:
            await _content(store, key)
        assert caught.value.reason is Reason.BLOB_NOT_FOUND


@pytest.mark.parametrize("prefix", ["", "ten", "../x/", "ten_a/../ten_b/", "/etc/", "ten_a/./b", "ten_a/in\0box"])
async def test_no_prefix_leads_out_of_its_folder(store: BlobStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        await store.entries(BUCKET, prefix)
    with pytest.raises(ValueError, match="prefix"):
        await _content(store, prefix)
