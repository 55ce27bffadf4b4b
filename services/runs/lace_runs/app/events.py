"""Watching a run: its events from a cursor on, and then as they come, to its last."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from lace_core.errors import LaceError, Reason
from lace_runs.app.ports import OpenUnitOfWork, Wakeups
from lace_runs.domain.events import Event, sequence_of

LAST = frozenset({"pipeline.run.completed", "pipeline.run.failed", "pipeline.run.cancelled"})
PAGE = 500
POLL_S = 0.5
HEARTBEAT_S = 10.0


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
    """Events after a sequence, and whether they are the run's last. Raises LaceError RUN_NOT_FOUND."""
    async with open_work(tenant_id) as work:
        run = await work.runs.get(tenant_id, run_id)
        events = await work.runs.events(tenant_id, run_id, after, limit)
    ended = events[-1].draft.event_type in LAST if events else run.state.is_final
    return events, ended


async def watch(
    open_work: OpenUnitOfWork, wakeups: Wakeups, tenant_id: str, run_id: str, after: int
) -> AsyncIterator[tuple[Sequence[Event], bool]]:
    """Events in batches with whether they are the last; an empty batch is a sign of life.

    What wakes carries no data: each look reads the rows after the cursor, so nothing is missed and nothing doubled.
    """
    quiet_since = time.monotonic()
    async with wakeups.watch(run_id) as wakeup:
        while True:
            events, ended = await page(open_work, tenant_id, run_id, after, PAGE)
            if events or ended:
                quiet_since = time.monotonic()
                after = events[-1].sequence if events else after
                yield events, ended
                if ended:
                    return
            elif time.monotonic() - quiet_since >= HEARTBEAT_S:
                quiet_since = time.monotonic()
                yield (), False
            if len(events) < PAGE:
                await wakeup.wait(POLL_S)
