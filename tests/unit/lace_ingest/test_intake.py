"""Documents by the hundred on memory: finding them, the inbox, cancelled runs, jobs that came to nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.inbox import check_prefix, problem_of
from lace_core.labels import owner_label
from lace_ingest.api.consumers import CANCELLED, IMPORT_REQUESTED, REQUESTED, consume, import_job_of, job_of
from lace_ingest.api.events import COMPLETED, IMPORTED, envelopes_of
from lace_ingest.app import intake
from lace_ingest.app.importing import import_objects
from lace_ingest.app.ports import Caller
from lace_ingest.app.reading import read_source
from lace_ingest.app.turns import Turns
from lace_ingest.domain.intake import ImportedObject, ImportJob, ImportOutcome, InboxObject, ReadFault
from lace_ingest.domain.jobs import ReadJob
from lace_ingest.domain.sources import Source, SourceState
from lace_platform.bus import Envelope
from lace_platform.bus.memory import MemoryBus
from tests.unit.lace_ingest.test_use_cases import CALLER, TENANT, TEXT, World


class MemoryInbox:
    """Objects by name; the mark is the content's hash."""

    def __init__(self, **objects: bytes) -> None:
        self.kept: dict[str, bytes] = dict(objects)
        self.read: list[str] = []
        self.failure: Exception | None = None

    async def objects(self, tenant_id: str, prefix: str, after: str, limit: int) -> Sequence[InboxObject]:
        names = sorted(name for name in self.kept if name.startswith(prefix) and name > after)
        return [self._object(name) for name in names[:limit]]

    async def content(self, tenant_id: str, name: str) -> AsyncGenerator[bytes, None]:
        self.read.append(name)
        if self.failure:
            raise self.failure
        if name not in self.kept:
            raise LaceError(Reason.BLOB_NOT_FOUND, "gone")
        yield self.kept[name]

    def _object(self, name: str) -> InboxObject:
        data = self.kept[name]
        return InboxObject(name, len(data), datetime(2026, 1, 1, tzinfo=UTC), hashlib.sha256(data).hexdigest())


def _job(prefix: str = "", *, event_id: str = "evt_1", labels: tuple[str, ...] = (), most: int = 100) -> ImportJob:
    return ImportJob(event_id, "job_1", "run_1", TENANT, prefix, labels, "prn_1", most)


def _told(world: World) -> ImportOutcome:
    [outcome] = world.work.store.told
    assert isinstance(outcome, ImportOutcome)
    return outcome


def _md(name: str) -> bytes:
    return TEXT + name.encode()


def _read_job(source: Source, event_id: str = "evt_r", run_id: str = "run_1") -> ReadJob:
    return ReadJob(event_id, "job_r", run_id, TENANT, source.source_id, {})


# -- the inbox ---------------------------------------------------------------------------------------------------------


async def test_every_object_becomes_a_source_and_what_cannot_be_one_is_told() -> None:
    world = World()
    inbox = MemoryInbox(**{"2026/a.md": _md("a"), "2026/b.xyz": b"x", "2026/c.md": b"x" * 5000, "other.md": _md("o")})
    await import_objects(world.ingest, inbox, _job("2026/"))
    objects = _told(world).objects
    assert [(found.name, found.error_code) for found in objects] == [
        ("2026/a.md", ""), ("2026/b.xyz", "SOURCE_FORMAT_UNSUPPORTED"), ("2026/c.md", "SOURCE_TOO_LARGE"),
    ]  # fmt: skip
    source = world.work.store.sources[TENANT][objects[0].source_id]
    assert (source.filename, source.created_by, source.state) == ("a.md", "prn_1", SourceState.PENDING)
    assert "2026/c.md" not in inbox.read  # its size was enough


