"""Watching runs over a log in memory: once, in order, whatever comes between; one look for all that are watched."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.clock import utc_now
from lace_runs.app import events
from lace_runs.app.events import EventTails
from lace_runs.app.ports import EventPage, RunKey
from lace_runs.domain.events import Event, EventDraft, event_id_of

TENANT = "ten_a"


class MemoryLog:
    """The events of some runs: pages of them, news of many, and what wakes; see app.ports."""

    def __init__(self) -> None:
        self.runs: dict[RunKey, list[Event]] = {}
        self.pages = 0
        self.looks: list[int] = []
        self.failures: list[Exception] = []
        self.wakes = True
        self._waiter = _Waiter()

    def emit(self, run_id: str, count: int = 1, *, last: bool = False, tenant_id: str = TENANT) -> None:
        found = self.runs.setdefault((tenant_id, run_id), [])
        for _ in range(count):
            sequence = len(found) + 1
            draft = EventDraft("pipeline.step.completed", {"step_completed": {}}, utc_now())
            found.append(
                Event(event_id_of(run_id, sequence), sequence, tenant_id, run_id, "generate", draft, 0, "", "", "", "")
            )
        if last:
            draft = EventDraft("pipeline.run.completed", {"run_completed": {}}, utc_now())
            sequence = len(found) + 1
            found.append(
                Event(event_id_of(run_id, sequence), sequence, tenant_id, run_id, "generate", draft, 0, "", "", "", "")
            )
        if self.wakes:
            self._waiter.wake()

    # -- app.ports.OpenUnitOfWork, UnitOfWork and EventRepository, as far as they are used here

    def __call__(self, tenant_id: str) -> Any:
        return self._work()

    @asynccontextmanager
    async def _work(self) -> AsyncIterator[Any]:
        yield self

    @property
    def events(self) -> MemoryLog:
        return self

    async def page(self, tenant_id: str, run_id: str, after: int, limit: int) -> EventPage:
        self.pages += 1
        await asyncio.sleep(0)
        if (tenant_id, run_id) not in self.runs:
            raise LaceError(Reason.RUN_NOT_FOUND, f"No run {run_id}.")
        found = self.runs[tenant_id, run_id]
        is_final = bool(found) and found[-1].draft.event_type == "pipeline.run.completed"
        return EventPage(found[after : after + limit], is_final, len(found))

    # -- app.ports.EventNews

    async def after(self, places: Mapping[RunKey, int], limit: int) -> Mapping[RunKey, Sequence[Event]]:
        self.looks.append(len(places))
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        found = {key: self.runs[key][place : place + limit] for key, place in places.items()}
        return {key: news for key, news in found.items() if news}

    # -- app.ports.Wakeups

    @contextlib.contextmanager
    def open(self) -> Iterator[_Waiter]:
        yield self._waiter


class _Waiter:
    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, timeout: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        woken = self._woken.is_set()
        self._woken.clear()
        return woken


@asynccontextmanager
async def tailing(log: MemoryLog) -> AsyncIterator[EventTails]:
    """Tails that run."""
    tails = EventTails(log, log, log)
    running = asyncio.create_task(tails.run())
    try:
        yield tails
    finally:
        running.cancel()


async def read(
    tails: EventTails, run_id: str, after: int = 0, pause: Callable[[], Any] | None = None, tenant_id: str = TENANT
) -> list[int]:
    """All sequences to the run's end."""
    found: list[int] = []
    async with aclosing(tails.watch(tenant_id, run_id, after)) as batches:  # type: ignore[type-var]
        async for batch, _ in batches:
            found += [event.sequence for event in batch]
            if pause is not None:
                await pause()
    return found


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def test_replay_then_tail_then_end() -> None:
    log = MemoryLog()
    log.emit("run_1", 20)
    async with tailing(log) as tails:
        reading = asyncio.create_task(read(tails, "run_1"))
        await settled(lambda: tails.count() == 1)
        log.emit("run_1", 5)
        log.emit("run_1", 5, last=True)
        assert await reading == list(range(1, 32))
        assert tails.count() == 0


