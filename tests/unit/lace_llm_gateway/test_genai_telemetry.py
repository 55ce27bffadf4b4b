"""What a try at a provider leaves in traces and metrics, by the names of OpenTelemetry's GenAI conventions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters import determinism_metrics, resilience_metrics
from lace_llm_gateway.adapters.genai_metrics import GenAiMetrics
from lace_llm_gateway.adapters.genai_spans import SpanObserver
from lace_llm_gateway.app.calls.orders import Order
from lace_llm_gateway.app.calls.stream import stream_generate
from lace_llm_gateway.domain.exchange import Delta, FinishReason, Message, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.measuring_models import Kind
from lace_platform import telemetry
from tests.doubles.call_world import TENANT, World, call_world

ORDER = Order(provider="openai", model="gpt-4o", messages=(Message("user", "A secret of nobody."),))
ANSWER = ProviderAnswer(
    "Nothing.", FinishReason.STOP, "gpt-4o", "gpt-4o-2026", "fp_1", "rsp_1", 12, 3, cached_input_tokens=4
)


class Answering:
    """Says two words and then the whole, or fails."""

    default_model = "gpt-4o"

    def __init__(self, name: str = "openai", failure: BaseException | None = None) -> None:
        self.name = name
        self.failure = failure

    def configured(self) -> bool:
        return True

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        if self.failure is not None:
            raise self.failure
        return ANSWER

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        yield Delta("Not")
        yield Delta("hing.")
        yield ANSWER

    async def close(self) -> None:
        return


@dataclass
class Collector:
    """Where spans and metrics arrive, in memory."""

    spans: InMemorySpanExporter
    reader: InMemoryMetricReader
    observer: SpanObserver

    @property
    def span(self) -> ReadableSpan:
        [found] = self.spans.get_finished_spans()
        return found

    def points(self) -> Mapping[str, list[HistogramDataPoint]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        [scope] = data.resource_metrics[0].scope_metrics
        return {metric.name: list(metric.data.data_points) for metric in scope.metrics}  # type: ignore[arg-type]


@pytest.fixture
def collector() -> Collector:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    metrics = GenAiMetrics(MeterProvider([reader]).get_meter("test"))
    return Collector(spans, reader, SpanObserver(metrics, tracers.get_tracer("test")))


def _watched(world: World, collector: Collector, provider: Answering) -> World:
    providers = {**world.gateway.providers, provider.name: provider}
    return replace(world, gateway=replace(world.gateway, providers=providers, observer=collector.observer))


def _counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_call_is_one_client_span_with_its_usage_and_without_its_text(collector: Collector) -> None:
    async with call_world() as plain:
        await _watched(plain, collector, Answering()).generate(ORDER)
    span = collector.span
    assert (span.name, span.kind) == ("chat gpt-4o", SpanKind.CLIENT)
    attributes = dict(span.attributes or {})
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": attributes["gen_ai.request.max_tokens"],
        "gen_ai.output.type": "text",
        "gen_ai.response.model": "gpt-4o-2026",
        "gen_ai.response.id": "rsp_1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 4,
    }
    assert "secret" not in repr(span.attributes)
    assert "Nothing" not in repr(span.attributes)


async def test_duration_and_tokens_are_exported_under_their_conventions_names(collector: Collector) -> None:
    async with call_world() as plain:
        await _watched(plain, collector, Answering()).generate(ORDER)
    points = collector.points()
    assert set(points) == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}
    own = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
    }
    [duration] = points["gen_ai.client.operation.duration"]
    assert (dict(duration.attributes or {}), duration.count) == (own, 1)
    used = {dict(p.attributes or {})["gen_ai.token.type"]: p.sum for p in points["gen_ai.client.token.usage"]}
    assert used == {"input": 12, "output": 3}


async def test_a_stream_tells_when_its_pieces_came(collector: Collector) -> None:
    async with call_world() as plain:
        world = _watched(plain, collector, Answering())
        async with aclosing(stream_generate(world.gateway, TENANT, ORDER, None)) as pieces:
            assert [piece async for piece in pieces]
    points = collector.points()
    assert points["gen_ai.client.operation.time_to_first_chunk"][0].count == 1
    assert points["gen_ai.client.operation.time_per_output_chunk"][0].count == 1
    first = (collector.span.attributes or {})["gen_ai.response.time_to_first_chunk"]
    assert isinstance(first, float)
    assert 0 < first < 60


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (LaceError(Reason.PROVIDER_REFUSED, "no"), "PROVIDER_REFUSED"),
        (RuntimeError("a fault of ours"), "_OTHER"),
    ],
)
async def test_a_failed_try_names_its_error(collector: Collector, failure: Exception, told: str) -> None:
    async with call_world() as plain:
        with pytest.raises(type(failure)):
            await _watched(plain, collector, Answering(failure=failure)).generate(ORDER)
    assert (collector.span.attributes or {})["error.type"] == told
    [duration] = collector.points()["gen_ai.client.operation.duration"]
    assert (duration.attributes or {})["error.type"] == told


async def test_gemini_goes_by_its_own_names(collector: Collector) -> None:
    order = replace(ORDER, provider="gemini", model="gemini-2.5-flash")
    async with call_world() as plain:
        await _watched(plain, collector, Answering("gemini")).generate(order)
    assert collector.span.name == "generate_content gemini-2.5-flash"
    assert (collector.span.attributes or {})["gen_ai.provider.name"] == "gcp.gemini"


@pytest.mark.parametrize(("kind", "operation"), [("embedding", "embeddings"), ("rerank", "rerank")])
async def test_measuring_is_a_span_with_an_operation_of_its_own(
    collector: Collector, kind: Kind, operation: str
) -> None:
    async with collector.observer.measuring(kind, "gemini", "m-1", 256 if kind == "embedding" else 0) as notes:
        notes.measured("m-1-2026", 40)
    assert (collector.span.name, collector.span.kind) == (f"{operation} m-1", SpanKind.CLIENT)
    own = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "m-1",
    }
    more = {"gen_ai.embeddings.dimension.count": 256} if kind == "embedding" else {}
    told = {"gen_ai.response.model": "m-1-2026", "gen_ai.usage.input_tokens": 40}
    assert dict(collector.span.attributes or {}) == own | more | told
    points = collector.points()
    [duration] = points["gen_ai.client.operation.duration"]
    [tokens] = points["gen_ai.client.token.usage"]
    assert (dict(duration.attributes or {}), duration.count) == (own, 1)
    assert (dict(tokens.attributes or {}), tokens.sum) == ({**own, "gen_ai.token.type": "input"}, 40)


async def test_the_same_is_scraped_where_nothing_is_exported() -> None:
    labels: dict[str, Any] = {
        "gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-4o",
    }  # fmt: skip
    asked = {
        "gen_ai_client_operation_duration_seconds_count": {**labels, "error_type": ""},
        "gen_ai_client_token_usage_sum": {**labels, "gen_ai_token_type": "input"},
    }
    before = {name: _counted(name, **own) for name, own in asked.items()}
    async with call_world() as plain:
        world = replace(plain, gateway=replace(plain.gateway, observer=SpanObserver()))
        providers = {**world.gateway.providers, "openai": Answering()}
        await replace(world, gateway=replace(world.gateway, providers=providers)).generate(ORDER)
    after = {name: _counted(name, **own) for name, own in asked.items()}
    assert [after[name] - before[name] for name in asked] == [1, 12]
    text = telemetry.metrics().decode()
    assert 'gen_ai_client_operation_duration_seconds_bucket{error_type="",gen_ai_operation_name="chat"' in text


def test_every_counter_that_is_promised_can_be_scraped() -> None:
    assert determinism_metrics
    assert resilience_metrics
    described = {line.split()[2] for line in telemetry.metrics().decode().splitlines() if line.startswith("# TYPE")}
    assert described >= {
        "provider_version_mismatch_total",
        "batch_drift_pauses_total",
        "als_over_limit_total",
        "grounding_required_failures_total",
        "provider_cache_singleflight_locks_total",
        "llm_circuit_open",
        "llm_retries_total",
        "llm_failovers_total",
        "llm_calls_shed_total",
        "llm_budget_refusals_total",
        "gen_ai_client_operation_duration_seconds",
        "gen_ai_client_token_usage",
        "gen_ai_client_operation_time_to_first_chunk_seconds",
    }
