"""An upload lies in a file without a name: hashed, counted, and gone however it ends."""

from __future__ import annotations

import hashlib
import tempfile
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lace_ingest.adapters.spool import Spool
from lace_ingest.domain.formats import SNIFF_BYTES

CHUNK = b"word " * 50_000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def chunks(count: int, fault: Exception | None = None) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield CHUNK
    if fault:
        raise fault


async def test_what_came_in_is_told_and_can_be_read_from_the_beginning(folder: Path) -> None:
    async with Spool().receive(chunks(3), 1 << 20) as received:
        assert received is not None
        assert received.path.read_bytes() == CHUNK * 3 == received.path.read_bytes()
        assert (received.size_bytes, received.sha256) == (750_000, hashlib.sha256(CHUNK * 3).hexdigest())
        assert received.head == (CHUNK * 3)[:SNIFF_BYTES]
        assert list(folder.iterdir()) == []


async def test_what_breaks_off_or_is_too_large_leaves_nothing(folder: Path) -> None:
    with pytest.raises(ConnectionError):
        async with Spool().receive(chunks(3, ConnectionError()), 1 << 20):
            pytest.fail("nothing came in whole")
    async with Spool().receive(chunks(8), 1 << 20) as received:
        assert received is None
    assert list(folder.iterdir()) == []


async def test_it_holds_no_more_than_a_chunk() -> None:
    tracemalloc.start()
    try:
        async with Spool().receive(chunks(64), 1 << 30) as received:
            assert received is not None
            held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < 4 * len(CHUNK)
