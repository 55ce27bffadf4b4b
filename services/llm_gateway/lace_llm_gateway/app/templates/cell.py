"""Use case: make one run of a template that is written down, and write down how it ended; every runner comes here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from lace_core.canonical import canonical_json
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.calls.generate import generate
from lace_llm_gateway.app.calls.orders import Order
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.app.templates.two_step import needs_two_steps, two_step
from lace_llm_gateway.domain.calls import Call, Settlement
from lace_llm_gateway.domain.grounding import Attestation, Grounding, detect, enforce
from lace_llm_gateway.domain.stored_templates import (
    Answered,
    Provenance,
    Template,
    TemplateContent,
    TemplateMode,
    TemplateRun,
    TemplateRunState,
)
from lace_llm_gateway.domain.template_rules import refuse_another_model, render

_LONGEST_MESSAGE = 500
_GRACE = timedelta(seconds=60)
Check = Callable[[TemplateRun], Awaitable[None]]


class _Asking:
    """The calls that a run makes, one or two, each in what is left of the run's time."""

    def __init__(self, templates: Templates, tenant_id: str, remaining_s: float | None, attempt: int = 0) -> None:
        self.attempt = attempt
        self._gateway = templates.gateway
        self._tenant_id = tenant_id
        self._until = None if remaining_s is None else time.monotonic() + remaining_s
        self.calls: list[Call] = []
        self.grounding: Grounding | None = None
        self.attestation: Attestation | None = None

    async def ask(self, order: Order) -> Call:
        """One call; it is in `calls` when it was answered. Raises LaceError DEADLINE_EXCEEDED before it is made."""
        left = None if self._until is None else self._until - time.monotonic()
        if left is not None and left <= 0:
            raise LaceError(Reason.DEADLINE_EXCEEDED, "The run's time was over before the model was asked.")
        self.calls.append(await generate(self._gateway, self._tenant_id, order, left))
        return self.calls[-1]


async def run_cell(
    templates: Templates,
    tenant_id: str,
    run_id: str,
    remaining_s: float | None,
    check: Check | None = None,
    attempt: int = 0,
) -> TemplateRun:
    """The run as it ended; one that somebody else has begun, or that has ended, comes back as it is.

    `check` looks at an answer before it counts as one, and raises the LaceError that the run then fails with. A
    failure is the run's, and is not raised: LaceError TEMPLATE_RUN_NOT_FOUND is, and what a store raises. A run of a
    batch has its calls in the ledger before they are made: one that was answered under the same `attempt` is not paid
    for again.
    """
    async with templates.units.of_tenant(tenant_id) as unit:
        run = await unit.runs.get(tenant_id, run_id)
        if run is None:
            raise LaceError(Reason.TEMPLATE_RUN_NOT_FOUND, f"There is no run {run_id}.")
        if not await unit.runs.begin(tenant_id, run_id):
            return await unit.runs.get(tenant_id, run_id) or run
        await unit.commit()
    run = replace(run, state=TemplateRunState.RUNNING)
    asking = _Asking(templates, tenant_id, _left(run, templates, remaining_s), attempt)
    try:
        ended = await _ended(templates, run, check, asking)
    except asyncio.CancelledError:
        await _settled(templates, failed(run, _cancelled(), templates, state=TemplateRunState.CANCELLED))
        raise
    except Exception:
        await _settled(templates, failed(run, _broken(), templates))
        raise
    return await _settled(templates, ended)


def failed(
    run: TemplateRun,
    failure: LaceError,
    templates: Templates,
    *,
    state: TemplateRunState = TemplateRunState.FAILED,
) -> TemplateRun:
    """The run ended by a failure; what was known of its answer stays, the answer itself does not."""
    answered = replace(
        run.answered, output="", error_code=failure.reason.value, error_message=failure.message[:_LONGEST_MESSAGE]
    )
    return replace(run, state=state, answered=answered, ended_at=templates.gateway.now())


def overdue(run: TemplateRun, templates: Templates) -> bool:
    """Whether the process that made the run must have ended before it: none asks for that long. Not for batches."""
    return not run.state.ended and not run.batch_id and templates.gateway.now() > _until(run, templates) + _GRACE


async def given_up(templates: Templates, run: TemplateRun) -> TemplateRun:
    """A run that is overdue, ended with a coded failure: a second paid call is never made by itself."""
    lost = LaceError(Reason.SERVICE_UNAVAILABLE, "The process that made this run ended before its answer came.")
    return await _settled(templates, failed(run, lost, templates))


def _until(run: TemplateRun, templates: Templates) -> datetime:
    """When a run that is no batch's is to have ended: it may have two calls, and had to wait for its turn."""
    return run.created_at + timedelta(seconds=2 * templates.gateway.settings({}).timeout_s)


def _left(run: TemplateRun, templates: Templates, remaining_s: float | None) -> float | None:
    """Seconds that a run has, so that none that is given up as overdue can still be paid for; None is no end."""
    if run.batch_id:
        return remaining_s
    left = (_until(run, templates) - templates.gateway.now()).total_seconds()
    return left if remaining_s is None else min(left, remaining_s)


