"""Deletes whole prompts and answers at the end of their time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from lace_core.errors import LaceError
from lace_llm_gateway.app.ports import Clock, ExpiringPayloads

log = structlog.get_logger(__name__)

_EVERY_S = 3600.0


async def expire_payloads(payloads: ExpiringPayloads, now: Clock, days: int) -> int:
    """Deletes what was kept more than so many days ago, how many files; nothing where `days` is 0."""
    return await payloads.expire(now() - timedelta(days=days)) if days else 0


class Retention:
    """Expires payloads again and again; any number of processes may, as one more deletion changes nothing."""

    def __init__(
        self, payloads: ExpiringPayloads, now: Clock, days: Callable[[], int], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._payloads = payloads
        self._now = now
        self._days = days
        self._sleep = sleep

    async def run(self) -> None:
        """Every hour, until cancelled; the first time after an hour, so that no start waits for it."""
        while True:
            await self._sleep(_EVERY_S)
            try:
                deleted = await expire_payloads(self._payloads, self._now, self._days())
            except (LaceError, OSError) as error:
                log.warning("payloads_not_expired", error=str(error))
                continue
            if deleted:
                log.info("payloads_expired", deleted=deleted)
