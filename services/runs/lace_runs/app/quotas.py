"""Whether a tenant may start one more run."""

from __future__ import annotations

from datetime import datetime

from lace_runs.app.ports import OpenUnitOfWork, UnitOfWork
from lace_runs.domain.quotas import WINDOW, Limits, too_fast, too_many


async def keep(open_work: OpenUnitOfWork, tenant_id: str, told: Limits) -> None:
    """Keep what control told of the tenant, whatever becomes of the start that it was told for."""
    if told.version == 0:
        return
    async with open_work(tenant_id) as work:
        if told.version > (await work.quotas.get(tenant_id)).version:
            await work.quotas.put(tenant_id, told)
            await work.commit()


async def admit(work: UnitOfWork, tenant_id: str, told: Limits | None, now: datetime) -> None:
    """Refuse a start that is one too many, by what control told last.

    None is what was told before. Starts of a limited tenant come one after the other until their transactions end.
    Raises LaceError RATE_LIMITED, QUOTA_EXCEEDED.
    """
    if told is not None and told.version == 0:
        return
    limits = await work.quotas.get(tenant_id)
    if told is not None and told.version > limits.version:
        limits = told
    if not limits.runs_per_minute and not limits.max_queued_runs:
        return
    await work.quotas.one_at_a_time(tenant_id)
    if limits.runs_per_minute:
        nth = await work.quotas.started_at(tenant_id, limits.runs_per_minute, now - WINDOW)
        if nth is not None:
            raise too_fast(limits, nth, now)
    if limits.max_queued_runs and await work.quotas.has_waiting(tenant_id, limits.max_queued_runs):
        raise too_many(limits)
