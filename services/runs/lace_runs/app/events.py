"""Reading a run's events: pages out of the table, and watching: the past from a cursor on, then the present to the end.

One reader looks for what is new in all runs that are watched through this process, and hands it to their watchers in
memory, so that a commit costs one query, however many watch. What wakes the reader carries no data: each look takes the
rows behind the place that was reached, so nothing is missed and nothing doubled. Each watcher has its own place; one
that has fallen behind what is kept in memory reads the table until it has caught up, and holds nobody up.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import structlog

from lace_core.errors import LaceError, Reason
from lace_runs.app.ports import EventNews, OpenUnitOfWork, RunKey, Wakeup, Wakeups
from lace_runs.domain.event_types import LAST_TYPES
from lace_runs.domain.events import Event, sequence_of

PAGE = 500
POLL_S = 0.5
HEARTBEAT_S = 10.0
_KEPT = 500  # events of one run in memory at most
_NEWS_OF_A_RUN = 100  # in one look; who has more comes up again at once
_RUNS_IN_A_LOOK = 200
_PAUSE_S = 0.2
_LONGEST_REST_S = 0.05

_log = structlog.get_logger(__name__)


def cursor(run_id: str, after_event_id: str) -> int:
    """The sequence after which to go on; raises LaceError EVENT_CURSOR_INVALID."""
    if not after_event_id:
        return 0
    sequence = sequence_of(run_id, after_event_id)
    if sequence is None:
        raise LaceError(Reason.EVENT_CURSOR_INVALID, f"{after_event_id} is not an event of {run_id}.")
    return sequence


async def page(
    open_work: OpenUnitOfWork, tenant_id: str, run_id: str, after: int, limit: int
) -> tuple[Sequence[Event], bool]:
    """Events after a sequence, and whether they are the run's last.

    Raises LaceError RUN_NOT_FOUND, EVENT_CURSOR_INVALID for a place that the run has not come to.
    """
    async with open_work(tenant_id) as work:
        found = await work.events.page(tenant_id, run_id, after, limit)
    if after > found.last_sequence:
        raise LaceError(Reason.EVENT_CURSOR_INVALID, f"{run_id} has {found.last_sequence} events, and not yet {after}.")
    return found.events, _are_last(found.events) if found.events else found.run_is_final


class EventTails:
    """The ends of all runs that are watched through this process."""

    def __init__(self, open_work: OpenUnitOfWork, news: EventNews, wakeups: Wakeups) -> None:
        self._open_work = open_work
        self._news = news
        self._wakeups = wakeups
        self._tails: dict[RunKey, _Tail] = {}
        self._look_now: Wakeup | None = None
        self._is_watched = asyncio.Event()

    async def watch(self, tenant_id: str, run_id: str, after: int) -> AsyncIterator[tuple[Sequence[Event], bool]]:
        """Events in batches with whether they are the last; an empty batch is a sign of life.

        Raises LaceError RUN_NOT_FOUND. `run` must be running.
        """
        is_full = True
        while is_full:
            events, ended = await page(self._open_work, tenant_id, run_id, after, PAGE)
            is_full = len(events) == PAGE
            after = events[-1].sequence if events else after
            if events or ended:
                yield events, ended
            if ended:
                return
        with self._joined((tenant_id, run_id), after) as watcher:
            while True:
                events, ended = await self._next(watcher)
                yield events, ended
                if ended:
                    return

    def count(self) -> int:
        """Runs that are watched."""
        return len(self._tails)

    async def run(self) -> None:
        """Looks for news of the watched runs until cancelled."""
        with self._wakeups.open() as wakeup:
            self._look_now = wakeup
            while True:
                await self._is_watched.wait()
                began = time.monotonic()
                more = await self._look()
                rested_at = 2 * time.monotonic() - began
                if not more:
                    await wakeup.wait(POLL_S)
                # As long as the look took, so that at a thousand commits a second half of the time goes into looking.
                await asyncio.sleep(min(rested_at - time.monotonic(), _LONGEST_REST_S))

    @contextlib.contextmanager
    def _joined(self, key: RunKey, after: int) -> Iterator[_Watcher]:
        tail = self._tails.setdefault(key, _Tail(key, after))
        watcher = _Watcher(tail, after)
        tail.watchers.add(watcher)
        self._is_watched.set()
        if self._look_now is not None:
            self._look_now.wake()  # for what was committed since the last page and before this
        try:
            yield watcher
        finally:
            tail.watchers.discard(watcher)
            if not tail.watchers:
                del self._tails[key]
            if not self._tails:
                self._is_watched.clear()

    async def _next(self, watcher: _Watcher) -> tuple[Sequence[Event], bool]:
        """What follows for a watcher, an empty batch after a while without."""
        events = watcher.tail.after(watcher.place)
        if events is not None and not events:
            await watcher.woken(HEARTBEAT_S)
            events = watcher.tail.after(watcher.place)
        ended = False
        if events is None:
            events, ended = await page(self._open_work, *watcher.tail.key, watcher.place, PAGE)
        watcher.place = events[-1].sequence if events else watcher.place
        return events, ended or _are_last(events)

    async def _look(self) -> bool:
        """One look for the news of all; whether some run may have more than came."""
        more = False
        try:
            for keys in _parts(list(self._tails)):
                places = {key: self._tails[key].end for key in keys if key in self._tails}
                found = await self._news.after(places, _NEWS_OF_A_RUN) if places else {}
                for key, events in found.items():
                    more = more or len(events) == _NEWS_OF_A_RUN
                    if key in self._tails:
                        self._tails[key].append(events)
        except LaceError as error:
            _log.warning("events_not_followed", error=str(error))
            await asyncio.sleep(_PAUSE_S)
        except Exception:  # noqa: BLE001 - everyone who watches depends on this loop
            _log.exception("events_not_followed")
            await asyncio.sleep(_PAUSE_S)
        return more


class _Tail:
    """The newest events of a run as far as its watchers may still need them, without gaps, and how far it is known."""

    def __init__(self, key: RunKey, end: int) -> None:
        self.key = key
        self.end = end
        self.watchers: set[_Watcher] = set()
        self._events: list[Event] = []

    def append(self, events: Sequence[Event]) -> None:
        """Adds what follows and wakes the watchers; what is known is left out, a gap forgets what was before it."""
        fresh = [event for event in events if event.sequence > self.end]
        if not fresh:
            return
        if fresh[0].sequence > self.end + 1:
            self._events.clear()
        self._forget(min((watcher.place for watcher in self.watchers), default=self.end))
        self._events.extend(fresh)
        self.end = fresh[-1].sequence
        del self._events[:-_KEPT]
        for watcher in self.watchers:
            watcher.wake()

    def after(self, place: int) -> Sequence[Event] | None:
        """What follows a place; None where only the table knows."""
        if place >= self.end:
            return ()
        first = self._events[0].sequence if self._events else self.end + 1
        return self._events[place + 1 - first :] if first <= place + 1 else None

    def _forget(self, place: int) -> None:
        """What every watcher has."""
        if self._events and self._events[0].sequence <= place:
            del self._events[: place + 1 - self._events[0].sequence]


class _Watcher:
    """How far one watcher of a run is."""

    def __init__(self, tail: _Tail, place: int) -> None:
        self.tail = tail
        self.place = place
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def woken(self, within_s: float) -> None:
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._woken.wait()


def _are_last(events: Sequence[Event]) -> bool:
    return bool(events) and events[-1].draft.event_type in LAST_TYPES


def _parts(keys: list[RunKey]) -> Iterator[list[RunKey]]:
    return (keys[start : start + _RUNS_IN_A_LOOK] for start in range(0, len(keys), _RUNS_IN_A_LOOK))
