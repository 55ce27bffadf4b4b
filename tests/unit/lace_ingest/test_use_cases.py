"""The use cases on memory: uploading, reading as a job, listing, outlines and search."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.memory import MemoryWork
from lace_ingest.adapters.reading.extraction_child import Order, name_of, read_document
from lace_ingest.app import extractions, reading, sources
from lace_ingest.app.ports import Caller, Ingest, Mutation, Received, Stored
from lace_ingest.app.retrieval.search import search
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.formats import SNIFF_BYTES, SourceFormat
from lace_ingest.domain.jobs import ReadJob
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.retrieval.query import Filters, Query, Search
from lace_ingest.domain.sources import Source, SourceState

TENANT = "ten_1"
CALLER = Caller(TENANT, "prn_1")
TEXT = b"# Report\n\n## Costs\n\nThe bridge cost ten pounds. It was cheap.\n\n## Use\n\nMany people use the bridge.\n"


class MemoryIntake:
    """Takes an upload in memory."""

    def __init__(self, files: MemoryFiles) -> None:
        self._files = files

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[Received | None]:
        data = b""
        async for chunk in chunks:
            data += chunk
            if len(data) > max_bytes:
                yield None
                return
        digest = hashlib.sha256(data).hexdigest()
        self._files.received[digest] = data
        yield Received(Path(digest), len(data), digest, data[:SNIFF_BYTES])


class MemoryFiles:
    """Keeps files in memory."""

    def __init__(self) -> None:
        self.received: dict[str, bytes] = {}
        self.kept: dict[str, bytes] = {}

    async def keep_raw(self, key: str, received: Received, media_type: str) -> Stored:
        self.kept[key] = self.received[received.sha256]
        return Stored(key, received.sha256)

    async def keep_units(self, key: Callable[[str], str], document: ExtractedDocument) -> Stored:
        digest = hashlib.sha256(repr(document).encode()).hexdigest()
        self.kept[key(digest)] = repr(document).encode()
        return Stored(key(digest), digest)

    @asynccontextmanager
    async def raw(self, source: Source) -> AsyncIterator[Path]:
        """The path is no more than the key; DirectReader knows what lies there."""
        if source.raw_uri not in self.kept:
            raise LaceError(Reason.BLOB_NOT_FOUND, "gone")
        yield Path(source.raw_uri)


class DirectReader:
    """Reads in this process."""

    def __init__(self, files: MemoryFiles) -> None:
        self.reads = 0
        self.failure: Exception | None = None
        self._files = files

    def extraction(self, source_format: SourceFormat, limits: ExtractionLimits) -> str:
        return name_of(source_format, limits)

    async def read(self, source: Source, raw: Path, limits: ExtractionLimits) -> ExtractedDocument:
        self.reads += 1
        if self.failure:
            raise self.failure
        return read_document(Order(source.filename, source.format, limits), self._files.kept[str(raw)])


class World:
    """Everything around the use cases, with a clock that ticks at each look."""

    def __init__(self) -> None:
        self.work, self.files = MemoryWork(), MemoryFiles()
        self.reader = DirectReader(self.files)
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self.ingest = Ingest(self.work, MemoryIntake(self.files), self.files, self.reader, self.tick, max_bytes=1000)

    def tick(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    async def upload(
        self, filename: str = "a.md", data: bytes = TEXT, caller: Caller = CALLER, **more: object
    ) -> Source:
        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(data), 7):
                yield data[at : at + 7]

        labels = more.get("labels", ())
        mutation_of = more.get("mutation_of", lambda filename, sha256: None)
        return await sources.upload_source(self.ingest, caller, filename, labels, chunks(), mutation_of)  # type: ignore[arg-type]

    async def read(
        self, source: Source, event_id: str = "evt_1", settings: Mapping[str, object] | None = None
    ) -> Source:
        job = ReadJob(event_id, "job_1", "run_1", TENANT, source.source_id, dict(settings or {}))
        await reading.read_source(self.ingest, job)
        return self.work.store.sources[TENANT][source.source_id]


@pytest.fixture
def world() -> World:
    return World()


async def refused(awaitable: object) -> Reason:
    with pytest.raises(LaceError) as found:
        await awaitable  # type: ignore[misc]
    return found.value.reason


async def test_an_upload_is_pending_and_its_bytes_are_kept(world: World) -> None:
    source = await world.upload()
    assert (source.state, source.size_bytes, source.title) == (SourceState.PENDING, len(TEXT), "a")
    assert source.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert world.files.kept[source.raw_uri] == TEXT


async def test_the_same_file_again_is_the_same_source(world: World) -> None:
    first, again, renamed = await world.upload(), await world.upload(), await world.upload("b.md")
    assert first == again
    assert renamed.source_id != first.source_id
    other = await world.upload(caller=Caller("ten_2", "prn_9"))
    assert other.source_id != first.source_id


async def test_a_file_above_the_limit_leaves_nothing(world: World) -> None:
    assert await refused(world.upload(data=b"x" * 1001)) is Reason.SOURCE_TOO_LARGE
    assert world.files.kept == {}
    assert world.work.store.sources == {}


@pytest.mark.parametrize(
    ("filename", "reason"),
    [("../a.md", Reason.SOURCE_NAME_INVALID), ("a.xlsx", Reason.SOURCE_FORMAT_UNSUPPORTED)],
)
async def test_a_bad_name_is_refused_before_a_byte_is_read(world: World, filename: str, reason: Reason) -> None:
    assert await refused(world.upload(filename)) is reason
    assert world.files.received == {}


@pytest.mark.parametrize(
    ("filename", "data", "reason"),
    [
        ("a.docx", b"hello", Reason.SOURCE_UNREADABLE),
        ("a.pdf", b"PK\x03\x04", Reason.SOURCE_FORMAT_UNSUPPORTED),
        ("a.md", b"", Reason.SOURCE_EMPTY),
    ],
)
async def test_what_its_name_does_not_promise_leaves_nothing(
    world: World, filename: str, data: bytes, reason: Reason
) -> None:
    assert await refused(world.upload(filename, data)) is reason
    assert (world.files.kept, world.work.store.sources) == ({}, {})


async def test_labels_must_be_held_and_decide_who_sees(world: World) -> None:
    assert await refused(world.upload(labels=["secret"])) is Reason.PERMISSION_DENIED
    cleared = Caller(TENANT, "prn_2", frozenset(("secret", "other")))
    source = await world.upload(caller=cleared, labels=["secret"])
    assert (await sources.get_source(world.ingest, cleared, source.source_id)).labels == ("secret",)
    assert await refused(sources.get_source(world.ingest, CALLER, source.source_id)) is Reason.SOURCE_NOT_FOUND
    assert await sources.list_sources(world.ingest, CALLER, None, 10, None) == []
    await world.read(source)
    found = await search(
        world.ingest, CALLER, Search((Query("q", "bridge"),), Filters(source_ids=frozenset((source.source_id,))))
    )
    assert found.hits == ((),)
    assert await sources.get_outlines(world.ingest, CALLER, []) == []


async def test_a_key_with_another_body_is_a_conflict(world: World) -> None:
    def once(filename: str, sha256: str) -> Mutation:
        return Mutation(f"upload/{filename}", sha256.encode())

    first = await world.upload(mutation_of=once)
    assert await world.upload(mutation_of=once) == first
    assert await refused(world.upload(data=b"other", mutation_of=once)) is Reason.IDEMPOTENCY_KEY_REUSED


async def test_reading_makes_a_source_ready_and_tells_of_it(world: World) -> None:
    ready = await world.read(await world.upload())
    assert (ready.state, ready.title, ready.unit_count, ready.run_id) == (SourceState.READY, "Report", 2, "run_1")
    assert ready.extraction == name_of(ready.format, ExtractionLimits())
    assert ready.word_count == 13
    [readout] = world.work.store.reported
    assert readout.source == ready
    assert readout.units_uri in world.files.kept
    assert readout.started_at < readout.ended_at
    units = await extractions.list_units(world.ingest, CALLER, ready.source_id, "", 10, -1)
    assert [unit.heading_path for unit in units] == [("Costs",), ("Use",)]
    assert await extractions.list_units(world.ingest, CALLER, ready.source_id, "", 10, 0) == units[1:]


async def test_a_second_delivery_has_no_effect(world: World) -> None:
    source = await world.upload()
    await world.read(source)
    await world.read(source)
    assert len(world.work.store.reported) == 1


async def test_another_run_gets_its_answer_without_a_second_reading(world: World) -> None:
    source = await world.upload()
    await world.read(source)
    await world.read(source, "evt_2")
    assert world.reader.reads == 1
    assert [readout.source.state for readout in world.work.store.reported] == [SourceState.READY] * 2


async def test_a_document_that_cannot_be_read_is_an_outcome(world: World) -> None:
    failed = await world.read(await world.upload("a.docx", b"PK\x03\x04 and no more"))
    assert (failed.state, failed.error_code) == (SourceState.FAILED, "SOURCE_UNREADABLE")
    assert "a broken one" in failed.error_message
    assert [readout.source for readout in world.work.store.reported] == [failed]
    assert failed.unit_count == 0


@pytest.mark.parametrize(
    ("data", "settings", "code"),
    [
        (b" \n", {}, "SOURCE_EMPTY"),
        (TEXT, {"ingest.max_bytes": 20}, "SOURCE_TOO_LARGE"),
        (TEXT, {"ingest.max_characters": 20}, "SOURCE_LIMIT_EXCEEDED"),
        (b"---\n", {}, "SOURCE_NO_TEXT"),
    ],
)
async def test_pinned_settings_bound_a_reading(world: World, data: bytes, settings: dict[str, int], code: str) -> None:
    assert (await world.read(await world.upload(data=data), settings=settings)).error_code == code


async def test_a_failed_source_can_be_read_again(world: World) -> None:
    source = await world.upload()
    failed = await world.read(source, settings={"ingest.max_characters": 20})
    assert failed.state is SourceState.FAILED
    assert (await world.read(source, "evt_2")).state is SourceState.READY


async def test_what_was_read_once_stays_readable(world: World) -> None:
    source = await world.upload()
    ready = await world.read(source)
    world.reader.failure = LaceError(Reason.SOURCE_LIMIT_EXCEEDED, "too slow")
    assert await world.read(source, "evt_2", {"ingest.unit_characters": 300}) == ready
    assert world.work.store.reported[-1].source.state is SourceState.FAILED


async def test_a_missing_file_is_an_outcome_too(world: World) -> None:
    source = await world.upload()
    world.files.kept.clear()
    assert (await world.read(source)).error_code == "BLOB_NOT_FOUND"


@pytest.mark.parametrize("failure", [LaceError(Reason.SERVICE_UNAVAILABLE, "no blobs"), OSError("disk")])
async def test_a_fault_that_is_not_the_documents_leaves_the_job_for_another_try(
    world: World, failure: Exception
) -> None:
    source = await world.upload()
    world.reader.failure = failure
    with pytest.raises(type(failure)):
        await world.read(source)
    assert world.work.store.reported == []
    world.reader.failure = None
    assert (await world.read(source)).state is SourceState.READY


async def test_other_unit_lengths_make_other_units_and_the_newest_are_found(world: World) -> None:
    source = await world.upload(data=b"Some words here. " * 50)
    await world.read(source)
    again = await world.read(source, "evt_2", {"ingest.unit_characters": 200})
    units = await extractions.list_units(world.ingest, CALLER, source.source_id, "", 100, -1)
    assert len(units) == again.unit_count > 3
    found = await search(world.ingest, CALLER, Search((Query("q", "words", 50),)))
    assert {hit.unit_id for hit in found.hits[0]} == {unit.unit_id for unit in units}


async def test_outlines_say_what_each_section_holds(world: World) -> None:
    await world.read(await world.upload())
    [outline] = await sources.get_outlines(world.ingest, CALLER, [])
    assert [(section.heading_path, section.words, section.lead) for section in outline.sections] == [
        (("Costs",), 8, "The bridge cost ten pounds."),
        (("Use",), 5, "Many people use the bridge."),
    ]


async def test_search_answers_each_query_and_names_each_unit_once(world: World) -> None:
    await world.read(await world.upload())
    await world.upload("pending.md", b"# bridge\n\nbridge bridge\n")
    queries = (Query("cost", "what did the bridge cost"), Query("none", "elephants"), Query("one", "bridge", 1))
    found = await search(world.ingest, CALLER, Search(queries))
    assert [len(hits) for hits in found.hits] == [2, 0, 1]
    assert {unit.heading_path for _, unit in found.units} == {("Costs",), ("Use",)}
    assert [source.filename for source in found.sources] == ["a.md"]


async def test_the_newest_sources_come_first_page_by_page(world: World) -> None:
    made = [await world.upload(f"{name}.md") for name in "abc"]
    await world.read(made[1])
    first = await sources.list_sources(world.ingest, CALLER, None, 2, None)
    assert [source.filename for source in first] == ["c.md", "b.md"]
    rest = await sources.list_sources(world.ingest, CALLER, None, 2, (first[-1].created_at, first[-1].source_id))
    assert [source.filename for source in rest] == ["a.md"]
    ready = await sources.list_sources(world.ingest, CALLER, SourceState.READY, 9, None)
    assert ready == [replace(ready[0])]
    assert ready[0].filename == "b.md"
