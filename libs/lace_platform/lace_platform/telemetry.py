"""Logs, traces and metrics of a process: one JSON line per event, spans only where somebody collects them."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any, TextIO, cast

import structlog
from opentelemetry import metrics as telemetry_metrics
from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from lace_platform.config import ProcessConfig
from lace_platform.scrubbing import ScrubbedSpans, Scrubber

__all__ = ["CONTENT_TYPE_LATEST", "REGISTRY", "bind", "configure", "get_logger", "is_logged", "metrics", "shutdown"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _StandardError(io.TextIOBase):
    """Whatever sys.stderr is when a line is written: who replaces and closes it must not silence the logs."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def configure(service: str, config: ProcessConfig, stream: TextIO | None = None) -> None:
    """Sets up logging of this process (to stderr, or to `stream`), and tracing where an OTLP endpoint is set.

    Once, at start.
    """
    stream = stream or cast(TextIO, _StandardError())
    level = _LEVELS[config.log_level]
    written: Any = (
        structlog.processors.JSONRenderer()
        if config.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )

    scrub = Scrubber(config)

    def renderer(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        return scrub(str(written(logger, method, event)))

    def name_service(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", service)
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_service,
        _ids_of_call,
        _ids_of_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    _route_library_logs(shared, renderer, level, stream)
    if config.otlp_endpoint:
        _start_tracing(service, config.otlp_endpoint, scrub)


def get_logger(name: str = "lace") -> Any:
    """A structured logger: `log.info("run_started", run_id=…)`."""
    return structlog.get_logger(name)


def is_logged(level: int) -> bool:
    """Whether lines of that level of `logging` are written; asked where making one at every call is a cost."""
    wrapper = structlog.get_config()["wrapper_class"]
    is_enabled = getattr(wrapper, "is_enabled_for", None)  # of the class, which knows its level
    return is_enabled is None or bool(is_enabled(wrapper, level))


def bind(**ids: str) -> AbstractContextManager[None]:
    """Puts ids (run_id, step_id, …) on every line logged within the block, in this task and those it starts."""
    return structlog.contextvars.bound_contextvars(**ids)


def metrics() -> bytes:
    """The process's metrics in Prometheus' text form (`CONTENT_TYPE_LATEST`)."""
    return generate_latest(REGISTRY)


def shutdown() -> None:
    """Sends the spans and the metrics that are still held."""
    for provider in (trace.get_tracer_provider(), telemetry_metrics.get_meter_provider()):
        if end := getattr(provider, "shutdown", None):  # where nothing is exported there is nothing to end
            end()


def _ids_of_call(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Imported here: logging is set up before anything else, and this brings all of gRPC with it.
    from lace_platform.rpc.context import call_or_none

    call = call_or_none()
    if call is not None:
        event.setdefault("correlation_id", call.correlation_id)
        event.setdefault("request_id", call.request_id)
        if call.identity is not None and call.identity.run_id:
            event.setdefault("run_id", call.identity.run_id)
    return event


def _ids_of_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event.setdefault("trace_id", trace.format_trace_id(span.trace_id))
    return event


def _route_library_logs(shared: list[Any], renderer: Any, level: int, stream: TextIO) -> None:
    """Lines of libraries that use `logging` take the same form; below warnings they are of no use to an operator."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def _start_tracing(service: str, endpoint: str, scrub: Scrubber) -> None:
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return  # standalone configures once for all of its services
    # Imported only where traces are sent: all of them take long to load.
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    from lace_platform.rpc.tracing import make_spans

    resource = Resource.create({SERVICE_NAME: f"lace-{service}"})
    insecure = not endpoint.startswith("https://")
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=insecure)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint, insecure=insecure))
    telemetry_metrics.set_meter_provider(MeterProvider([reader], resource=resource))
    provider.add_span_processor(BatchSpanProcessor(ScrubbedSpans(exporter, scrub)))
    trace.set_tracer_provider(provider)
    make_spans()
    SQLAlchemyInstrumentor().instrument()
