"""OpenTelemetry's GenAI conventions around a try at a provider: its span, and what its metrics are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from types import TracebackType

from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.util.types import AttributeValue

from lace_core.errors import LaceError
from lace_llm_gateway.adapters.genai_metrics import GenAiMetrics, Tried
from lace_llm_gateway.domain.exchange import ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.measuring_models import Kind
from lace_platform.rpc.tracing import spans_are_wanted

_TRACER = "lace.llm_gateway"
# Where the conventions have a name of their own; any other provider goes by ours.
_PROVIDERS = {"gemini": names.GenAiProviderNameValues.GCP_GEMINI.value}
_OPERATIONS = {"gemini": names.GenAiOperationNameValues.GENERATE_CONTENT.value}
# The conventions have no name for reranking; they let one choose one then.
_MEASURING: Mapping[Kind, str] = {
    "embedding": names.GenAiOperationNameValues.EMBEDDINGS.value,
    "rerank": "rerank",
}
_CHAT = names.GenAiOperationNameValues.CHAT.value
_CANCELLED = "cancelled"
_OTHER = "_OTHER"  # the conventions' word for an error without a code


class SpanObserver:
    """A span for every try where somebody collects them, and its metrics always.

    `tracer` is for who collects otherwise than by the process's own exporter.
    """

    def __init__(self, metrics: GenAiMetrics | None = None, tracer: trace.Tracer | None = None) -> None:
        self._metrics = metrics or GenAiMetrics()
        self._tracer = tracer

    def observe(self, request: ProviderRequest, provider: str) -> Observed:
        """Around one try."""
        tried = _tried(provider, request.model, "")
        return Observed(tried, self._metrics, self._wanted(), lambda: _attributes(request, tried))

    def measuring(self, kind: Kind, provider: str, model: str, dimensions: int) -> Observed:
        """Around one try of embedding or reranking."""
        tried = _tried(provider, model, _MEASURING[kind])
        own = {names.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: dimensions} if dimensions else {}
        return Observed(tried, self._metrics, self._wanted(), lambda: {**_named(tried), **own})

    def _wanted(self) -> trace.Tracer | None:
        return self._tracer or (trace.get_tracer(_TRACER) if spans_are_wanted() else None)


class Observed:
    """One try; an async context manager, written out for its speed."""

    def __init__(
        self,
        tried: Tried,
        metrics: GenAiMetrics,
        tracer: trace.Tracer | None,
        attributes: Callable[[], Mapping[str, AttributeValue]],
    ) -> None:
        self._attributes = attributes
        self._tried = tried
        self._metrics = metrics
        self._tracer = tracer
        self._opened: AbstractContextManager[trace.Span] | None = None
        self._span: trace.Span = trace.INVALID_SPAN
        self._started = 0.0
        self._last_piece = 0.0

    def piece(self) -> None:
        """A piece of the answer came."""
        now, before = time.perf_counter(), self._last_piece
        self._metrics.came(self._tried, now - (before or self._started), is_first=not before)
        if not before:
            self._span.set_attribute(names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, now - self._started)
        self._last_piece = now

    def answered(self, answer: ProviderAnswer) -> None:
        """The provider answered; its text is never put on a span."""
        for kind, tokens in (("input", answer.input_tokens), ("output", answer.output_tokens)):
            if tokens is not None:
                self._metrics.used(self._tried, kind, tokens)
        if self._opened is not None:
            self._span.set_attributes(_outcome(answer))

    def measured(self, answered_model: str, input_tokens: int | None) -> None:
        """The provider measured; neither texts nor vectors are ever put on a span."""
        if input_tokens is not None:
            self._metrics.used(self._tried, "input", input_tokens)
            self._span.set_attribute(names.GEN_AI_USAGE_INPUT_TOKENS, input_tokens)
        self._span.set_attribute(names.GEN_AI_RESPONSE_MODEL, answered_model)

    async def __aenter__(self) -> Observed:
        self._started = time.perf_counter()
        if self._tracer is not None:
            self._opened = self._tracer.start_as_current_span(
                f"{self._tried.operation} {self._tried.model}",
                kind=trace.SpanKind.CLIENT,
                attributes=self._attributes(),
            )
            self._span = self._opened.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        failure = _failure(error)
        self._metrics.ended(self._tried, time.perf_counter() - self._started, failure)
        if self._opened is not None:
            if failure:
                self._span.set_attribute(ERROR_TYPE, failure)
            self._opened.__exit__(kind, error, where)


@lru_cache(maxsize=1024)
def _tried(provider: str, model: str, operation: str) -> Tried:
    return Tried(operation or _OPERATIONS.get(provider, _CHAT), _PROVIDERS.get(provider, provider), model)


def _failure(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, LaceError):
        return error.reason.value
    return _OTHER if isinstance(error, Exception) else _CANCELLED


def _outcome(answer: ProviderAnswer) -> dict[str, str | int | list[str]]:
    found: dict[str, str | int | list[str]] = {
        names.GEN_AI_RESPONSE_MODEL: answer.answered_model,
        names.GEN_AI_RESPONSE_ID: answer.response_id,
        names.GEN_AI_RESPONSE_FINISH_REASONS: [answer.finish_reason.value],
    }
    if answer.input_tokens is not None:
        found[names.GEN_AI_USAGE_INPUT_TOKENS] = answer.input_tokens
    if answer.output_tokens is not None:
        found[names.GEN_AI_USAGE_OUTPUT_TOKENS] = answer.output_tokens
    if answer.cached_input_tokens:
        found[names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] = answer.cached_input_tokens
    return found


def _named(tried: Tried) -> dict[str, str]:
    return {
        names.GEN_AI_OPERATION_NAME: tried.operation,
        names.GEN_AI_PROVIDER_NAME: tried.provider,
        names.GEN_AI_REQUEST_MODEL: tried.model,
    }


def _attributes(request: ProviderRequest, tried: Tried) -> dict[str, str | int | float | list[str]]:
    own: dict[str, str | int | float | list[str]] = {}
    if request.seed is not None:
        own[names.GEN_AI_REQUEST_SEED] = request.seed
    if request.stop:
        own[names.GEN_AI_REQUEST_STOP_SEQUENCES] = list(request.stop)
    return own | {
        **_named(tried),
        names.GEN_AI_REQUEST_TEMPERATURE: request.temperature_milli / 1000,
        names.GEN_AI_REQUEST_MAX_TOKENS: request.max_output_tokens,
        names.GEN_AI_OUTPUT_TYPE: "json" if request.output_schema is not None else "text",
    }
