"""Use cases: one batch, a page of batches, each with how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from lace_llm_gateway.app.batches.batching import Batching, BatchView
from lace_llm_gateway.app.batches.ports import BatchPlace
from lace_llm_gateway.domain.batches import BatchState, not_found


@dataclass(frozen=True)
class BatchPage:
    """Batches, newest first; `after` is where the next page begins, None at the end."""

    batches: tuple[BatchView, ...]
    after: BatchPlace | None


async def get_batch(batching: Batching, tenant_id: str, batch_id: str) -> BatchView:
    """The batch; raises LaceError BATCH_NOT_FOUND."""
    async with batching.units.of_tenant(tenant_id) as unit:
        batch = await unit.batches.get(tenant_id, batch_id)
        if batch is None:
            raise not_found(batch_id)
        return BatchView(batch, (await unit.batches.progress(tenant_id, [batch]))[batch_id])


async def list_batches(
    batching: Batching,
    tenant_id: str,
    template_id: str,
    state: BatchState | None,
    limit: int,
    after: BatchPlace | None,
) -> BatchPage:
    """The batches of a template, newest first; a template without any gives an empty page."""
    async with batching.units.of_tenant(tenant_id) as unit:
        found = await unit.batches.listed(tenant_id, template_id, state, limit + 1, after)
        shown = found[:limit]
        progress = await unit.batches.progress(tenant_id, shown)
    last = shown[-1] if len(found) > limit else None
    views = tuple(BatchView(batch, progress[batch.batch_id]) for batch in shown)
    return BatchPage(views, (last.created_at, last.batch_id) if last else None)
