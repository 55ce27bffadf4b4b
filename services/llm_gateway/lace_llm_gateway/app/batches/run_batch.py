"""Use case: take on a batch of runs, all of which are written down before the first is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lace_core.canonical import canonical_json
from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.app.batches.batching import Batching, BatchView, Request
from lace_llm_gateway.app.templates.run_template import Place, RunAsk, new_run
from lace_llm_gateway.domain.batches import Batch, BatchState, DriftPolicy, Progress
from lace_llm_gateway.domain.stored_templates import GroundingMode, Template, TemplateRun
from lace_llm_gateway.domain.template_rules import check_values

_LARGEST_VALUES_BYTES = 16 << 20


@dataclass(frozen=True)
class BatchAsk:
    """What a batch is asked with; empty locales and modes are the template's own."""

    template_id: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    locales: tuple[str, ...] = ()
    modes: tuple[GroundingMode, ...] = ()
    replicates: int = 1
    drift_policy: DriftPolicy = DriftPolicy.PAUSE


async def run_batch(
    batching: Batching, tenant_id: str, principal_id: str, ask: BatchAsk, request: Request
) -> BatchView:
    """The batch as it is taken on, with a row for each of its runs.

    Everything that can be wrong with any of its runs is found here, before the first is paid for. Raises LaceError
    TEMPLATE_NOT_FOUND, TEMPLATE_CORRUPT, TEMPLATE_VARIABLES_INVALID, INVALID_ARGUMENT, ALS_OVER_LIMIT, IDEMPOTENCY_*.
    """
    values = await batching.templates.gateway.values_for(tenant_id, principal_id, "", None)
    async with batching.units.of_tenant(tenant_id) as unit:
        template = await batching.templates.read(unit, tenant_id, ask.template_id)

        async def effect() -> bytes:
            batch, runs = _expanded(batching, tenant_id, principal_id, template, ask, values)
            await unit.batches.add(tenant_id, batch)
            for run in runs:
                await unit.runs.add(tenant_id, run)
            await batching.runner.run_batch(unit, batch)
            await unit.tell(tenant_id, batch, Progress())
            return batching.answers.encode(BatchView(batch, Progress()))

        answer, _ = await unit.idempotency.once(tenant_id, *request, effect)
        await unit.commit()
    return batching.answers.decode(answer)


def _expanded(
    batching: Batching,
    tenant_id: str,
    principal_id: str,
    template: Template,
    ask: BatchAsk,
    values: Mapping[str, Any],
) -> tuple[Batch, list[TemplateRun]]:
    """The batch and its queued runs, in their order."""
    templates = batching.templates
    batch = _new_batch(batching, tenant_id, principal_id, template, ask, values)
    most = int(templates.gateway.defaults()["llm.batch_cells"])
    if batch.total > most:
        problem = f"makes {batch.total} runs, and {most} are allowed in one batch"
        details = [Detail("/replicates", problem)]
        raise LaceError(Reason.INVALID_ARGUMENT, f"locales × modes × replicates {problem}.", details=details)
    check_values(template.content, ask.variables)  # once: all runs have them
    _refuse_large(batch)
    runs = []
    for cell in batch.cells():
        place = Place(batch.batch_id, cell.batch_run_index, cell.replicate_index)
        wanted = RunAsk(template.template_id, ask.variables, cell.locale, cell.mode)
        run = new_run(templates, tenant_id, principal_id, template, wanted, place)
        runs.append(replace(run, run_id=batch.run_id(cell.batch_run_index), created_at=batch.created_at))
    return batch, runs


def _refuse_large(batch: Batch) -> None:
    """Every run keeps the values in its own row; raises LaceError INVALID_ARGUMENT where that is too much."""
    size = len(canonical_json(dict(batch.variables))) * batch.total
    if size <= _LARGEST_VALUES_BYTES:
        return
    problem = f"have {size} bytes in {batch.total} runs, and {_LARGEST_VALUES_BYTES} are allowed in one batch"
    details = [Detail("/variables", problem)]
    raise LaceError(Reason.INVALID_ARGUMENT, f"/variables: {problem}.", details=details)


def _new_batch(
    batching: Batching,
    tenant_id: str,
    principal_id: str,
    template: Template,
    ask: BatchAsk,
    values: Mapping[str, Any],
) -> Batch:
    gateway, content = batching.templates.gateway, template.content
    settings, now = gateway.settings(values), gateway.now()
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
