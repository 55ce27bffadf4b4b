"""What was revoked, read once per process and handed to every follower."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from lace_control.adapters.postgres_revocations import CHANNEL
from lace_control.app.ports import Units
from lace_control.domain.revocations import STILL_MATTERS, Revocation
from lace_core.errors import LaceError
from lace_platform.db.listener import Listener

_POLL_S = 0.5

_log = structlog.get_logger(__name__)


class RevocationFeed:
    """Follows the table: woken by NOTIFY, and every 0.5 s, so that a lost wake-up delays by no more."""

    def __init__(self, units: Units, listener: Listener, now: Callable[[], datetime]) -> None:
        self._units = units
        self._listener = listener
        self._now = now
        self._known: list[Revocation] = []
        self._news = asyncio.Event()
        self.epoch = 0

    async def run(self) -> None:
        """Follow until cancelled; a database that is away is asked again."""
        subscription = self._listener.subscribe(CHANNEL)
        try:
            while True:
                try:
                    await self.refresh()
                except LaceError as error:
                    _log.warning("revocations_not_read", error=str(error))
                await subscription.wait(_POLL_S)
        finally:
            subscription.close()

    async def refresh(self) -> None:
        """Read what is new and tell those who wait."""
        since = self._now() - STILL_MATTERS
        async with self._units.of_system() as uow:
            newest = await uow.epoch()
            found = await uow.directory.revocations_after(self.epoch, since) if newest > self.epoch else ()
        if found:
            self._known = [known for known in self._known if known.revoked_at >= since] + list(found)
            self.epoch = found[-1].epoch
            self._news.set()
            self._news = asyncio.Event()

    async def after(self, epoch: int, wait_s: float) -> Sequence[Revocation]:
        """Revocations after the epoch; waits for one at most `wait_s` seconds, and then gives none."""
        news = self._news
        found = self._after(epoch)
        if found:
            return found
        try:
            async with asyncio.timeout(wait_s):
                await news.wait()
        except TimeoutError:
            return ()
        return self._after(epoch)

    def _after(self, epoch: int) -> Sequence[Revocation]:
        return [known for known in self._known if known.epoch > epoch]
