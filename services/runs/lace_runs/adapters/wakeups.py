"""Wakes watchers of runs: one listening connection per process, fanned out in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from lace_platform.db.listener import Listener, Subscription
from lace_runs.adapters.boundary import EVENTS_CHANNEL


class EventWakeups:
    """See app.ports.Wakeups. Every committed batch wakes every watcher, which then looks for events of its run."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def watch(self, run_id: str) -> AbstractAsyncContextManager[Subscription]:
        """A waiter for one run."""
        del run_id  # the wake-up carries no data
        return self._subscribe()

    @asynccontextmanager
    async def _subscribe(self) -> AsyncIterator[Subscription]:
        subscription = self._listener.subscribe(EVENTS_CHANNEL)
        try:
            yield subscription
        finally:
            subscription.close()
