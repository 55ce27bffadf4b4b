"""Use cases: ask for a batch of runs, look at it, list, pause, resume and cancel it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.app.batches.ports import BatchPlace, BatchUnit, BatchUnits
from lace_llm_gateway.app.batches.tasks import TaskRunner
from lace_llm_gateway.app.templates.run_template import Place, RunAsk, new_run
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.domain.batches import Batch, BatchState, DriftPolicy, Progress, can_move, not_found, refuse_move
from lace_llm_gateway.domain.stored_templates import GroundingMode, Template, TemplateRun, TemplateRunState

_Change = Callable[[BatchUnit, Batch], Awaitable[Batch]]
Request = tuple[str, bytes]  # route and canonical JSON of what was asked, for the Idempotency-Key


@dataclass(frozen=True)
class Batching:
    """What the use cases share."""

    templates: Templates
    units: BatchUnits
    runner: TaskRunner
    answers: Answers


@dataclass(frozen=True)
class BatchAsk:
    """What a batch is asked with; empty locales and modes are the template's own."""

    template_id: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    locales: tuple[str, ...] = ()
    modes: tuple[GroundingMode, ...] = ()
    replicates: int = 1
    drift_policy: DriftPolicy = DriftPolicy.PAUSE


@dataclass(frozen=True)
class BatchView:
    """A batch and how far it is."""

    batch: Batch
    progress: Progress


class Answers(Protocol):
    """How an answer is kept under its Idempotency-Key: whoever repeats the request is told the same to the letter."""

    def encode(self, view: BatchView) -> bytes:
        """The answer as it is kept."""
        ...

    def decode(self, kept: bytes) -> BatchView:
        """The answer, as far as it is told; the variables' values are not."""
        ...


@dataclass(frozen=True)
class BatchPage:
    """Batches, newest first; `after` is where the next page begins, None at the end."""

    batches: tuple[BatchView, ...]
    after: BatchPlace | None


async def run_batch(
    batching: Batching, tenant_id: str, principal_id: str, ask: BatchAsk, request: Request
) -> BatchView:
    """The batch as it is taken on, with a row for each of its runs.

    Everything that can be wrong with any of its runs is found here, before the first is paid for. Raises LaceError
    TEMPLATE_NOT_FOUND, TEMPLATE_CORRUPT, TEMPLATE_VARIABLES_INVALID, INVALID_ARGUMENT, ALS_OVER_LIMIT, IDEMPOTENCY_*.
    """
    async with batching.units.of_tenant(tenant_id) as unit:
        template = await batching.templates.read(unit, tenant_id, ask.template_id)

        async def effect() -> bytes:
            batch, runs = _expanded(batching, tenant_id, principal_id, template, ask)
            await unit.batches.add(tenant_id, batch)
            for run in runs:
                await unit.runs.add(tenant_id, run)
            await batching.runner.run_batch(unit, batch)
            await unit.tell(tenant_id, batch, Progress())
            return batching.answers.encode(BatchView(batch, Progress()))

        answer, _ = await unit.idempotency.once(tenant_id, *request, effect)
        await unit.commit()
    return batching.answers.decode(answer)


async def get_batch(batching: Batching, tenant_id: str, batch_id: str) -> BatchView:
    """The batch; raises LaceError BATCH_NOT_FOUND."""
    async with batching.units.of_tenant(tenant_id) as unit:
        return await _view(unit, tenant_id, batch_id)


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
        shown = [
            BatchView(batch, await unit.batches.progress(tenant_id, batch.batch_id, batch.lock))
            for batch in found[:limit]
        ]
    last = shown[-1].batch if len(found) > limit else None
    return BatchPage(tuple(shown), (last.created_at, last.batch_id) if last else None)


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
            progress = await unit.batches.progress(tenant_id, batch_id, after.lock)
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


async def _view(unit: BatchUnit, tenant_id: str, batch_id: str) -> BatchView:
    batch = await unit.batches.get(tenant_id, batch_id)
    if batch is None:
        raise not_found(batch_id)
    return BatchView(batch, await unit.batches.progress(tenant_id, batch_id, batch.lock))


def _expanded(
    batching: Batching, tenant_id: str, principal_id: str, template: Template, ask: BatchAsk
) -> tuple[Batch, list[TemplateRun]]:
    """The batch and its queued runs, in their order."""
    templates = batching.templates
    batch = _new_batch(batching, tenant_id, principal_id, template, ask)
    most = int(templates.gateway.defaults()["llm.batch_cells"])
    if batch.total > most:
        problem = f"makes {batch.total} runs, and {most} are allowed in one batch"
        details = [Detail("/replicates", problem)]
        raise LaceError(Reason.INVALID_ARGUMENT, f"locales × modes × replicates {problem}.", details=details)
    runs = []
    for cell in batch.cells():
        place = Place(batch.batch_id, cell.batch_run_index, cell.replicate_index)
        wanted = RunAsk(template.template_id, ask.variables, cell.locale, cell.mode)
        run = new_run(templates, tenant_id, principal_id, template, wanted, place)
        runs.append(replace(run, run_id=batch.run_id(cell.batch_run_index), created_at=batch.created_at))
    return batch, runs


def _new_batch(batching: Batching, tenant_id: str, principal_id: str, template: Template, ask: BatchAsk) -> Batch:
    gateway, content = batching.templates.gateway, template.content
    settings, now = gateway.settings({}), gateway.now()
    choice = gateway.choose(content.provider or settings.provider, content.model or settings.model)
    return Batch(
        tenant_id=tenant_id,
        batch_id=gateway.new_id("bat"),
        template_id=template.template_id,
        template_sha256=template.template_sha256,
        state=BatchState.QUEUED,
        locales=ask.locales or content.locales or ("",),
        modes=ask.modes or (content.grounding,),
        replicates=ask.replicates or 1,
        drift_policy=ask.drift_policy,
        execution_mode=batching.runner.mode,
        provider=choice.provider.name,
        model=choice.model.model,
        created_by=principal_id,
        created_at=now,
        updated_at=now,
        variables=dict(ask.variables),
    )
