"""Feeds and their readers over a log in memory: once, in order, whatever comes between."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_gateway.app.ports import Viewer
from lace_gateway.app.watch import RunFeeds
from lace_gateway.domain.frames import Frame, Page
from lace_gateway.domain.identity import SignedIdentity


class MemoryLog:
    """One run's events; `page` of them come at a time, and watching may be made to fail or repeat itself."""

    def __init__(self, *, page: int = 7) -> None:
        self.frames: list[Frame] = []
        self.ended = False
        self.page = page
        self.changed = asyncio.Event()
        self.replays = 0
        self.limits: list[int] = []
        self.watchers: list[str] = []
        self.failures: dict[str, LaceError] = {}
        self.repeat = 0
        self.break_after: int | None = None

    def emit(self, count: int = 1, *, last: bool = False) -> None:
        for _ in range(count):
            number = len(self.frames) + 1
            self.frames.append(Frame(number, f"evt_{number}", "pipeline.step.completed", b"{}"))
        self.ended = self.ended or last
        self.changed.set()
        self.changed = asyncio.Event()

    async def replay(self, viewer: Viewer, run_id: str, after_event_id: str, limit: int) -> Page:
        self.replays += 1
        self.limits.append(limit)
        start = int(after_event_id.removeprefix("evt_") or 0)
        frames = self.frames[start : start + min(limit, self.page)]
        return Page(frames, self.ended and start + len(frames) == len(self.frames))

    async def watch(self, viewer: Viewer, run_id: str, after_event_id: str) -> AsyncIterator[Page]:
        self.watchers.append(viewer.request_id)
        if viewer.request_id in self.failures:
            raise self.failures[viewer.request_id]
        position = max(0, int(after_event_id.removeprefix("evt_") or 0) - self.repeat)
        pages = 0
        while True:
            changed = self.changed
            frames = self.frames[position : position + self.page]
            position += len(frames)
            last = self.ended and position == len(self.frames)
            yield Page(frames, last)
            pages += 1
            if last:
                return
            if self.break_after is not None and pages >= self.break_after:
                raise LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True)
            if not frames:
                await changed.wait()


class Reader:
    """A viewer whose token can be taken away."""

    def __init__(self, name: str = "req_1", tenant_id: str = "ten_a") -> None:
        self.request_id = self.correlation_id = name
        self.tenant_id = tenant_id
        self.schema_version = 0
        self.refused: LaceError | None = None
        self.expires_at = 0.0
        self.checks = 0

    async def identity(self) -> SignedIdentity:
        self.checks += 1
        if self.refused is not None:
            raise self.refused
        return SignedIdentity("jwt", "prn_a", self.tenant_id, self.expires_at)


async def read(feeds: RunFeeds, viewer: Reader, after: str = "", pause: Callable[[], Any] | None = None) -> list[int]:
    """All sequence numbers to the run's end."""
    watch = await feeds.open(viewer, "run_1", after)
    if watch is None:
        return []
    found: list[int] = []
    async for frames in watch.batches(5):
        found += [frame.sequence for frame in frames]
        if pause is not None:
            await pause()
    return found


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def test_replay_then_tail_then_end() -> None:
    log = MemoryLog()
    log.emit(20)
    feeds = RunFeeds(log)
    reading = asyncio.create_task(read(feeds, Reader()))
    await settled(lambda: len(log.watchers) == 1)
    log.emit(5)
    await asyncio.sleep(0)
    log.emit(5, last=True)
    assert await reading == list(range(1, 31))
    assert feeds.count() == 0


async def test_nothing_follows_the_end() -> None:
    log = MemoryLog()
    log.emit(3, last=True)
    assert await RunFeeds(log).open(Reader(), "run_1", "evt_3") is None


async def test_a_run_without_events_yet() -> None:
    log = MemoryLog()
    reading = asyncio.create_task(read(RunFeeds(log), Reader()))
    await settled(lambda: len(log.watchers) == 1)
    log.emit(2, last=True)
    assert await reading == [1, 2]


@pytest.mark.parametrize("seed", range(12))
async def test_readers_of_every_speed_and_place_miss_nothing(seed: int) -> None:
    """A small window, repeats, broken watches, readers that come, wait and go at random."""
    chance = random.Random(seed)
    log = MemoryLog(page=chance.randint(1, 9))
    log.repeat = chance.randint(0, 4)
    log.break_after = chance.choice([None, 12])  # further than it repeats, or it would never get on
    feeds = RunFeeds(log, window_frames=chance.choice([1, 4, 64]))
    log.emit(chance.randint(1, 30))

    async def pause() -> None:
        for _ in range(chance.choice([0, 0, 1, 20])):
            await asyncio.sleep(0)

    starts = [chance.randint(0, len(log.frames)) for _ in range(8)]
    readers = [
        asyncio.create_task(read(feeds, Reader(f"req_{number}"), f"evt_{start}" if start else "", pause))
        for number, start in enumerate(starts)
    ]
    for _ in range(40):
        log.emit(chance.randint(0, 5))
        await asyncio.sleep(0)
    log.emit(1, last=True)
    async with asyncio.timeout(20):
        found = await asyncio.gather(*readers)
    for start, sequences in zip(starts, found, strict=True):
        assert sequences == list(range(start + 1, len(log.frames) + 1))


