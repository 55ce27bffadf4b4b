"""Use case: call a model under a contract, under a schema or with plain messages, and have it in the ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from lace_core.errors import LaceError, Reason
from lace_core.redaction import shown
from lace_llm_gateway.app.budgets.leasing import Reservation
from lace_llm_gateway.app.calls import settlements
from lace_llm_gateway.app.calls.attempt import Attempt, Listener
from lace_llm_gateway.app.calls.fit import Fitted
from lace_llm_gateway.app.calls.orders import Order, Prepared, prepare, refuse_too_long, settings_of, stated
from lace_llm_gateway.app.calls.payloads import with_payloads
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.templates.prompts import with_prompt
from lace_llm_gateway.domain.calls import Call, CallState, Held, Settlement
from lace_llm_gateway.domain.capabilities import cost_micro_usd

__all__ = ["Order", "Prepared", "generate", "prepare", "refuse_too_long", "settings_of"]

P = ParamSpec("P")
T = TypeVar("T")
_LARGE_INPUT = 100_000


async def generate(
    gateway: Gateway, tenant_id: str, order: Order, remaining_s: float | None, listener: Listener | None = None
) -> Call:
    """The settled call with its output; `remaining_s` is what the caller's deadline leaves.

    Raises LaceError: INVALID_ARGUMENT, CONTRACT_UNKNOWN, SCHEMA_*, CONTEXT_TOO_LONG, RATE_LIMITED, OVERLOADED,
    QUOTA_EXCEEDED and others before any call, PROVIDER_* after one; each failure is in the ledger. With a listener the
    answer is heard while it comes.
    """
    call_id = gateway.new_id("cal")
    prepared: Prepared | None = None
    call: Call | None = None
    try:
        order = await with_prompt(gateway.prompts, tenant_id, await stated(gateway, tenant_id, order))
        prepared = await _aside(order, prepare, gateway, order, remaining_s, call_id)
        fitted = await _aside(order, refuse_too_long, gateway, prepared)
        async with gateway.admission.enter(tenant_id, remaining_s):
            reservation = await _reserve(gateway, tenant_id, prepared, fitted)
            call = _intent(gateway, prepared, call_id, reservation)
            attempt = Attempt(gateway, prepared, fitted, reservation, listener)
            settled = await _made(gateway, tenant_id, call, attempt, reservation)
    except LaceError as failure:
        if call is not None:
            raise
        # Refused before it was made; what was paid for before is given again, also where nothing more may be spent.
        known = await _answered(gateway, tenant_id, prepared)
        if prepared is None or known is None:
            await gateway.ledger.record(tenant_id, settlements.refused(gateway, call_id, order, prepared, failure))
            raise
        settled = _told_again(known)
    return await with_payloads(gateway, tenant_id, prepared.request, prepared.settings.redaction, settled)


async def _answered(gateway: Gateway, tenant_id: str, prepared: Prepared | None) -> Call | None:
    """What the same call of a run came to before."""
    if prepared is None or not prepared.key.run_id:
        return None
    return await gateway.ledger.answered(tenant_id, prepared.key)


async def _reserve(gateway: Gateway, tenant_id: str, prepared: Prepared, fitted: Fitted) -> Reservation:
    """What the call may cost, held of the budgets; raises LaceError QUOTA_EXCEEDED."""
    model, tokens_in, tokens_out = prepared.choice.model, fitted.counted.tokens, prepared.request.max_output_tokens
    return await gateway.budgets.reserve(
        tenant_id,
        prepared.order.principal_id,
        model.model,
        tokens_in + tokens_out,
        cost_micro_usd(model, tokens_in, tokens_out),
    )


async def _made(gateway: Gateway, tenant_id: str, call: Call, attempt: Attempt, reservation: Reservation) -> Call:
    """The call made and settled, or what the same one came to before; raises what failed it."""
    try:
        if call.key.run_id:
            known = await gateway.ledger.begin(tenant_id, call)
            if known is not None:
                return _told_again(known)
        return await _settled(gateway, tenant_id, call, attempt)
    finally:
        reservation.settle(attempt.outcome.used_tokens, attempt.outcome.used_micro_usd)


async def _settled(gateway: Gateway, tenant_id: str, call: Call, attempt: Attempt) -> Call:
    """The call as it ended, which is in the ledger then."""
    started = time.monotonic()
    prepared, outcome = attempt.prepared, attempt.outcome
    try:
        output = await attempt.run()
    except LaceError as failure:
        await _settle(gateway, tenant_id, call, settlements.failed(prepared, outcome, failure, started))
        raise
    except asyncio.CancelledError:
        await _settle(gateway, tenant_id, call, settlements.cancelled(prepared, outcome, started))
        raise
    except Exception:  # what was paid for before it is in the ledger all the same
        broken = LaceError(Reason.INTERNAL, "Something failed on our side; it is in the log.")
        await _settle(gateway, tenant_id, call, settlements.failed(prepared, outcome, broken, started))
        raise
    return await _settle(gateway, tenant_id, call, settlements.succeeded(prepared, outcome, output, started))


async def _settle(gateway: Gateway, tenant_id: str, call: Call, settlement: Settlement) -> Call:
    """Durable before the answer in runs; outside of them soon, since nobody asks such a call again."""
    settled = replace(call, settlement=settlement)
    if call.key.run_id:
        await gateway.ledger.settle(tenant_id, call.call_id, settlement)
    else:
        await gateway.ledger.record(tenant_id, settled)
    return settled


async def _aside(order: Order, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Does the work on a thread where the order is so large that the event loop would notice."""
    if len(order.input_json) < _LARGE_INPUT:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def _told_again(call: Call) -> Call:
    """A settled call's outcome, for a step that was repeated after a crash: it is not paid for twice."""
    settlement = call.settlement
    if settlement is not None and settlement.state is not CallState.SUCCEEDED:
        raise LaceError(Reason(settlement.error_code), settlement.error_message)
    return call


def _intent(gateway: Gateway, prepared: Prepared, call_id: str, reservation: Reservation) -> Call:
    order = prepared.order
    return Call(
        call_id=call_id,
        key=prepared.key,
        template_hash=prepared.template_hash,
        prompt_sample=shown(prepared.request.messages[-1].content, prepared.settings.redaction),
        started_at=gateway.now(),
        principal_id=order.principal_id,
        template_id=order.template_id,
        template_version=order.template_version,
        trace_id=order.trace_id,
        held=Held(reservation.lease_id, reservation.tokens, reservation.micro_usd),
    )
