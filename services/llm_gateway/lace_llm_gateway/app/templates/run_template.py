"""Use case: run a template once for each Idempotency-Key, and answer with the run, or at once with where it will be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.templates.cell import given_up, overdue, run_cell
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.domain.als import als_block
from lace_llm_gateway.domain.stored_templates import (
    AlsBlock,
    GroundingMode,
    Template,
    TemplateRun,
    TemplateRunState,
)
from lace_llm_gateway.domain.template_rules import check_values, grounding_of, locale_of

Later = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True)
class RunAsk:
    """What a run is asked with; `grounding` is None for the template's own."""

    template_id: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    locale: str = ""
    grounding: GroundingMode | None = None


@dataclass(frozen=True)
class Place:
    """A run's place in a batch; the batch_id is empty outside of one."""

    batch_id: str = ""
    batch_run_index: int = 0
    replicate_index: int = 0


async def run_template(
    templates: Templates,
    tenant_id: str,
    principal_id: str,
    ask: RunAsk,
    request: tuple[str, bytes],
    remaining_s: float | None,
    later: Later | None = None,
) -> TemplateRun:
    """The ended run; with `later`, which has it made apart from this request, the run as it is taken on.

    `request` is the route and the canonical JSON of what was asked. Raises LaceError TEMPLATE_NOT_FOUND,
    TEMPLATE_CORRUPT, TEMPLATE_VARIABLES_INVALID, ALS_OVER_LIMIT, IDEMPOTENCY_*, and what failed the run; a failed run
    is told again to whoever repeats its key.
    """
    async with templates.units.of_tenant(tenant_id) as unit:
        template = await templates.read(unit, tenant_id, ask.template_id)
        check_values(template.content, ask.variables)
        wanted = new_run(templates, tenant_id, principal_id, template, ask)

        async def effect() -> bytes:
            await unit.runs.add(tenant_id, wanted)
            return wanted.run_id.encode()

        answer, replayed = await unit.idempotency.once(tenant_id, *request, effect)
        run = await unit.runs.get(tenant_id, answer.decode()) or wanted
        await unit.commit()
    if replayed and overdue(run, templates):
        run = await given_up(templates, run)
    if later is not None:
        if run.state is TemplateRunState.QUEUED:  # also again: whoever comes second finds it begun
            await later(tenant_id, run.run_id)
        return run
    if run.state is TemplateRunState.QUEUED:
        run = await run_cell(templates, tenant_id, run.run_id, remaining_s)
    if not run.state.ended:
        raise _in_progress()
    return raise_failed(run)


def new_run(
    templates: Templates, tenant_id: str, principal_id: str, template: Template, ask: RunAsk, place: Place = Place()
) -> TemplateRun:
    """The queued run of a template, whose values were checked, with all that is settled before the model is asked.

    Raises LaceError INVALID_ARGUMENT, ALS_OVER_LIMIT, SETTING_INVALID.
    """
    content = template.content
    locale = locale_of(content, ask.locale)
    grounding = grounding_of(content, ask.grounding)
    return TemplateRun(
        tenant_id=tenant_id,
        run_id=templates.gateway.new_id("trn"),
        template_id=template.template_id,
        template_name=template.name,
        template_version=template.version,
        template_sha256=template.template_sha256,
        state=TemplateRunState.QUEUED,
        created_at=templates.gateway.now(),
        created_by=principal_id,
        variables=dict(ask.variables),
        locale=locale,
        grounding=grounding,
        batch_id=place.batch_id,
        batch_run_index=place.batch_run_index,
        replicate_index=place.replicate_index,
        provoker_value=content.provoker if grounding.searches else "",
        als=_block(templates, template, locale),
    )


def raise_failed(run: TemplateRun) -> TemplateRun:
    """The run; raises the LaceError that it failed with."""
    if run.answered.error_code:
        raise LaceError(Reason(run.answered.error_code), run.answered.error_message)
    return run


def _block(templates: Templates, template: Template, locale: str) -> AlsBlock:
    content = template.content
    if not content.als_template_id:
        return AlsBlock()
    try:
        return als_block(
            content.als_template_id,
            content.als_variants,
            locale,
            content.seed_key_id,
            templates.seed_keys,
            templates.als_limit,
        )
    except LaceError as failure:
        if failure.reason is Reason.ALS_OVER_LIMIT:
            templates.determinism.als_over_limit()
        raise


def _in_progress() -> LaceError:
    return LaceError(
        Reason.IDEMPOTENCY_IN_PROGRESS,
        "The first request with this Idempotency-Key is still running.",
        retryable=True,
        retry_after=1.0,
    )