async def test_an_object_that_is_known_is_not_copied_again_and_one_that_changed_is() -> None:
    world, inbox = World(), MemoryInbox(**{"a.md": _md("a"), "b.md": _md("b")})
    await import_objects(world.ingest, inbox, _job())
    first = _told(world)
    inbox.kept["b.md"] = _md("changed")
    inbox.read.clear()
    world.work.store.told.clear()
    await import_objects(world.ingest, inbox, _job(event_id="evt_2"))
    second = _told(world)
    assert inbox.read == ["b.md"]
    assert second.objects[0] == first.objects[0]
    assert second.objects[1].source_id != first.objects[1].source_id


async def test_labels_are_added_to_what_is_known() -> None:
    world, inbox = World(), MemoryInbox(**{"a.md": _md("a")})
    await import_objects(world.ingest, inbox, _job())
    await import_objects(world.ingest, inbox, _job(event_id="evt_2", labels=("secret",)))
    [source] = world.work.store.sources[TENANT].values()
    assert source.labels == ("secret",)


async def test_a_delivery_that_broke_off_goes_on_where_it_was() -> None:
    world = World()
    inbox = MemoryInbox(**{f"{number:03}.md": _md(str(number)) for number in range(40)})
    failing = MemoryInbox(**inbox.kept)

    async def content(tenant_id: str, name: str) -> AsyncGenerator[bytes, None]:
        if name > "035":
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True)
        yield failing.kept[name]

    failing.content = content  # type: ignore[method-assign]
    with pytest.raises(LaceError) as caught:
        await import_objects(world.ingest, failing, _job())
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
    assert world.work.store.told == []
    await import_objects(world.ingest, inbox, _job())
    assert len(_told(world).objects) == 40
    assert sorted(inbox.read) == [f"{number:03}.md" for number in range(32, 40)]  # the first portion was noted
    await import_objects(world.ingest, inbox, _job())  # delivered once more
    assert len(world.work.store.told) == 1


async def test_nothing_and_too_much_are_told_with_their_codes() -> None:
    world, inbox = World(), MemoryInbox(**{f"{number}.md": b"x" for number in range(4)})
    for prefix, most, code in (
        ("none/", 9, "INBOX_EMPTY"),
        ("", 3, "INBOX_LIMIT_EXCEEDED"),
        ("../", 9, "INBOX_PREFIX_INVALID"),
    ):
        world.work.store.told.clear()
        await import_objects(world.ingest, inbox, _job(prefix, event_id=f"evt_{code}", most=most))
        assert _told(world).error_code == code
    assert inbox.read == []


async def test_an_import_of_a_cancelled_run_stops_and_tells_nobody() -> None:
    world, inbox = World(), MemoryInbox(**{"a.md": _md("a")})
    await intake.cancel_run(world.ingest, TENANT, "run_1")
    await import_objects(world.ingest, inbox, _job())
    assert (world.work.store.told, inbox.read) == ([], [])


async def test_the_inbox_is_listed_with_what_was_imported() -> None:
    world, inbox = World(), MemoryInbox(**{"a.md": _md("a"), "b.md": _md("b")})
    await import_objects(world.ingest, inbox, _job())
    inbox.kept["b.md"] = _md("changed")
    found = await intake.list_inbox(world.ingest, inbox, CALLER, "", "", 10)
    assert [(one.name, bool(source_id)) for one, source_id in found] == [("a.md", True), ("b.md", False)]
    assert [one.name for one, _ in await intake.list_inbox(world.ingest, inbox, CALLER, "", "a.md", 10)] == ["b.md"]
    with pytest.raises(LaceError) as caught:
        await intake.list_inbox(world.ingest, inbox, CALLER, "../ten_2/", "", 10)
    assert caught.value.reason is Reason.INBOX_PREFIX_INVALID


