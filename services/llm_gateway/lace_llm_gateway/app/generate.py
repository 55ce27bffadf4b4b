"""Use case: call a model under a contract or with plain messages, recorded before it begins and after it ends."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar

from lace_core.canonical import sha256_hex
from lace_core.contracts import CONTRACTS
from lace_core.errors import LaceError, Reason
from lace_core.redaction import shown
from lace_llm_gateway.app.attempt import Attempt, Outcome
from lace_llm_gateway.app.gateway import Choice, Gateway
from lace_llm_gateway.app.payloads import prompt_bytes, with_payloads
from lace_llm_gateway.domain.answers import check_input
from lace_llm_gateway.domain.calls import Call, CallKey, CallState, Settlement, replayable
from lace_llm_gateway.domain.capabilities import cost_micro_usd
from lace_llm_gateway.domain.exchange import Message, ProviderRequest
from lace_llm_gateway.domain.prompts import template_of
from lace_llm_gateway.domain.settings import CallSettings

P = ParamSpec("P")
T = TypeVar("T")
_LARGE_INPUT = 100_000


@dataclass(frozen=True)
class Order:
    """What is asked for: a contract with its input, or messages. Empty and None fields leave it to the settings."""

    contract: str = ""
    input_json: str = ""
    messages: tuple[Message, ...] = ()
    provider: str = ""
    model: str = ""
    temperature_milli: int | None = None
    max_output_tokens: int = 0
    run_id: str = ""
    step_id: str = ""
    attempt: int = 0
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Prepared:
    """An order made ready: everything that can be wrong with it has been looked at, and nothing was sent yet."""

    choice: Choice
    request: ProviderRequest
    settings: CallSettings
    key: CallKey
    template_hash: str


async def generate(gateway: Gateway, tenant_id: str, order: Order, remaining_s: float | None) -> Call:
    """The settled call with its output; `remaining_s` is what the caller's deadline leaves.

    Raises LaceError: INVALID_ARGUMENT, CONTRACT_UNKNOWN, CONTEXT_TOO_LONG and others before any call, PROVIDER_*
    after one; each provider's failure is in the ledger.
    """
    prepared = await _aside(order, prepare, gateway, order, remaining_s)
    known = await _known(gateway, tenant_id, prepared.key)
    if known is not None:
        told = _told_again(known)
        return await with_payloads(gateway, tenant_id, prepared.request, prepared.settings.redaction, told)
    await _aside(order, refuse_too_long, gateway, prepared)
    call = await _intend(gateway, tenant_id, prepared)
    started = time.monotonic()
    attempt = Attempt(gateway, prepared.choice.provider, prepared.request, prepared.settings)
    try:
        output = await attempt.run()
    except LaceError as failure:
        settlement = _failed(prepared, attempt.outcome, failure, started)
        await _settle(gateway, tenant_id, call, settlement)
        raise
    except asyncio.CancelledError:
        settlement = _settlement(prepared, attempt.outcome, CallState.CANCELLED, started)
        await _settle(gateway, tenant_id, call, replace(settlement, error_code=Reason.RUN_CANCELLED.value))
        raise
    settlement = _succeeded(prepared, attempt.outcome, output, started)
    await _settle(gateway, tenant_id, call, settlement)
    settled = replace(call, settlement=settlement)
    return await with_payloads(gateway, tenant_id, prepared.request, prepared.settings.redaction, settled)


async def _aside(order: Order, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Does the work on a thread where the order is so large that the event loop would notice."""
    if len(order.input_json) < _LARGE_INPUT:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def prepare(gateway: Gateway, order: Order, remaining_s: float | None) -> Prepared:
    """Checks and renders an order; raises LaceError."""
    settings = gateway.settings(order.settings or {})
    messages, template_hash = _messages(order)
    choice = gateway.choose(order.provider or settings.provider, order.model or settings.model)
    temperature = settings.temperature_milli if order.temperature_milli is None else order.temperature_milli
    wanted = min(order.max_output_tokens or settings.max_output_tokens, choice.model.max_output_tokens)
    timeout = settings.timeout_s if remaining_s is None else min(settings.timeout_s, remaining_s)
    request = ProviderRequest(
        contract=order.contract,
        messages=messages,
        output_schema=CONTRACTS[order.contract].output_schema() if order.contract else None,
        model=choice.model.model,
        temperature_milli=temperature,
        max_output_tokens=wanted,
        timeout_s=timeout,
    )
    key = CallKey(
        run_id=order.run_id,
        step_id=order.step_id,
        attempt=order.attempt,
        contract=order.contract,
        provider=choice.provider.name,
        model=choice.model.model,
        temperature_milli=temperature,
        input_hash=sha256_hex(prompt_bytes(request)),
    )
    return Prepared(choice, request, settings, key, template_hash)


