"""Whole prompts and answers are deleted at the end of their time, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.blob_payloads import BlobPayloads
from lace_llm_gateway.app.calls.retention import Retention, expire
from lace_platform.blobs import FolderBlobStore, UrlSigner

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FolderBlobStore:
    return FolderBlobStore(tmp_path, UrlSigner("secret"))


async def _kept(store: FolderBlobStore, text: str) -> str:
    data = text.encode()
    return await BlobPayloads(store).keep("ten_1", "run_1", sha256_hex(data), data)


def _in(days: float) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(days=days)


async def test_payloads_are_kept_for_their_days_and_results_for_ever(store: FolderBlobStore) -> None:
    prompt, answer = await _kept(store, "prompt"), await _kept(store, "answer")
    result = await store.put("lace-replay", "ten_1/run_1/results/0.json", b"{}", "application/json")
    assert await expire(BlobPayloads(store), _in(6.9), 7) == 0
    assert await store.get(prompt) == b"prompt"
    assert await expire(BlobPayloads(store), _in(10_000), 0) == 0
    assert await expire(BlobPayloads(store), _in(7.1), 7) == 2
    for uri in (prompt, answer):
        with pytest.raises(LaceError) as gone:
            await store.get(uri)
        assert gone.value.reason is Reason.BLOB_NOT_FOUND
    assert await store.get(result.uri) == b"{}"
    assert await expire(BlobPayloads(store), _in(7.1), 7) == 0


async def test_what_was_deleted_can_be_kept_again(store: FolderBlobStore) -> None:
    uri = await _kept(store, "prompt")
    await expire(BlobPayloads(store), _in(8), 7)
    assert await _kept(store, "prompt") == uri
    assert await store.get(uri) == b"prompt"


class Away:
    """A store that is away at first."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    async def expire(self, before: datetime) -> int:
        self.asked.append(before)
        if len(self.asked) == 1:
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True)
        return 0


def _sleeping(times: int) -> tuple[list[float], Callable[[float], Awaitable[None]]]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        if len(slept) == times:
            raise asyncio.CancelledError
        slept.append(seconds)

    return slept, sleep


async def test_it_looks_every_hour_and_again_after_a_failure() -> None:
    store = Away()
    slept, sleep = _sleeping(2)
    with pytest.raises(asyncio.CancelledError):
        await Retention("payloads", store, lambda: NOW, 7, sleep).run()
    assert slept == [3600.0, 3600.0]
    assert store.asked == [NOW - timedelta(days=7)] * 2
