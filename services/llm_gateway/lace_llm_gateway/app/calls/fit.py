"""Whether a prompt fits its model and the settings, known before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.app.ports import TokenCounter
from lace_llm_gateway.domain.calls import Counted
from lace_llm_gateway.domain.capabilities import ModelCapability
from lace_llm_gateway.domain.exchange import ProviderRequest
from lace_llm_gateway.domain.settings import CallSettings


@dataclass(frozen=True)
class Fitted:
    """What a prompt takes at most, and what it may take."""

    counted: Counted
    limit: int


def limit_of(model: ModelCapability, settings: CallSettings, max_output_tokens: int) -> int:
    """Tokens in at most: the setting, and what the answer leaves of the model's context."""
    return min(settings.context_tokens, model.input_limit(max_output_tokens))


def fit(counter: TokenCounter, model: ModelCapability, settings: CallSettings, request: ProviderRequest) -> Fitted:
    """What the request takes; raises LaceError CONTEXT_TOO_LONG where that is more than it may.

    A prompt that fits though every byte were a token is not counted further: its count is that bound, and what the
    ledger has is what the provider reports.
    """
    limit = limit_of(model, settings, request.max_output_tokens)
    counted = counter.bound(model, request.messages, request.output_schema)
    if counted.tokens > limit:
        counted = counter.count(model, request.messages, request.output_schema)
    if counted.tokens > limit:
        raise too_long(counted, limit, request.max_output_tokens, model)
    return Fitted(counted, limit)


def too_long(counted: Counted, limit: int, max_output_tokens: int, model: ModelCapability) -> LaceError:
    """The refusal, with all the numbers that it comes from."""
    return LaceError(
        Reason.CONTEXT_TOO_LONG,
        f"The prompt needs {counted.tokens} tokens of {limit} allowed; raise llm.context_tokens or ask of less.",
        details=[
            Detail("prompt_tokens", f"{counted.tokens} ({counted.method.value})"),
            Detail("limit_tokens", str(limit)),
            Detail("max_output_tokens", str(max_output_tokens)),
            Detail("context_tokens", f"{model.context_tokens} of {model.model}"),
        ],
    )