@pytest.mark.parametrize(
    "name",
    [
        "..", "../x", "a/../b", "/a", "a//b", "./a", "a/./b", ".hidden/a", "a\\b", "a\x00b", "a\nb", "a/..hidden",
        "\u2025/x", "\uff0e\uff0e/x", "a\uff0f..\uff0fb", "a\ufe68b", "\u202ea", "a\u200b", "x" * 600, "\ud800",
        "a/\u2024\u2024/b",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_inbox(name: str) -> None:
    assert problem_of(name)
    with pytest.raises(LaceError) as caught:
        check_prefix(name)
    assert caught.value.reason is Reason.INBOX_PREFIX_INVALID


@pytest.mark.parametrize("name", ["", "2026", "2026/", "a b/ü – ß.md", "日本/語.pdf", "v1.2/notes.v3.md", "%2e%2e/a"])
def test_plain_names_may_be_asked_for(name: str) -> None:
    assert check_prefix(name) == name


# -- finding -----------------------------------------------------------------------------------------------------------


async def test_files_are_found_by_name_and_content_as_far_as_they_may_be_seen() -> None:
    world = World()
    there = await world.upload("a.md", _md("a"))
    holder = Caller(TENANT, "prn_1", frozenset({"secret"}))
    secret = await world.upload("s.md", _md("s"), holder, labels=["secret"])
    files = [(source.filename, source.sha256) for source in (secret, there)] + [
        ("a.md", "0" * 64),
        ("b.md", there.sha256),
    ]
    assert await intake.find_sources(world.ingest, CALLER, files) == [there]
    assert await intake.find_sources(world.ingest, holder, files) == [secret, there]


async def test_ones_own_private_source_is_found_beside_that_of_all() -> None:
    world = World()
    owner = owner_label("prn_1")
    caller = Caller(TENANT, "prn_1", frozenset({owner}))
    private = await world.upload("a.md", _md("a"), caller, labels=[owner])
    files = [("a.md", private.sha256)]
    assert await intake.find_sources(world.ingest, caller, files) == [private]
    assert await intake.find_sources(world.ingest, Caller(TENANT, "prn_2"), files) == []
    public = await world.upload("a.md", _md("a"))
    assert await intake.find_sources(world.ingest, caller, files) == [public, private]


# -- jobs --------------------------------------------------------------------------------------------------------------


async def test_a_job_of_a_cancelled_run_is_never_begun() -> None:
    world = World()
    source = await world.upload()
    await intake.cancel_run(world.ingest, TENANT, "run_1")
    await read_source(world.ingest, _read_job(source))
    assert world.reader.reads == 0
    assert world.work.store.reported == []
    await read_source(world.ingest, _read_job(source, "evt_2", run_id="run_2"))
    assert world.reader.reads == 1


async def test_what_is_being_read_when_its_run_is_cancelled_is_read_to_its_end() -> None:
    world = World()
    source = await world.upload()
    read = world.reader.read

    async def cancelled_meanwhile(*arguments: Any) -> Any:
        await intake.cancel_run(world.ingest, TENANT, "run_1")
        return await read(*arguments)

    world.reader.read = cancelled_meanwhile  # type: ignore[assignment,method-assign]
    await read_source(world.ingest, _read_job(source))
    assert world.work.store.sources[TENANT][source.source_id].state is SourceState.READY


async def test_the_same_file_a_hundred_times_at_once_is_read_once() -> None:
    world = World()
    source = await world.upload()
    read = world.reader.read

    async def slow(*arguments: Any) -> Any:
        await asyncio.sleep(0.005)
        return await read(*arguments)

    world.reader.read = slow  # type: ignore[assignment,method-assign]
    jobs = [_read_job(source, f"evt_{number}", f"run_{number}") for number in range(100)]
    await asyncio.gather(*(read_source(world.ingest, job) for job in jobs))
    assert world.reader.reads == 1
    assert len(world.work.store.reported) == 100


async def test_turns_leave_nothing_behind() -> None:
    turns, order = Turns(), []

    async def work(key: str, number: int) -> None:
        async with turns.turn(key):
            order.append((key, number))
            await asyncio.sleep(0)

    await asyncio.gather(*(work(key, number) for number in range(3) for key in "ab"))
    assert sorted(order) == [(key, number) for key in "ab" for number in range(3)]
    with pytest.raises(ZeroDivisionError):
        async with turns.turn("a"):
            raise ZeroDivisionError
    assert (turns._locks, turns._waiting) == ({}, {})


async def test_a_job_that_came_to_nothing_is_told_once_with_the_source_as_it_was() -> None:
    world = World()
    source = await world.upload()
    for _ in range(2):
        await intake.give_up(world.ingest, _read_job(source), "SERVICE_UNAVAILABLE", "Tried 8 times.")
    [fault] = world.work.store.told
    assert isinstance(fault, ReadFault)
    assert (fault.source, fault.code) == (source, "SERVICE_UNAVAILABLE")
    await read_source(world.ingest, _read_job(source))  # sent again by hand, it has its effect
    assert world.work.store.sources[TENANT][source.source_id].state is SourceState.READY


async def test_news_of_jobs_travel_under_the_job_so_that_they_wait_for_nobody() -> None:
    world = World()
    source = await world.upload()
    fault = ReadFault(_read_job(source), None, "INTERNAL", "No.")
    [told] = envelopes_of(fault)
    assert (told.topic, told.key, b'"fault_code":"INTERNAL"' in told.payload) == (COMPLETED, "job_r", True)
    outcome = ImportOutcome(_job(), (ImportedObject("a.md", "src_a"),))
    [told] = envelopes_of(outcome)
    assert (told.topic, told.key, b'"name":"a.md"' in told.payload) == (IMPORTED, "job_1", True)
    await read_source(world.ingest, _read_job(source))
    assert {envelope.key for envelope in envelopes_of(world.work.store.reported[0])} == {"job_r"}


async def test_the_dead_letter_of_a_job_is_told_to_its_run() -> None:
    world, bus = World(), MemoryBus()
    await bus.start()
    consumptions = await consume(bus, world.ingest, MemoryInbox())
    try:
        asked = {
            "job_id": "job_1",
            "run_id": "run_1",
            "tenant_id": TENANT,
            "source_id": "src_none",
            "settings_json": "{}",
        }
        imported = {"job_id": "job_2", "run_id": "run_1", "tenant_id": TENANT, "prefix": "", "settings_json": "no JSON"}
        await bus.publish(
            [
                Envelope("evt_1", TENANT, REQUESTED, "job_1", json.dumps(asked).encode()),
                Envelope("evt_2", TENANT, IMPORT_REQUESTED, "job_2", json.dumps(imported).encode()),
                Envelope("evt_3", TENANT, REQUESTED, "job_3", b"no JSON at all"),
            ]
        )
        async with asyncio.timeout(10):
            while not world.work.store.told:
                await asyncio.sleep(0.01)
    finally:
        for consumption in consumptions:
            await consumption.close()
        await bus.close()
    [fault] = world.work.store.told
    assert isinstance(fault, ReadFault)
    assert (fault.job.job_id, fault.code, fault.source) == ("job_1", "SOURCE_NOT_FOUND", None)


async def test_a_message_calls_a_run_off() -> None:
    world, bus = World(), MemoryBus()
    await bus.start()
    consumptions = await consume(bus, world.ingest, MemoryInbox())
    try:
        payload = json.dumps({"run_id": "run_1", "tenant_id": TENANT}).encode()
        await bus.publish([Envelope("evt_1", TENANT, CANCELLED, "run_1", payload)])
        async with asyncio.timeout(10):
            while not world.work.store.cancelled:
                await asyncio.sleep(0.01)
    finally:
        for consumption in consumptions:
            await consumption.close()
        await bus.close()
    assert list(world.work.store.cancelled) == [(TENANT, "run_1")]


def test_jobs_are_read_out_of_their_messages() -> None:
    payload = (
        b'{"job_id":"job_1","run_id":"run_1","tenant_id":"ten_1","prefix":"2026/","labels":["a"],'
        b'"requested_by":"prn_1","settings_json":"{\\"ingest.import_objects\\": 7}"}'
    )
    job = import_job_of(Envelope("evt_1", TENANT, "source.import.requested", "job_1", payload))
    assert job == ImportJob("evt_1", "job_1", "run_1", TENANT, "2026/", ("a",), "prn_1", 7)
    with pytest.raises(LaceError):
        job_of(Envelope("evt_1", TENANT, "source.ingest.requested", "job_1", b'{"what": 1}'))
