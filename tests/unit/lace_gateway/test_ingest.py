"""Taking in documents, over a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest

from lace_core.errors import LaceError, Reason
from lace_gateway.app.ingest import AT_ONCE, SMALL_BYTES, ingest_sources
from lace_gateway.app.ports import Upload


@dataclass(frozen=True)
class Source:
    source_id: str


class MemorySources:
    """Refuses by file name; the same name gives the same source."""

    def __init__(self, **refusals: LaceError) -> None:
        self._refusals = refusals
        self.started: list[list[str]] = []
        self.hashes: list[str] = []

    async def store(self, upload: Upload) -> Source:
        if upload.filename in self._refusals:
            raise self._refusals[upload.filename]
        return Source(f"src_{upload.filename}")

    async def start_reading(self, source_ids: Sequence[str], intake_hash: str) -> str:
        self.started.append(list(source_ids))
        self.hashes.append(intake_hash)
        return "run_1"


async def uploads(*names: str) -> AsyncIterator[Upload]:
    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    for name in names:
        yield Upload(name, (), content())


def error(reason: Reason) -> LaceError:
    return LaceError(reason, reason.value)


async def test_one_run_reads_all_that_were_taken() -> None:
    sources = MemorySources(bad=error(Reason.SOURCE_FORMAT_UNSUPPORTED))
    found = await ingest_sources(sources, uploads("a", "bad", "b", "a"))
    assert found.run_id == "run_1"
    assert [source.source_id for source in found.sources] == ["src_a", "src_b", "src_a"]
    assert [(one.filename, one.error.reason) for one in found.rejected] == [("bad", "SOURCE_FORMAT_UNSUPPORTED")]
    assert sources.started == [["src_a", "src_b"]]


async def test_nothing_sent_and_nothing_taken() -> None:
    sources = MemorySources(a=error(Reason.SOURCE_TOO_LARGE), b=error(Reason.SOURCE_NAME_INVALID))
    with pytest.raises(LaceError) as refused:
        await ingest_sources(sources, uploads())
    assert refused.value.reason is Reason.SOURCE_EMPTY
    with pytest.raises(LaceError) as refused:
        await ingest_sources(sources, uploads("a", "b"))
    assert refused.value.reason is Reason.SOURCE_TOO_LARGE
    assert sources.started == []


@pytest.mark.parametrize("reason", [Reason.SERVICE_UNAVAILABLE, Reason.PERMISSION_DENIED, Reason.INTERNAL])
async def test_what_is_not_about_one_document_ends_it_all(reason: Reason) -> None:
    sources = MemorySources(b=error(reason))
    with pytest.raises(LaceError) as refused:
        await ingest_sources(sources, uploads("a", "b", "c"))
    assert refused.value.reason is reason
    assert sources.started == []


class SlowSources(MemorySources):
    """Takes its time, keeps what it was given, and counts how many it has in hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.kept: dict[str, bytes] = {}
        self.order: list[str] = []

    async def store(self, upload: Upload) -> Source:
        self.now += 1
        self.most = max(self.most, self.now)
        self.order.append(upload.filename)
        content = b"".join([piece async for piece in upload.content])
        await asyncio.sleep(0 if upload.filename.endswith("5") else 0.002)
        self.kept[upload.filename] = content
        self.now -= 1
        return await super().store(upload)


async def _sized(*sizes: int) -> AsyncIterator[Upload]:
    """Uploads of one request: each can be read only until the next is asked for."""
    for number, size in enumerate(sizes):
        left = [min(100_000, size - start) for start in range(0, size, 100_000)]

        async def content(left: list[int] = left) -> AsyncIterator[bytes]:
            while left:
                yield b"x" * left.pop(0)

        yield Upload(f"f{number}", (), content())
        left.clear()


async def test_small_documents_are_stored_several_at_once_and_stay_in_order() -> None:
    sources = SlowSources()
    found = await ingest_sources(sources, _sized(*range(1, 60)))
    assert [source.source_id for source in found.sources] == [f"src_f{number}" for number in range(59)]
    assert sources.started == [[f"src_f{number}" for number in range(59)]]
    assert 1 < sources.most <= AT_ONCE
    assert {name: len(content) for name, content in sources.kept.items()} == {f"f{n}": n + 1 for n in range(59)}


async def test_a_large_document_is_taken_off_the_request_before_the_next_one_comes() -> None:
    sizes = (10, SMALL_BYTES + 1, 20, 5 * SMALL_BYTES, 30)
    sources = SlowSources()
    await ingest_sources(sources, _sized(*sizes))
    assert tuple(len(sources.kept[f"f{number}"]) for number in range(len(sizes))) == sizes


async def test_a_version_waits_for_what_came_before_it() -> None:
    async def versions() -> AsyncIterator[Upload]:
        async for upload in _sized(1, 2, 3):
            yield replace(upload, version_of="src_f0") if upload.filename == "f1" else upload

    sources = SlowSources()
    await ingest_sources(sources, versions())
    assert sources.order == ["f0", "f1", "f2"]
    assert sources.most == 1


async def test_a_request_is_told_from_another_of_the_same_files() -> None:
    async def hash_of(*names: str, **values: object) -> str:
        sources = MemorySources(bad=error(Reason.SOURCE_FORMAT_UNSUPPORTED))

        async def given() -> AsyncIterator[Upload]:
            async for upload in uploads(*names):
                yield replace(upload, **values)  # type: ignore[arg-type]

        await ingest_sources(sources, given())
        return sources.hashes[0]

    first = await hash_of("a", "b", labels=("x", "y"))
    assert first == await hash_of("a", "b", labels=("y", "x", "x"))
    others = [
        await hash_of("a", "b"),
        await hash_of("b", "a", labels=("x", "y")),
        await hash_of("a", "b", "bad", labels=("x", "y")),
        await hash_of("a", "b", labels=("x", "y"), private=True),
        await hash_of("a", "b", labels=("x", "y"), version_of="src_a"),
    ]
    assert len({first, *others}) == 6


async def test_a_request_that_breaks_off_starts_nothing() -> None:
    async def broken() -> AsyncIterator[Upload]:
        async for upload in _sized(1, 1):
            yield upload
        raise error(Reason.INVALID_ARGUMENT)

    sources = SlowSources()
    with pytest.raises(LaceError) as refused:
        await ingest_sources(sources, broken())
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert (sources.started, sources.now) == ([], 0)