async def test_tenants_do_not_share_feeds() -> None:
    log = MemoryLog()
    log.emit(1)
    feeds = RunFeeds(log)
    readers = [asyncio.create_task(read(feeds, Reader("a", tenant))) for tenant in ("ten_a", "ten_b", "ten_b")]
    await settled(lambda: len(log.watchers) == 2)
    log.emit(1, last=True)
    assert await asyncio.gather(*readers) == [[1, 2]] * 3


async def test_a_reader_whose_rights_were_used_may_fail_without_the_others() -> None:
    log = MemoryLog()
    log.emit(1)
    log.failures["req_bad"] = LaceError(Reason.TOKEN_REVOKED, "revoked")
    feeds = RunFeeds(log)
    bad = Reader("req_bad")
    watch = await feeds.open(bad, "run_1", "")
    assert watch is not None
    good = await feeds.open(Reader("req_good"), "run_1", "")
    assert good is not None
    async with aclosing(watch.batches(5)) as first, aclosing(good.batches(5)) as second:
        await anext(first)
        await anext(second)
        waiting = [asyncio.create_task(anext(first)), asyncio.create_task(anext(second))]
        await settled(lambda: "req_good" in log.watchers)
        bad.refused = LaceError(Reason.TOKEN_REVOKED, "revoked")
        log.emit(1, last=True)
        with pytest.raises(LaceError):
            await waiting[0]
        assert [frame.sequence for frame in await waiting[1]] == [2]


async def test_a_feed_that_cannot_go_on_tells_its_readers() -> None:
    log = MemoryLog()
    log.emit(1)
    log.failures["req_1"] = LaceError(Reason.PERMISSION_DENIED, "no")
    with pytest.raises(LaceError) as failure:
        await read(RunFeeds(log), Reader())
    assert failure.value.reason is Reason.PERMISSION_DENIED


async def test_an_idle_stream_beats() -> None:
    log = MemoryLog()
    log.emit(1)
    feeds = RunFeeds(log)
    watch = await feeds.open(Reader(), "run_1", "")
    assert watch is not None
    async with aclosing(watch.batches(0.01)) as batches:
        assert [frame.sequence for frame in await anext(batches)] == [1]
        assert await anext(batches) == ()
        watch.close()
        with pytest.raises(StopAsyncIteration):
            await anext(batches)
    assert feeds.count() == 0


async def test_draining_ends_readers_and_takes_no_more() -> None:
    log = MemoryLog()
    log.emit(1)
    feeds = RunFeeds(log)
    reading = asyncio.create_task(read(feeds, Reader()))
    await settled(lambda: feeds.count() == 1)
    feeds.drain()
    with pytest.raises(LaceError) as ended:
        await reading
    assert ended.value.retryable
    with pytest.raises(LaceError):
        await feeds.open(Reader(), "run_1", "")


async def test_a_token_is_looked_at_when_something_was_revoked_and_not_for_each_frame() -> None:
    log = MemoryLog()
    log.emit(1)
    feeds = RunFeeds(log)
    reader = Reader()
    reader.expires_at = time.time() + 300
    watch = await feeds.open(reader, "run_1", "")
    assert watch is not None
    async with aclosing(watch.batches(60)) as batches:
        for number in range(1, 40):
            assert [frame.sequence for frame in await anext(batches)] == [number]
            log.emit(1)
        assert reader.checks == 1
        assert [frame.sequence for frame in await anext(batches)] == [40]
        waiting = asyncio.create_task(anext(batches))
        await asyncio.sleep(0.01)
        reader.refused = LaceError(Reason.TOKEN_REVOKED, "revoked")
        feeds.recheck()
        with pytest.raises(LaceError):
            await asyncio.wait_for(waiting, 30)
    assert feeds.count() == 0


async def test_who_joins_where_the_window_has_it_all_reads_no_page_of_the_table() -> None:
    log = MemoryLog(page=1000)
    feeds = RunFeeds(log)
    first = asyncio.create_task(read(feeds, Reader("req_1")))
    await settled(lambda: len(log.watchers) == 1)
    log.emit(60)
    await asyncio.sleep(0.01)
    log.limits.clear()
    others = [asyncio.create_task(read(feeds, Reader(f"req_{number}"))) for number in range(2, 6)]
    await settled(lambda: len(log.limits) == 4)
    await asyncio.sleep(0.01)
    log.emit(1, last=True)
    assert await asyncio.gather(first, *others) == [list(range(1, 62))] * 5
    assert log.limits == [1] * 4


async def test_a_reader_keeps_nothing_of_what_it_was_given() -> None:
    log = MemoryLog(page=1000)
    log.emit(200)
    feeds = RunFeeds(log)
    watch = await feeds.open(Reader(), "run_1", "")
    assert watch is not None
    frames = [weakref.ref(frame) for frame in log.frames[:199]]
    async with aclosing(watch.batches(60)) as batches:
        await anext(batches)
        waiting = asyncio.create_task(anext(batches))
        await asyncio.sleep(0.01)
        log.frames = [Frame(n, f"evt_{n}", "pipeline.step.completed", b"{}") for n in range(1, 201)]
        gc.collect()
        assert not any(frame() for frame in frames)
        log.emit(1, last=True)
        await waiting
