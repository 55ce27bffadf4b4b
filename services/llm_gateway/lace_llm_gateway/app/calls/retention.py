"""Deletes what is kept for a time only, at the end of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from lace_core.errors import LaceError
from lace_llm_gateway.app.ports import Clock, Expiring

log = structlog.get_logger(__name__)

_EVERY_S = 3600.0


async def expire(kept: Expiring, now: Clock, days: int) -> int:
    """Deletes what is more than so many days old, how much; nothing where `days` is 0."""
    return await kept.expire(now() - timedelta(days=days)) if days else 0


class Retention:
    """Expires things of one kind again and again; any number of processes may, as one more deletion changes nothing."""

    def __init__(
        self, kind: str, kept: Expiring, now: Clock, days: int, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._kind = kind
        self._kept = kept
        self._now = now
        self._days = days
        self._sleep = sleep

    async def run(self) -> None:
        """Every hour, until cancelled; the first time after an hour, so that no start waits for it."""
        while True:
            await self._sleep(_EVERY_S)
            try:
                deleted = await expire(self._kept, self._now, self._days)
            except (LaceError, OSError) as error:
                log.warning("not_expired", kind=self._kind, error=str(error))
                continue
            if deleted:
                log.info("expired", kind=self._kind, deleted=deleted)
