"""Watching runs: one upstream watch per run and process, any number of readers, each with its own position.

The feed of a run keeps a window of its newest frames and wakes its readers; what wakes them carries no data. A
reader takes what follows its position out of the window, or, where it has fallen behind that, out of the table. So
nothing is missing, nothing comes twice, and a slow reader holds up nobody and costs no memory.

Whatever a reader does for each frame is done a thousand times over: frames are encoded once for all, a token is looked
at again when something was revoked and every few seconds, and heartbeats take one timer for a reader, set anew only
when it has run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Sequence

from lace_core.errors import LaceError, Reason
from lace_gateway.app.ports import EventLog, Viewer
from lace_gateway.domain.frames import Frame, Page, Position, Window

WINDOW_FRAMES = 512
BATCH_FRAMES = 128
PAGE_FRAMES = 200
_LONGEST_PAUSE_S = 1.0
_RECHECK_S = 5.0  # a token is looked at again this often, so that its identity is renewed in time


class RunFeeds:
    """The feeds of all runs that are watched through this process."""

    def __init__(self, log: EventLog, *, window_frames: int = WINDOW_FRAMES) -> None:
        self._log = log
        self._window_frames = window_frames
        self._feeds: dict[tuple[str, str, int], _Feed] = {}
        self._draining = False

    async def open(self, viewer: Viewer, run_id: str, after_event_id: str) -> RunWatch | None:
        """A watch that begins behind the event; None where the run has ended and nothing follows.

        Raises LaceError: whatever keeps this viewer from reading this run behind this event.
        """
        if self._draining:
            raise _stopping()
        position = Position.after(after_event_id)
        # Also where the window has it all: it is the service that says who may read what behind which event.
        limit = 1 if self._window_has(viewer, run_id, position) else PAGE_FRAMES
        page = await self._log.replay(viewer, run_id, after_event_id, limit)
        if page.is_last and not page.frames:
            return None
        return RunWatch(self, self._log, viewer, run_id, page, position)

    def recheck(self) -> None:
        """Something was revoked: every reader's token is looked at again, now or before its next frame."""
        for feed in list(self._feeds.values()):
            for reader in feed.readers:
                reader.recheck()

    def drain(self) -> None:
        """Ends all watches, and begins no new ones; readers resume elsewhere from their positions."""
        self._draining = True
        for feed in list(self._feeds.values()):
            feed.end(_stopping())

    def count(self) -> int:
        """Upstream watches that are open."""
        return len(self._feeds)

    def join(self, watch: RunWatch) -> _Feed:
        """The feed of the watch's run, opened behind the watch's position where there is none yet."""
        if self._draining:
            raise _stopping()
        key = _key(watch.viewer, watch.run_id)
        feed = self._feeds.get(key)
        if feed is None or feed.is_over:
            feed = _Feed(self._log, watch.run_id, Window(self._window_frames, watch.position))
            self._feeds[key] = feed
        feed.add(watch)
        return feed

    def leave(self, watch: RunWatch, feed: _Feed) -> None:
        """The last reader to leave closes the upstream watch."""
        feed.remove(watch)
        key = _key(watch.viewer, watch.run_id)
        if not feed.readers and self._feeds.get(key) is feed:
            del self._feeds[key]

    def _window_has(self, viewer: Viewer, run_id: str, position: Position) -> bool:
        feed = self._feeds.get(_key(viewer, run_id))
        return feed is not None and not feed.is_over and feed.window.after(position, 1) is not None


