"""How a call ended, as the ledger gets it: succeeded, failed, cancelled, or refused before it was made."""

from __future__ import annotations

import time

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.redaction import shown
from lace_llm_gateway.app.calls.attempt import Outcome
from lace_llm_gateway.app.calls.orders import Order, Prepared
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.domain.calls import Call, CallKey, CallState, CountMethod, Settlement

_LONGEST_MESSAGE = 500


def succeeded(prepared: Prepared, outcome: Outcome, output: str, started: float) -> Settlement:
    """The outcome of a call with its output; `started` is on the clock of time.monotonic()."""
    return _settlement(
        prepared,
        outcome,
        CallState.SUCCEEDED,
        started,
        output=output,
        output_hash=sha256_hex(output.encode()),
        output_sample=shown(output, prepared.settings.redaction),
    )


def failed(prepared: Prepared, outcome: Outcome, failure: LaceError, started: float) -> Settlement:
    """The outcome of a call that a provider or its answer failed."""
    return _settlement(
        prepared,
        outcome,
        CallState.FAILED,
        started,
        output_sample=shown(outcome.last_text, prepared.settings.redaction),
        error_code=failure.reason.value,
        error_message=failure.message[:_LONGEST_MESSAGE],
    )


def cancelled(prepared: Prepared, outcome: Outcome, started: float) -> Settlement:
    """The outcome of a call whose caller has gone."""
    return _settlement(prepared, outcome, CallState.CANCELLED, started, error_code=Reason.RUN_CANCELLED.value)


def refused(gateway: Gateway, call_id: str, order: Order, prepared: Prepared | None, failure: LaceError) -> Call:
    """The row of a call that was never made; what was asked stands in it as far as it can be told."""
    key = prepared.key if prepared else _asked(order)
    settlement = Settlement(
        CallState.FAILED, error_code=failure.reason.value, error_message=failure.message[:_LONGEST_MESSAGE]
    )
    return Call(
        call_id=call_id,
        key=key,
        template_hash=prepared.template_hash if prepared else order.template_hash,
        prompt_sample="",
        started_at=gateway.now(),
        settlement=settlement,
        principal_id=order.principal_id,
        template_id=order.template_id,
        template_version=order.template_version,
    )


def _asked(order: Order) -> CallKey:
    return CallKey(
        run_id=order.run_id,
        step_id=order.step_id,
        attempt=order.attempt,
        contract=order.contract,
        provider=order.provider,
        model=order.model,
        temperature_milli=order.temperature_milli or 0,
        input_hash="",
    )


def _settlement(prepared: Prepared, outcome: Outcome, state: CallState, started: float, **more: str) -> Settlement:
    answer, trail = outcome.answer, outcome.trail
    return Settlement(
        state=state,
        finish_reason=answer.finish_reason if answer else None,
        resolved_model=answer.resolved_model if answer else prepared.request.model,
        answered_model=answer.answered_model if answer else "",
        fingerprint=answer.fingerprint if answer else "",
        response_api=answer.response_api if answer else "",
        grounding=answer.grounding if answer else None,
        input_tokens=outcome.input_tokens + trail.lost_tokens,
        output_tokens=outcome.output_tokens,
        # What nobody waited for was not told by anyone.
        count_method=CountMethod.BOUND if trail.lost_tokens else outcome.count_method,
        cost_micro_usd=outcome.used_micro_usd,
        tries=trail.sent,
        repairs=outcome.repairs,
        duration_ms=round((time.monotonic() - started) * 1000),
        trail=tuple(trail.tries),
        hedged=trail.hedged,
        **more,
    )
