"""Use cases: pause, resume and cancel a batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from lace_core.errors import Reason
from lace_llm_gateway.app.batches.batching import Batching, BatchView, Request
from lace_llm_gateway.app.batches.ports import BatchUnit
from lace_llm_gateway.domain.batches import Batch, BatchState, can_move, not_found, refuse_move
from lace_llm_gateway.domain.stored_templates import TemplateRunState

_Change = Callable[[BatchUnit, Batch], Awaitable[Batch]]


async def pause_batch(batching: Batching, tenant_id: str, batch_id: str, request: Request) -> BatchView:
    """The batch, pausing or paused; one that is so already stays so.

    Raises LaceError BATCH_NOT_FOUND, BATCH_TRANSITION_ILLEGAL, IDEMPOTENCY_*.
    """

    async def change(unit: BatchUnit, held: Batch) -> Batch:
        if held.state in (BatchState.PAUSING, BatchState.PAUSED):
            return held
        return _moved(batching, held, BatchState.PAUSED if held.state is BatchState.QUEUED else BatchState.PAUSING)

    return await _changed(batching, tenant_id, batch_id, request, change)


async def resume_batch(
    batching: Batching, tenant_id: str, batch_id: str, accept_drift: bool, retry_failed: bool, request: Request
) -> BatchView:
    """The batch on its way again: what ended well stays, what drifted and with `retry_failed` what failed is made anew.

    A paused batch can be resumed, and with `retry_failed` one that is completed.
    With `accept_drift` the batch is held to what the model is now. Raises LaceError like `pause_batch`.
    """

    async def change(unit: BatchUnit, held: Batch) -> Batch:
        if held.state is BatchState.COMPLETED and not retry_failed:
            raise refuse_move(held, BatchState.QUEUED)
        moved = _moved(batching, held, BatchState.QUEUED)
        resumed = replace(
            moved,
            lock=None if accept_drift else moved.lock,
            dispatch=moved.dispatch + 1,
            execution_mode=batching.runner.mode,
            error_code="",
            error_message="",
        )
        for run in await unit.batches.runs_in(tenant_id, batch_id, (TemplateRunState.FAILED,)):
            code = run.answered.error_code
            if retry_failed or code == Reason.BATCH_DRIFTED.value:
                await unit.batches.requeue(tenant_id, run.run_id, code)
        await batching.runner.run_batch(unit, resumed)
        return resumed

    return await _changed(batching, tenant_id, batch_id, request, change)


async def cancel_batch(batching: Batching, tenant_id: str, batch_id: str, request: Request) -> BatchView:
    """The cancelled batch; one that is so already stays so. Raises LaceError like `pause_batch`."""

    async def change(unit: BatchUnit, held: Batch) -> Batch:
        if held.state is BatchState.CANCELLED:
            return held
        moved = _moved(batching, held, BatchState.CANCELLED)
        # Runs that are under way are ended by the process that makes them, where one lives.
        alive = await unit.batches.held(tenant_id, batch_id, batching.templates.gateway.now())
        ending = (TemplateRunState.QUEUED,) if alive else (TemplateRunState.QUEUED, TemplateRunState.RUNNING)
        await unit.batches.cancel_runs(tenant_id, batch_id, ending)
        return moved

    return await _changed(batching, tenant_id, batch_id, request, change)


async def _changed(batching: Batching, tenant_id: str, batch_id: str, request: Request, change: _Change) -> BatchView:
    async with batching.units.of_tenant(tenant_id) as unit:

        async def effect() -> bytes:
            held = await unit.batches.hold(tenant_id, batch_id)
            if held is None:
                raise not_found(batch_id)
            after = await change(unit, held)
            progress = (await unit.batches.progress(tenant_id, [after]))[batch_id]
            if after != held:
                await unit.batches.save(tenant_id, after)
                await unit.tell(tenant_id, after, progress)
            return batching.answers.encode(BatchView(after, progress))

        answer, _ = await unit.idempotency.once(tenant_id, *request, effect)
        await unit.commit()
    return batching.answers.decode(answer)


def _moved(batching: Batching, held: Batch, to: BatchState) -> Batch:
    if not can_move(held.state, to):
        raise refuse_move(held, to)
    return replace(held, state=to, updated_at=batching.templates.gateway.now())
