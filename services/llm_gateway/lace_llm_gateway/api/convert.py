"""Between the contract's messages and the gateway's own values; nothing else knows both."""

from __future__ import annotations

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace_llm_gateway.app.generate import Order, settings_of
from lace_llm_gateway.app.list_capabilities import Offered
from lace_llm_gateway.app.validate_provider import Trial
from lace_llm_gateway.domain.calls import Call, CallState, Counted, CountMethod, Settlement
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import FinishReason, Message

_FINISH = {
    FinishReason.STOP: wire.FINISH_REASON_STOP,
    FinishReason.LENGTH: wire.FINISH_REASON_LENGTH,
    FinishReason.REFUSAL: wire.FINISH_REASON_REFUSAL,
    FinishReason.FILTER: wire.FINISH_REASON_FILTER,
    FinishReason.TOOL: wire.FINISH_REASON_TOOL,
    FinishReason.UNKNOWN: wire.FINISH_REASON_UNKNOWN,
}
_COUNT = {
    CountMethod.PROVIDER: wire.COUNT_METHOD_PROVIDER,
    CountMethod.TOKENIZER: wire.COUNT_METHOD_TOKENIZER,
    CountMethod.BOUND: wire.COUNT_METHOD_BOUND,
}
_UNSETTLED = Settlement(CallState.PENDING)


def order_of(request: wire.GenerateRequest) -> Order:
    """What is asked for; raises LaceError INVALID_ARGUMENT for settings that are no JSON object."""
    return Order(
        contract=request.contract,
        input_json=request.input_json,
        messages=tuple(Message(message.role, message.content) for message in request.messages),
        provider=request.provider,
        model=request.model,
        temperature_milli=request.temperature_milli if request.HasField("temperature_milli") else None,
        max_output_tokens=request.max_output_tokens,
        run_id=request.run_id,
        step_id=request.step_id,
        attempt=request.attempt,
        settings=settings_of(request.settings_json),
    )


def generate_response(call: Call) -> wire.GenerateResponse:
    """The output and the call in the ledger."""
    output = call.settlement.output if call.settlement else ""
    return wire.GenerateResponse(
        output=output,
        call=call_message(call),
        prompt_uri=call.kept.prompt_uri,
        output_uri=call.kept.output_uri,
        redaction=call.kept.redaction,
    )


def call_message(call: Call) -> wire.Call:
    """A call as the contract shows it; its output stays in the ledger."""
    key, settlement = call.key, call.settlement or _UNSETTLED
    message = wire.Call(
        call_id=call.call_id,
        run_id=key.run_id,
        step_id=key.step_id,
        attempt=key.attempt,
        contract=key.contract,
        template_hash=call.template_hash,
        provider=key.provider,
        requested_model=key.model,
        resolved_model=settlement.resolved_model,
        answered_model=settlement.answered_model,
        fingerprint=settlement.fingerprint,
        temperature_milli=key.temperature_milli,
        input_hash=key.input_hash,
        output_hash=settlement.output_hash,
        finish_reason=_FINISH[settlement.finish_reason] if settlement.finish_reason else wire.FINISH_REASON_UNSPECIFIED,
        input_tokens=settlement.input_tokens,
        output_tokens=settlement.output_tokens,
        count_method=_COUNT[settlement.count_method] if settlement.count_method else wire.COUNT_METHOD_UNSPECIFIED,
        cost_micro_usd=settlement.cost_micro_usd,
        repairs=settlement.repairs,
        duration_ms=settlement.duration_ms,
        error_code=settlement.error_code,
        prompt_sample=call.prompt_sample,
        output_sample=settlement.output_sample,
    )
    message.started_at.FromDatetime(call.started_at)
    return message


def count_response(counted: Counted) -> wire.CountTokensResponse:
    """A count of tokens."""
    return wire.CountTokensResponse(tokens=counted.tokens, count_method=_COUNT[counted.method])


def capabilities_response(offered: list[Offered]) -> wire.ListCapabilitiesResponse:
    """What the providers can do."""
    return wire.ListCapabilitiesResponse(providers=[_provider(each) for each in offered])


def trial_response(trial: Trial) -> wire.ValidateProviderResponse:
    """How a try went."""
    return wire.ValidateProviderResponse(
        provider=trial.provider,
        model=trial.model,
        ok=trial.ok,
        error_code=trial.error_code,
        message=trial.message,
        duration_ms=trial.duration_ms,
    )


def _provider(offered: Offered) -> wire.ProviderCapability:
    capability = offered.capability
    return wire.ProviderCapability(
        provider=capability.provider,
        configured=offered.configured,
        offline=capability.offline,
        models=[_model(model) for model in capability.models],
    )


def _model(model: ModelCapability) -> wire.ModelCapability:
    return wire.ModelCapability(
        model=model.model,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        native_schema=model.native_schema,
        deterministic=model.deterministic,
        input_price_micro_usd=model.input_price_micro_usd,
        output_price_micro_usd=model.output_price_micro_usd,
        price_date=model.price_date,
        count_method=_COUNT[model.count_method],
    )