def refuse_too_long(gateway: Gateway, prepared: Prepared) -> None:
    """Raises LaceError CONTEXT_TOO_LONG where the messages do not fit the setting or the model."""
    model, request = prepared.choice.model, prepared.request
    counted = gateway.counter.count(model, request.messages)
    limit = min(prepared.settings.context_tokens, model.context_tokens - request.max_output_tokens)
    if counted.tokens > limit:
        raise LaceError(
            Reason.CONTEXT_TOO_LONG,
            f"The prompt needs {counted.tokens} tokens of {limit} allowed; raise llm.context_tokens or ask of less.",
        )


def _messages(order: Order) -> tuple[tuple[Message, ...], str]:
    if bool(order.contract) == bool(order.messages):
        raise LaceError(Reason.INVALID_ARGUMENT, "Give either a contract with input_json, or messages.")
    if order.messages:
        return order.messages, ""
    check_input(order.contract, order.input_json)
    template = template_of(order.contract)
    return template.render(order.input_json), template.template_hash


async def _known(gateway: Gateway, tenant_id: str, key: CallKey) -> Call | None:
    if not key.run_id:
        return None
    async with gateway.units.of_tenant(tenant_id) as unit:
        call = await unit.calls.answered(tenant_id, key)
    return call if call is not None and replayable(call.settlement) else None


def _told_again(call: Call) -> Call:
    """A settled call's outcome, for a step that was repeated after a crash: it is not paid for twice."""
    settlement = call.settlement
    if settlement is not None and settlement.state is not CallState.SUCCEEDED:
        raise LaceError(Reason(settlement.error_code), settlement.error_message)
    return call


async def _intend(gateway: Gateway, tenant_id: str, prepared: Prepared) -> Call:
    now = gateway.now()
    call = Call(
        call_id=gateway.new_id("cal"),
        key=prepared.key,
        template_hash=prepared.template_hash,
        prompt_sample=shown(prepared.request.messages[-1].content, prepared.settings.redaction),
        started_at=now,
    )
    async with gateway.units.of_tenant(tenant_id) as unit:
        if prepared.key.run_id:
            await unit.calls.abandon(tenant_id, prepared.key, now)
        await unit.calls.add(tenant_id, call)
        await unit.commit()
    return call


async def _settle(gateway: Gateway, tenant_id: str, call: Call, settlement: Settlement) -> None:
    """Writes the outcome, also when the caller has gone: a second cancellation must not leave a call unsettled."""

    async def write() -> None:
        async with gateway.units.of_tenant(tenant_id) as unit:
            await unit.calls.settle(tenant_id, call.call_id, settlement)
            await unit.commit()

    writing = asyncio.ensure_future(write())
    cancelled = False
    while not writing.done():
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            cancelled = True
    writing.result()
    if cancelled:
        raise asyncio.CancelledError


def _succeeded(prepared: Prepared, outcome: Outcome, output: str, started: float) -> Settlement:
    return replace(
        _settlement(prepared, outcome, CallState.SUCCEEDED, started),
        output=output,
        output_hash=sha256_hex(output.encode()),
        output_sample=shown(output, prepared.settings.redaction),
    )


def _failed(prepared: Prepared, outcome: Outcome, failure: LaceError, started: float) -> Settlement:
    return replace(
        _settlement(prepared, outcome, CallState.FAILED, started),
        output_sample=shown(outcome.last_text, prepared.settings.redaction),
        error_code=failure.reason.value,
        error_message=failure.message[:500],
    )


def _settlement(prepared: Prepared, outcome: Outcome, state: CallState, started: float) -> Settlement:
    answer = outcome.answer
    return Settlement(
        state=state,
        finish_reason=answer.finish_reason if answer else None,
        resolved_model=answer.resolved_model if answer else prepared.request.model,
        answered_model=answer.answered_model if answer else "",
        fingerprint=answer.fingerprint if answer else "",
        input_tokens=outcome.input_tokens,
        output_tokens=outcome.output_tokens,
        count_method=outcome.count_method,
        cost_micro_usd=cost_micro_usd(prepared.choice.model, outcome.input_tokens, outcome.output_tokens),
        tries=outcome.tries,
        repairs=outcome.repairs,
        duration_ms=round((time.monotonic() - started) * 1000),
    )


def settings_of(text: str) -> dict[str, Any]:
    """The settings that a request carries as JSON; raises LaceError INVALID_ARGUMENT."""
    try:
        given = json.loads(text) if text else {}
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise LaceError(Reason.INVALID_ARGUMENT, "settings_json must be a JSON object.")
    return given
