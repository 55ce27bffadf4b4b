"""Use case: try a provider with a tiny call and say what is wrong where it does not answer."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.gateway import Choice, Gateway
from lace_llm_gateway.domain.answers import refuse_unfinished
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import FinishReason, Message, ProviderAnswer, ProviderRequest

_KEYS = {
    "openai": "Set OPENAI_API_KEY in the environment or in .env.",
    "anthropic": "Set ANTHROPIC_API_KEY in the environment or in .env.",
    "gemini": "Set GEMINI_API_KEY in the environment or in .env.",
    "replay": "Set LACE_REPLAY_FOLDER in the environment or in .env.",
}
_ADDRESSES = {
    "openai": "Check OPENAI_BASE_URL and the network.",
    "anthropic": "Check ANTHROPIC_BASE_URL and the network.",
    "gemini": "Check GOOGLE_GEMINI_BASE_URL and the network.",
}
_ADVICE = {
    Reason.MODEL_UNKNOWN: "Name a model that the server offers, or set llm.model.",
    Reason.PROVIDER_RATE_LIMITED: "Wait, or raise the limit of the account.",
    Reason.RECORDING_NOT_FOUND: "Record one: set LACE_REPLAY_SOURCE to the provider that is to be recorded.",
}
# Models that reason spend tokens before they say the one word.
_TOKENS, _TIMEOUT_S = 512, 20.0


@dataclass(frozen=True)
class Trial:
    """How the try went; `error_code` and `message` are empty where it went well."""

    provider: str
    model: str
    ok: bool
    error_code: str
    message: str
    duration_ms: int
    capability: ModelCapability | None = None
    answered_model: str = ""
    finish_reason: FinishReason | None = None


async def validate_provider(
    gateway: Gateway, tenant_id: str, principal_id: str, provider: str, model: str, remaining_s: float | None
) -> Trial:
    """One call without retries, under the caller's settings.

    Raises LaceError PROVIDER_UNKNOWN and PRICE_INVALID; every other failure is the trial's result.
    """
    settings = gateway.settings(await gateway.values_for(tenant_id, principal_id, "", None))
    choice = gateway.choose(provider or settings.provider, model or settings.model, settings.prices)
    timeout = min(_TIMEOUT_S, settings.timeout_s, remaining_s or _TIMEOUT_S)
    started = time.monotonic()
    answer: ProviderAnswer | None = None
    failure: LaceError | None = None
    try:
        answer = await choice.provider.complete(_request(choice, timeout))
        refuse_unfinished(answer)
    except LaceError as error:
        failure = error
    return Trial(
        provider=choice.provider.name,
        model=choice.model.model,
        ok=failure is None,
        error_code=failure.reason.value if failure else "",
        message=_told(failure, choice.provider.name) if failure else "",
        duration_ms=round((time.monotonic() - started) * 1000),
        capability=choice.model,
        answered_model=answer.answered_model if answer else "",
        finish_reason=answer.finish_reason if answer else None,
    )


def _request(choice: Choice, timeout_s: float) -> ProviderRequest:
    return ProviderRequest(
        contract="",
        messages=(Message("user", "Answer with the one word: ready."),),
        output_schema=None,
        model=choice.model.model,
        temperature_milli=0,
        max_output_tokens=min(_TOKENS, choice.model.max_output_tokens),
        timeout_s=timeout_s,
    )


def _told(failure: LaceError, provider: str) -> str:
    advice = {
        **_ADVICE,
        Reason.PROVIDER_CREDENTIALS: _KEYS.get(provider, ""),
        Reason.PROVIDER_UNAVAILABLE: _ADDRESSES.get(provider, ""),
    }
    return f"{failure.message} {advice.get(failure.reason, '')}".strip()