async def _ended(templates: Templates, run: TemplateRun, check: Check | None, asking: _Asking) -> TemplateRun:
    content: TemplateContent | None = None
    try:
        async with templates.units.of_tenant(run.tenant_id) as unit:
            template = await templates.read(unit, run.tenant_id, run.template_id)
        content = template.content
        await _ask(templates, template, run, asking)
        run = _answered(content, run, asking)
        _hold_to(templates, content, run, asking)
        if check is not None:
            await check(run)
    except LaceError as failure:
        _count(templates, run, failure)
        return failed(_known(content, run, asking, failure), failure, templates)
    return replace(run, state=TemplateRunState.SUCCEEDED, ended_at=templates.gateway.now())


async def _ask(templates: Templates, template: Template, run: TemplateRun, asking: _Asking) -> None:
    gateway = templates.gateway
    order = replace(_order(template, run), settings=await gateway.values_for(run.tenant_id, run.created_by, "", None))
    if run.batch_id:
        order = replace(order, run_id=run.run_id, step_id="run", attempt=asking.attempt)
    provider = order.provider or gateway.settings(order.settings or {}).provider
    if needs_two_steps(provider, order):
        both = await two_step(asking.ask, provider, order, run.grounding)
        asking.grounding, asking.attestation = both.grounding, both.attestation
        return
    call = await asking.ask(order)
    if run.grounding.searches:
        asking.grounding = detect(call.key.provider, _settlement(call).grounding)


def _order(template: Template, run: TemplateRun) -> Order:
    content = template.content
    schema = content.output_schema
    return Order(
        messages=render(content, run.variables, run.als, run.provoker_value),
        provider=content.provider,
        model=content.model,
        temperature_milli=content.temperature_milli or 0,
        max_output_tokens=content.max_output_tokens,
        output_schema_json="" if schema is None else canonical_json(dict(schema)).decode(),
        principal_id=run.created_by,
        template_id=template.template_id,
        template_version=template.version,
        template_hash=template.template_sha256,
        grounding=run.grounding.searches,
    )


def _hold_to(templates: Templates, content: TemplateContent, run: TemplateRun, asking: _Asking) -> None:
    """Raises LaceError MODEL_VERSION_MISMATCH, GROUNDING_REQUIRED."""
    for call in asking.calls:  # where there are two steps, both are held to it
        made = _settlement(call)
        refuse_another_model(content, made.resolved_model, made.answered_model, made.fingerprint)
    if asking.grounding is not None:
        enforce(run.grounding, run.provenance.provider, asking.grounding)


def _count(templates: Templates, run: TemplateRun, failure: LaceError) -> None:
    provider = run.provenance.provider or templates.gateway.settings({}).provider
    if failure.reason is Reason.MODEL_VERSION_MISMATCH:
        templates.determinism.version_mismatch(provider)
    if failure.reason is Reason.GROUNDING_REQUIRED:
        why = failure.details[0].description if failure.details else ""
        templates.determinism.grounding_required_failure(provider, why)


def _known(content: TemplateContent | None, run: TemplateRun, asking: _Asking, failure: LaceError) -> TemplateRun:
    """What is known of a run that failed: calls that were paid for, and that an answer was no JSON that fits."""
    run = replace(run, provenance=_provenance(asking)) if asking.calls else run
    if content is None or content.mode is TemplateMode.TEXT or failure.reason is not Reason.PROVIDER_OUTPUT_INVALID:
        return run
    return replace(run, answered=replace(run.answered, output_json_valid=False))


def _answered(content: TemplateContent, run: TemplateRun, asking: _Asking) -> TemplateRun:
    settlement, grounding = _settlement(asking.calls[-1]), asking.grounding
    answered = Answered(
        output=settlement.output,
        response_output_sha256=settlement.output_hash,
        output_json_valid=True if content.mode is TemplateMode.JSON else None,
        grounded=grounding is not None and grounding.grounded,
        why_not_grounded=grounding.why_not.value if grounding is not None and grounding.why_not else "",
    )
    return replace(run, provenance=_provenance(asking), answered=answered)


def _provenance(asking: _Asking) -> Provenance:
    call, settled = asking.calls[-1], [_settlement(each) for each in asking.calls]
    return Provenance(
        provider=call.key.provider,
        requested_model=call.key.model,
        resolved_model=settled[-1].resolved_model,
        answered_model=settled[-1].answered_model,
        fingerprint=settled[-1].fingerprint,
        response_api=settled[-1].response_api,
        input_hash=asking.calls[0].key.input_hash,
        input_tokens=sum(each.input_tokens for each in settled),
        output_tokens=sum(each.output_tokens for each in settled),
        cost_micro_usd=sum(each.cost_micro_usd for each in settled),
        call_id=call.call_id,
        step2_tools_invoked=asking.attestation.step2_tools_invoked if asking.attestation else None,
        step2_source_ref=asking.attestation.step2_source_ref if asking.attestation else "",
    )


def _settlement(call: Call) -> Settlement:
    assert call.settlement is not None
    return call.settlement


async def _settled(templates: Templates, ended: TemplateRun) -> TemplateRun:
    """The run as it is kept; written also when the caller has gone."""

    async def write() -> TemplateRun:
        async with templates.units.of_tenant(ended.tenant_id) as unit:
            if await unit.runs.settle(ended.tenant_id, ended):
                await unit.commit()
                return ended
            return await unit.runs.get(ended.tenant_id, ended.run_id) or ended

    writing = asyncio.ensure_future(write())
    cancelled = False
    while not writing.done():
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return writing.result()


def _cancelled() -> LaceError:
    return LaceError(Reason.RUN_CANCELLED, "The caller left before the answer came.")


def _broken() -> LaceError:
    return LaceError(Reason.INTERNAL, "Something failed on our side; it is in the log.")
