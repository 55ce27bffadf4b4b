"""Spans of steps below their run's trace, by OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache

from opentelemetry import context, propagate, trace

from lace_platform.rpc.context import call_or_none
from lace_platform.rpc.tracing import spans_are_wanted
from lace_runs.app.ports import Span
from lace_runs.domain.runs import Run

_tracer = trace.get_tracer("lace_runs")


class RunSpans:
    """See app.ports.Spans."""

    def __call__(self, run: Run, name: str) -> AbstractContextManager[Span]:
        """Within the block, calls to other services continue the span's trace."""
        return self._open(run, name) if spans_are_wanted() else _above(run)

    @contextmanager
    def _open(self, run: Run, name: str) -> Iterator[Span]:
        parent = _parent(run.traceparent)[0] if run.traceparent else None
        attributes = {"lace.run_id": run.run_id, "lace.pipeline_id": run.pipeline_id, "lace.step_id": name}
        above = trace.get_current_span(parent).get_span_context()
        with _tracer.start_as_current_span(name, context=parent, attributes=attributes) as span:
            own = span.get_span_context()
            yield Span(
                trace.format_trace_id(own.trace_id) if own.is_valid else "",
                trace.format_span_id(own.span_id) if own.is_valid else "",
                trace.format_span_id(above.span_id) if above.is_valid and above.span_id != own.span_id else "",
            )


@contextmanager
def _above(run: Run) -> Iterator[Span]:
    """Where nobody collects spans a step belongs to its run's own one."""
    if not run.traceparent:
        yield Span()
        return
    parent, span = _parent(run.traceparent)
    token = context.attach(parent)
    try:
        yield span
    finally:
        context.detach(token)


@lru_cache(maxsize=1024)
def _parent(traceparent: str) -> tuple[context.Context, Span]:
    """What a run was started under, read once for all of its steps."""
    parent = propagate.extract({"traceparent": traceparent})
    above = trace.get_current_span(parent).get_span_context()
    if not above.is_valid:
        return parent, Span()
    return parent, Span(trace.format_trace_id(above.trace_id), trace.format_span_id(above.span_id), "")


def trace_headers() -> dict[str, str]:
    """The headers by which a message continues the trace and the request under way."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    call = call_or_none()
    if call is not None:
        headers["correlation_id"] = call.correlation_id
    return headers
