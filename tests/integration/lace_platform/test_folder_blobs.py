"""The folder store when the disk or a crash got in between."""

from __future__ import annotations

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
