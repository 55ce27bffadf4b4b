"""W3C trace context across calls: taken up on servers, made into spans where traces are exported, passed on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import context, propagate, trace

_TRACER = "lace.rpc"
_NO_SPAN = nullcontext()  # holds nothing, so that all may share it


class _Spans:
    """Whether somebody collects spans, so that they are worth their cost."""

    wanted = False


def make_spans() -> None:
    """Called once a tracer provider is set up; until then calls only pass the trace on.

    Asking OpenTelemetry itself reads the environment at each call.
    """
    _Spans.wanted = True


def spans_are_wanted() -> bool:
    """Whether somebody collects spans."""
    return _Spans.wanted


def server_span(method: str, traceparent: str | None) -> AbstractContextManager[None]:
    """The caller's trace is current within the block, with a span of ours where traces are exported."""
    if traceparent is None and not _Spans.wanted:
        return _NO_SPAN
    return _within(method, traceparent)


@contextmanager
def _within(method: str, traceparent: str | None) -> Iterator[None]:
    parent = propagate.extract({"traceparent": traceparent} if traceparent else {})
    if _Spans.wanted:
        with trace.get_tracer(_TRACER).start_as_current_span(method, parent, trace.SpanKind.SERVER):
            yield
        return
    token = context.attach(parent)
    try:
        yield
    finally:
        context.detach(token)


def outgoing_traceparent(given: str | None) -> str | None:
    """The current span's traceparent where traces are exported, else what came in with the call."""
    if not _Spans.wanted:
        return given
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", given)
