"""Wakes who follows the events of runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lace_platform.db.listener import Listener, Subscription
from lace_runs.adapters.boundary import EVENTS_CHANNEL


class EventWakeups:
    """See app.ports.Wakeups. Every committed batch wakes."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    @contextmanager
    def open(self) -> Iterator[Subscription]:
        """See Wakeups.open."""
        subscription = self._listener.subscribe(EVENTS_CHANNEL)
        try:
            yield subscription
        finally:
            subscription.close()