class RunWatch:
    """One reader of one run."""

    def __init__(
        self, feeds: RunFeeds, log: EventLog, viewer: Viewer, run_id: str, first: Page, position: Position
    ) -> None:
        self.viewer = viewer
        self.run_id = run_id
        self.position = position
        self._feeds = feeds
        self._log = log
        self._first: Page | None = first
        self._closed = False
        self._check_at = 0.0
        self._given_at = time.monotonic()
        self._waiting: asyncio.Future[bool] | None = None
        self._timer: asyncio.TimerHandle

    def close(self) -> None:
        """Ends the batches soon; for readers who have gone."""
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """There may be something new."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(True)

    def recheck(self) -> None:
        """The viewer's token may not be good any more."""
        self._check_at = 0.0
        self.wake()

    async def batches(self, heartbeat_s: float) -> AsyncGenerator[Sequence[Frame], None]:
        """Frames as they come, to the run's last; an empty batch after `heartbeat_s` without any.

        Raises LaceError when the viewer's token is not good any more, and when the run cannot be followed.
        """
        first, self._first = self._first, None  # a thousand readers wait a long time: none keeps what it has given
        assert first is not None, "the batches of a watch are read once"
        if first.frames:
            yield self._advance(first.frames)
        if first.is_last:
            return
        del first
        feed = self._feeds.join(self)
        self._beat(heartbeat_s)
        try:
            while not self._closed:
                if time.monotonic() >= self._check_at:
                    await self._check()
                # From here to the wait nothing else runs, unless the table is read: no wake-up is lost in between.
                frames, is_last = self._next(feed) or await self._replayed()
                if frames:
                    yield self._advance(frames)
                if is_last:
                    return
                if not frames and not await self._woken():
                    yield ()
        finally:
            self._timer.cancel()
            self._feeds.leave(self, feed)

    def _beat(self, heartbeat_s: float) -> None:
        """Wakes the reader for a heartbeat where it has had nothing for that long, and sets the timer anew."""
        left = self._given_at + heartbeat_s - time.monotonic()
        if left <= 0 and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(False)
        self._timer = asyncio.get_running_loop().call_later(left if left > 0 else heartbeat_s, self._beat, heartbeat_s)

    def _next(self, feed: _Feed) -> tuple[Sequence[Frame], bool] | None:
        """What follows, and whether it ends the run; None where the window does not go back that far."""
        frames = feed.window.after(self.position, BATCH_FRAMES)
        if not frames and feed.failure is not None:
            raise feed.failure.with_traceback(None)
        return None if frames is None else (frames, feed.has_ended and not frames)

    async def _replayed(self) -> tuple[Sequence[Frame], bool]:
        page = await self._log.replay(self.viewer, self.run_id, self.position.event_id, PAGE_FRAMES)
        return page.frames, page.is_last

    async def _check(self) -> None:
        """Before it can end, or has to be renewed, it is looked at again."""
        self._check_at = time.monotonic() + _RECHECK_S
        identity = await self.viewer.identity()
        left = identity.expires_at - time.time()
        self._check_at = min(self._check_at, time.monotonic() + max(0.0, left))

    async def _woken(self) -> bool:
        """True when there may be something new, False for a heartbeat."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def _advance(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        self.position = frames[-1].position
        self._given_at = time.monotonic()
        return frames


class _Feed:
    """The one upstream watch of a run; it reads under the rights of one of its readers."""

    def __init__(self, log: EventLog, run_id: str, window: Window) -> None:
        self.window = window
        self.readers: list[RunWatch] = []
        self.has_ended = False
        self.failure: LaceError | None = None
        self._log = log
        self._run_id = run_id
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing will be added to the window any more."""
        return self.has_ended or self.failure is not None

    def add(self, reader: RunWatch) -> None:
        self.readers.append(reader)
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"feed-{self._run_id}")

    def remove(self, reader: RunWatch) -> None:
        self.readers.remove(reader)
        if not self.readers and self._task is not None:
            self._task.cancel()

    def end(self, failure: LaceError) -> None:
        """Ends the feed and, after what is in the window, its readers."""
        if not self.is_over:
            self.failure = failure
        if self._task is not None:
            self._task.cancel()
        self._wake_all()

    async def _follow(self) -> None:
        failures = 0
        while not self.is_over:
            try:
                async with contextlib.aclosing(self._upstream()) as pages:
                    async for page in pages:
                        failures = 0
                        self._take(page)
                        if page.is_last:
                            return
            except LaceError as error:
                failures += 1
                self._give_up_or_turn(error, failures)
            await asyncio.sleep(min(0.05 * 2**failures, _LONGEST_PAUSE_S) * random.uniform(0.8, 1.2))

    async def _upstream(self) -> AsyncGenerator[Page, None]:
        async for page in self._log.watch(self.readers[0].viewer, self._run_id, self.window.end.event_id):
            yield page

    def _take(self, page: Page) -> None:
        self.window.append(page.frames)
        self.has_ended = page.is_last
        if page.frames or page.is_last:
            self._wake_all()

    def _give_up_or_turn(self, error: LaceError, failures: int) -> None:
        """A failure that stays may be the one reader's whose rights were used: the next one's are tried."""
        if error.retryable:
            return
        if failures >= len(self.readers):
            self.end(error)
        else:
            self.readers.append(self.readers.pop(0))

    def _wake_all(self) -> None:
        for reader in self.readers:
            reader.wake()


def _key(viewer: Viewer, run_id: str) -> tuple[str, str, int]:
    return viewer.tenant_id, run_id, viewer.schema_version


def _stopping() -> LaceError:
    return LaceError(Reason.SERVICE_UNAVAILABLE, "The server is stopping; call again.", retryable=True, retry_after=0.5)
