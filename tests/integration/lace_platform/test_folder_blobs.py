"""The folder store when the disk or a crash got in between."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.blobs import FolderBlobStore, UrlSigner

_URI = "lace-artifacts/ten_a/x"


@pytest.fixture
def store(tmp_path: Path) -> FolderBlobStore:
    return FolderBlobStore(tmp_path, UrlSigner("secret"))


async def _put(store: FolderBlobStore, data: bytes) -> None:
    await store.put("lace-artifacts", "ten_a/x", data, "text/plain")


@pytest.mark.parametrize("damaged", [b"contenT", b"", b"content and more"])
async def test_damage_is_noticed_on_reading(store: FolderBlobStore, tmp_path: Path, damaged: bytes) -> None:
    await _put(store, b"content")
    (tmp_path / _URI).write_bytes(damaged)
    with pytest.raises(LaceError) as caught:
        await store.get(_URI)
    assert caught.value.reason is Reason.BLOB_CORRUPT
    with pytest.raises(LaceError) as caught:
        async for _ in store.open(_URI):
            pass
    assert caught.value.reason is Reason.BLOB_CORRUPT


async def test_a_crash_between_file_and_note_leaves_a_put_that_can_be_repeated(
    store: FolderBlobStore, tmp_path: Path
) -> None:
    await _put(store, b"content")
    store._about(_URI).unlink()
    assert not await store.exists(_URI)
    with pytest.raises(LaceError) as caught:
        await store.get(_URI)
    assert caught.value.reason is Reason.BLOB_NOT_FOUND
    await _put(store, b"content")
    assert await store.get(_URI) == b"content"


async def test_lost_file_is_missing_though_its_note_is_there(store: FolderBlobStore, tmp_path: Path) -> None:
    await _put(store, b"content")
    (tmp_path / _URI).unlink()
    with pytest.raises(LaceError) as caught:
        await store.get(_URI)
    assert caught.value.reason is Reason.BLOB_NOT_FOUND


async def test_drafts_do_not_pile_up(store: FolderBlobStore, tmp_path: Path) -> None:
    await _put(store, b"content")
    await _put(store, b"content")
    with pytest.raises(LaceError):
        await _put(store, b"other")
    assert list((tmp_path / ".drafts").iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "lace-artifacts/ten_a").iterdir()) == [".x.about", "x"]


@pytest.mark.parametrize("damaged", ["", "{", '{"sha256": 1}', "[]"])
async def test_a_damaged_note_is_told_and_mended_by_putting_the_content_again(
    store: FolderBlobStore, damaged: str
) -> None:
    await _put(store, b"content")
    store._about(_URI).write_text(damaged)
    with pytest.raises(LaceError) as caught:
        await store.get(_URI)
    assert caught.value.reason is Reason.BLOB_CORRUPT
    store._about(_URI).write_text(damaged)
    (store._root / _URI).write_bytes(b"contenT")
    await _put(store, b"content")
    assert await store.get(_URI) == b"content"


@pytest.mark.parametrize("lose", ["alter", "truncate", "delete"])
async def test_putting_the_promised_content_again_mends_a_damaged_file(store: FolderBlobStore, lose: str) -> None:
    await _put(store, b"content")
    place = store._root / _URI
    if lose == "delete":
        place.unlink()
    else:
        place.write_bytes(b"contenT" if lose == "alter" else b"con")
    with pytest.raises(LaceError) as caught:
        await _put(store, b"other")
    assert caught.value.reason is Reason.BLOB_CONFLICT
    await _put(store, b"content")
    assert await store.get(_URI) == b"content"


_CUT_OFF = """
import asyncio, os, sys
from pathlib import Path
from lace_platform.blobs import FolderBlobStore, UrlSigner

def put(folder):
    store = FolderBlobStore(folder, UrlSigner("secret"))
    return asyncio.run(store.put("lace-artifacts", "ten_a/x", b"content" * 1000, "text/plain"))

def kill_at(step):
    left = [step]
    for name in ("mkdir", "link", "fsync", "unlink", "replace"):
        def call(*arguments, real=getattr(os, name), **options):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), 9)
            return real(*arguments, **options)
        setattr(os, name, call)

for step in range(1, 40):
    child = os.fork()
    if child == 0:
        kill_at(step)
        put(Path(sys.argv[1]) / str(step))
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        print(step)
        break
"""


async def test_killed_at_any_step_of_a_put_the_file_is_whole_or_not_there(tmp_path: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _CUT_OFF, str(tmp_path)], check=True, capture_output=True, text=True
    )
    last = int(done.stdout)
    assert last > 8, "the put was not killed at any step"
    for step in range(1, last + 1):
        cut_off = FolderBlobStore(tmp_path / str(step), UrlSigner("secret"))
        if await cut_off.exists(_URI):
            assert await cut_off.get(_URI) == b"content" * 1000
        await _put(cut_off, b"content" * 1000)
        assert await cut_off.get(_URI) == b"content" * 1000


async def test_what_others_put_is_listed_without_following_links(store: FolderBlobStore, tmp_path: Path) -> None:
    place, outside = tmp_path / "lace-sources/ten_a/inbox", tmp_path / "lace-sources/ten_b/inbox"
    for folder, name in ((place, "a.md"), (outside, "secret.md")):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"x")
    (place / "link.md").symlink_to(outside / "secret.md")
    (place / "folder").symlink_to(outside)
    os.mkfifo(place / "pipe.md")
    assert [entry.key for entry in await store.entries("lace-sources", "ten_a/inbox/")] == ["ten_a/inbox/a.md"]
    assert await store.entries("lace-sources", "ten_a/inbox/folder/") == []
    for name in ("link.md", "folder/secret.md", "pipe.md"):
        with pytest.raises(LaceError) as caught:
            async for _ in store.open_entry("lace-sources", f"ten_a/inbox/{name}"):
                pass
        assert caught.value.reason is Reason.BLOB_NOT_FOUND
