"""Use case: try a provider with a tiny call and say what is wrong where it does not answer."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.domain.answers import refuse_unfinished
from lace_llm_gateway.domain.exchange import Message, ProviderRequest

_ADVICE = {
    Reason.PROVIDER_CREDENTIALS: "Set OPENAI_API_KEY in the environment or in .env.",
    Reason.PROVIDER_UNAVAILABLE: "Check OPENAI_BASE_URL and the network.",
    Reason.MODEL_UNKNOWN: "Set OPENAI_MODEL to a model that the server offers.",
    Reason.PROVIDER_RATE_LIMITED: "Wait, or raise the limit of the account.",
}
_TOKENS, _TIMEOUT_S = 64, 20.0


@dataclass(frozen=True)
class Trial:
    """How the try went; `error_code` and `message` are empty where it went well."""

    provider: str
    model: str
    ok: bool
    error_code: str
    message: str
    duration_ms: int


async def validate_provider(gateway: Gateway, provider: str, model: str, remaining_s: float | None) -> Trial:
    """One call without retries. Raises LaceError PROVIDER_UNKNOWN; every other failure is the trial's result."""
    settings = gateway.settings({})
    choice = gateway.choose(provider or settings.provider, model or settings.model)
    request = ProviderRequest(
        contract="",
        messages=(Message("user", "Answer with the one word: ready."),),
        output_schema=None,
        model=choice.model.model,
        temperature_milli=0,
        max_output_tokens=_TOKENS,
        timeout_s=min(_TIMEOUT_S, settings.timeout_s, remaining_s or _TIMEOUT_S),
    )
    started = time.monotonic()
    failure: LaceError | None = None
    try:
        refuse_unfinished(await choice.provider.complete(request))
    except LaceError as error:
        failure = error
    duration = round((time.monotonic() - started) * 1000)
    code = failure.reason.value if failure else ""
    message = f"{failure.message} {_ADVICE.get(failure.reason, '')}".strip() if failure else ""
    return Trial(choice.provider.name, request.model, failure is None, code, message, duration)
