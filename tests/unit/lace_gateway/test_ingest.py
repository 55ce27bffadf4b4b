"""Taking in documents, over a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from lace_core.errors import LaceError, Reason
from lace_gateway.app.ingest import ingest_sources
from lace_gateway.app.ports import Upload


@dataclass(frozen=True)
class Source:
    source_id: str


class MemorySources:
    """Refuses by file name; the same name gives the same source."""

    def __init__(self, **refusals: LaceError) -> None:
        self._refusals = refusals
        self.started: list[list[str]] = []

    async def store(self, upload: Upload) -> Source:
        if upload.filename in self._refusals:
            raise self._refusals[upload.filename]
        return Source(f"src_{upload.filename}")

    async def start_reading(self, source_ids: Sequence[str]) -> str:
        self.started.append(list(source_ids))
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