async def test_a_run_that_has_ended_needs_no_tail() -> None:
    log = MemoryLog()
    log.emit("run_1", 3, last=True)
    async with tailing(log) as tails:
        assert await read(tails, "run_1", 2) == [3, 4]
        assert await read(tails, "run_1", 4) == []
        with pytest.raises(LaceError) as failure:
            await read(tails, "run_1", tenant_id="ten_other")
        assert failure.value.reason is Reason.RUN_NOT_FOUND
        assert not log.looks


@pytest.mark.parametrize("seed", range(16))
async def test_watchers_of_every_speed_and_place_miss_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small memory, small pages, lost wake-ups, failing looks, watchers that come and dawdle at random."""
    chance = random.Random(seed)
    monkeypatch.setattr(events, "_KEPT", chance.choice([1, 4, 64]))
    monkeypatch.setattr(events, "_NEWS_OF_A_RUN", chance.choice([1, 3, 50]))
    monkeypatch.setattr(events, "_RUNS_IN_A_LOOK", chance.choice([1, 2, 50]))
    monkeypatch.setattr(events, "PAGE", chance.choice([2, 7, 100]))
    monkeypatch.setattr(events, "POLL_S", 0.01)
    monkeypatch.setattr(events, "_PAUSE_S", 0.001)
    log = MemoryLog()
    runs = [f"run_{number}" for number in range(3)]
    for run_id in runs:
        log.emit(run_id, chance.randint(1, 30))

    async def pause() -> None:
        for _ in range(chance.choice([0, 0, 1, 20])):
            await asyncio.sleep(0)

    async with tailing(log) as tails, asyncio.timeout(20):
        readers = []
        for _ in range(12):
            run_id = chance.choice(runs)
            after = chance.randint(0, len(log.runs[TENANT, run_id]))
            readers.append((run_id, after, asyncio.create_task(read(tails, run_id, after, pause))))
            log.wakes = chance.random() < 0.7
            log.failures = chance.choice([[], [LaceError(Reason.SERVICE_UNAVAILABLE, "away")], [ValueError("odd")]])
            log.emit(chance.choice(runs), chance.randint(0, 20))
            await pause()
        for run_id in runs:
            log.emit(run_id, last=True)
        for run_id, after, reader in readers:
            assert await reader == list(range(after + 1, len(log.runs[TENANT, run_id]) + 1))
        assert tails.count() == 0


async def test_one_look_serves_all_runs_and_watchers() -> None:
    log = MemoryLog()
    runs = [f"run_{number}" for number in range(20)]
    for run_id in runs:
        log.emit(run_id)
    async with tailing(log) as tails:
        readers = [asyncio.create_task(read(tails, run_id)) for run_id in runs for _ in range(3)]
        await settled(lambda: sum(len(tail.watchers) for tail in tails._tails.values()) == 60)
        pages, log.looks = log.pages, []
        for run_id in runs:
            log.emit(run_id, last=True)
        assert await asyncio.gather(*readers) == [[1, 2, 3]] * 60
        assert log.pages == pages
        # A look may be under way when the events come, and another begin before the last reader has left.
        assert len(log.looks) <= 3
        assert log.looks[:1] in ([], [20])


async def test_a_watcher_that_does_not_read_costs_no_memory_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_KEPT", 50)
    log = MemoryLog()
    log.emit("run_1")
    async with tailing(log) as tails:
        async with aclosing(tails.watch(TENANT, "run_1", 0)) as slow:  # type: ignore[type-var]
            assert len((await anext(slow))[0]) == 1
            log.emit("run_1")
            assert len((await anext(slow))[0]) == 1
            quick = asyncio.create_task(read(tails, "run_1"))
            for _ in range(40):
                log.emit("run_1", 50)
                await asyncio.sleep(0)
            log.emit("run_1", last=True)
            assert await quick == list(range(1, 2005))
            (tail,) = tails._tails.values()
            assert len(tail._events) <= 50
            rest = [event.sequence async for batch, _ in slow for event in batch]
        assert rest == list(range(3, 2005))
        assert tails.count() == 0


async def test_a_quiet_run_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.01)
    log = MemoryLog()
    log.emit("run_1")
    async with tailing(log) as tails, aclosing(tails.watch(TENANT, "run_1", 1)) as batches:  # type: ignore[type-var]
        assert await anext(batches) == ((), False)
        assert await anext(batches) == ((), False)
