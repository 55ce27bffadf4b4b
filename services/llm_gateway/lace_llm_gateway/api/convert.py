"""Between the contract's messages and the gateway's own values; nothing else knows both."""

from __future__ import annotations

from datetime import datetime

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace_llm_gateway.app.calls.count_tokens import Counts
from lace_llm_gateway.app.calls.orders import Order, settings_of
from lace_llm_gateway.app.calls.stream import Piece, Told
from lace_llm_gateway.app.providers.list_capabilities import Offered
from lace_llm_gateway.app.providers.validate_provider import Trial
from lace_llm_gateway.domain.calls import Call, CallState, CountMethod, Settlement
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import FinishReason, Message
from lace_llm_gateway.domain.routing import Tried
from lace_llm_gateway.domain.usage import Usage, UsageBy, UsageQuery, usage_query
from lace_llm_gateway.domain.versions import ProviderVersions, VersionsFrom

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
_VERSIONS_FROM = {
    VersionsFrom.CACHE: wire.VERSIONS_SOURCE_CACHE,
    VersionsFrom.LIVE: wire.VERSIONS_SOURCE_LIVE,
}
_USAGE_BY = {
    wire.USAGE_BY_UNSPECIFIED: UsageBy.DAY,
    wire.USAGE_BY_DAY: UsageBy.DAY,
    wire.USAGE_BY_MODEL: UsageBy.MODEL,
    wire.USAGE_BY_PRINCIPAL: UsageBy.PRINCIPAL,
    wire.USAGE_BY_RUN: UsageBy.RUN,
}
_UNSETTLED = Settlement(CallState.PENDING)


def order_of(request: wire.GenerateRequest, principal_id: str = "", traceparent: str | None = None) -> Order:
    """What is asked for by whom in which trace; raises LaceError INVALID_ARGUMENT for settings that are no object."""
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
        output_schema_json=request.output_schema_json,
        stop=tuple(request.stop),
        seed=request.seed if request.HasField("seed") else None,
        accept_partial=request.accept_partial,
        principal_id=principal_id,
        trace_id=trace_id_of(traceparent),
    )


def trace_id_of(traceparent: str | None) -> str:
    """The trace that a W3C traceparent names; empty without one."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else ""


def stream_response(event: Piece | Told | Call) -> wire.StreamGenerateResponse:
    """A message of a streamed call."""
    match event:
        case Piece():
            delta = wire.Delta(text=event.text, provisional=event.provisional, answer=event.answer)
            return wire.StreamGenerateResponse(delta=delta)
        case Told():
            return wire.StreamGenerateResponse(progress=wire.Progress(output_tokens=event.output_tokens))
        case Call():
            return wire.StreamGenerateResponse(settled=generate_response(event))


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
        principal_id=call.principal_id,
        template_id=call.template_id,
        template_version=call.template_version,
        trail=[_try(tried) for tried in settlement.trail],
        hedged=settlement.hedged,
        response_api=settlement.response_api,
        trace_id=call.trace_id,
    )
    seconds, micros = divmod(round(call.started_at.timestamp() * 1_000_000), 1_000_000)
    message.started_at.seconds, message.started_at.nanos = seconds, micros * 1000
    return message


def _try(tried: Tried) -> wire.Try:
    return wire.Try(
        provider=tried.provider,
        model=tried.model,
        error_code=tried.error_code,
        duration_ms=tried.duration_ms,
        result=tried.result.value,
        hedge=tried.hedge,
    )


def count_orders(request: wire.CountTokensRequest) -> list[Order]:
    """All that is to be counted, the first request first; raises like `order_of`."""
    return [order_of(each) for each in (request.request, *request.more)]


def count_response(counts: Counts) -> wire.CountTokensResponse:
    """Counts of tokens."""
    first, *more = counts.prompts
    return wire.CountTokensResponse(
        tokens=first.counted.tokens,
        count_method=_COUNT[first.counted.method],
        limit_tokens=first.limit,
        more=[
            wire.TokenCount(
                tokens=each.counted.tokens, count_method=_COUNT[each.counted.method], limit_tokens=each.limit
            )
            for each in more
        ],
        part_tokens=counts.parts,
    )


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
        capability=_model(trial.capability) if trial.capability else None,
        answered_model=trial.answered_model,
        finish_reason=_FINISH[trial.finish_reason] if trial.finish_reason else wire.FINISH_REASON_UNSPECIFIED,
    )


def versions_response(found: ProviderVersions) -> wire.ListVersionsResponse:
    """The versions of a provider's models."""
    response = wire.ListVersionsResponse(
        provider=found.provider,
        versions=found.versions,
        current=found.current,
        etag=found.etag,
        source=_VERSIONS_FROM[found.source],
    )
    response.last_checked_utc.FromDatetime(found.last_checked_utc)
    response.expires_at_utc.FromDatetime(found.expires_at_utc)
    return response


def _provider(offered: Offered) -> wire.ProviderCapability:
    capability = offered.capability
    return wire.ProviderCapability(
        provider=capability.provider,
        configured=offered.configured,
        offline=capability.offline,
        models=[_model(capability.model(model.model)) for model in capability.models],
        default_model=capability.default_model,
        response_apis=capability.response_apis,
        finish_reasons=[
            wire.FinishReasonWord(word=word, finish_reason=_FINISH[meaning])
            for word, meaning in sorted(capability.finish_reasons.items())
        ],
        unlisted_models=capability.unlisted_models,
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
        cached_input_price_micro_usd=model.cached_input_price_micro_usd,
        tools=model.tools,
        grounding=model.grounding,
        temperature=model.temperature,
        retires_on=model.retires_on,
        source=model.source,
    )


def usage_query_of(request: wire.ListUsageRequest, now: datetime) -> UsageQuery:
    """What is asked for; raises LaceError INVALID_ARGUMENT."""
    return usage_query(_USAGE_BY[request.by], request.from_day, request.to_day, now)


def usage_message(by: UsageBy, usage: Usage) -> wire.Usage:
    """A sum, with what it is summed by."""
    first, second = usage.key
    names = {
        UsageBy.DAY: {"day": first},
        UsageBy.MODEL: {"provider": first, "model": second},
        UsageBy.PRINCIPAL: {"principal_id": first},
        UsageBy.RUN: {"run_id": first},
    }[by]
    return wire.Usage(
        **names,
        calls=usage.calls,
        failed_calls=usage.failed_calls,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_micro_usd=usage.cost_micro_usd,
    )
