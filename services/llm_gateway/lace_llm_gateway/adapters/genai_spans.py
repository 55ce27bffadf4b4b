"""OpenTelemetry's GenAI conventions, all of them in this one module: their names are still in development."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from prometheus_client import Histogram

from lace_core.errors import LaceError
from lace_llm_gateway.domain.exchange import ProviderAnswer, ProviderRequest

_TRACER = "lace.llm_gateway"
_DURATION = Histogram(
    "gen_ai_client_operation_duration_seconds", "Duration of a try at a provider.", ["provider", "model", "error"]
)
_TOKENS = Histogram(
    "gen_ai_client_token_usage",
    "Tokens of an answer, by kind.",
    ["provider", "model", "kind"],
    buckets=(16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144),
)


class SpanNotes:
    """Puts the outcome of a try on its span."""

    def __init__(self, span: trace.Span, provider: str, model: str) -> None:
        self._span = span
        self._labels = (provider, model)

    def answered(self, answer: ProviderAnswer) -> None:
        """The provider answered; its text is never put on a span."""
        self._span.set_attribute(names.GEN_AI_RESPONSE_MODEL, answer.answered_model)
        self._span.set_attribute(names.GEN_AI_RESPONSE_ID, answer.response_id)
        self._span.set_attribute(names.GEN_AI_RESPONSE_FINISH_REASONS, [answer.finish_reason.value])
        for kind, attribute, tokens in (
            ("input", names.GEN_AI_USAGE_INPUT_TOKENS, answer.input_tokens),
            ("output", names.GEN_AI_USAGE_OUTPUT_TOKENS, answer.output_tokens),
        ):
            if tokens is not None:
                self._span.set_attribute(attribute, tokens)
                _TOKENS.labels(*self._labels, kind).observe(tokens)


class SpanObserver:
    """A span and a duration for every try."""

    @asynccontextmanager
    async def observe(self, request: ProviderRequest, provider: str) -> AsyncIterator[SpanNotes]:
        """Around one try; the span is a no-op where no traces are exported."""
        tracer = trace.get_tracer(_TRACER)
        started, failure = time.perf_counter(), ""
        with tracer.start_as_current_span(
            f"chat {request.model}", kind=trace.SpanKind.CLIENT, attributes=_attributes(request, provider)
        ) as span:
            try:
                yield SpanNotes(span, provider, request.model)
            except LaceError as error:
                failure = error.reason.value
                span.set_attribute(ERROR_TYPE, failure)
                raise
            finally:
                _DURATION.labels(provider, request.model, failure).observe(time.perf_counter() - started)


def _attributes(request: ProviderRequest, provider: str) -> dict[str, str | int | float]:
    return {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.GEN_AI_PROVIDER_NAME: provider,
        names.GEN_AI_REQUEST_MODEL: request.model,
        names.GEN_AI_REQUEST_TEMPERATURE: request.temperature_milli / 1000,
        names.GEN_AI_REQUEST_MAX_TOKENS: request.max_output_tokens,
        names.GEN_AI_OUTPUT_TYPE: "json" if request.output_schema is not None else "text",
    }
