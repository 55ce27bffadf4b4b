"""What every method of a server does around its servicer: identity, access, validation, errors, a log line."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import grpc
import structlog

from lace_core.errors import LaceError, Reason
from lace_platform.auth import Identity, IdentityVerifier
from lace_platform.ids import new_id
from lace_platform.rpc import context as calls
from lace_platform.rpc.access import Access, access_of
from lace_platform.rpc.context import CallContext, enter_call
from lace_platform.rpc.errors import STATUS_DETAILS, code_of, status_of
from lace_platform.rpc.tracing import server_span
from lace_platform.rpc.validation import validate
from lace_platform.telemetry import is_logged

DEFAULT_DEADLINE_S = 30.0
_LONGEST_HEARING_S = 10.0
_LONGEST_ID = 128

_log = structlog.get_logger(__name__)


@dataclass
class Surroundings:
    """What the handlers of one server share."""

    verifier: IdentityVerifier
    public_methods: frozenset[str] = frozenset()
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    streams: set[asyncio.Task[Any]] = field(default_factory=set)


def guard(method: str, handler: Any, surroundings: Surroundings) -> grpc.RpcMethodHandler[Any, Any]:
    """The same method handler with everything around it; `method` is its full path."""
    access = Access(open=True) if method in surroundings.public_methods else access_of(method)
    gate = _Gate(method, access, surroundings)
    name, make = _shape(handler)
    behaviour = _GUARDS[name](getattr(handler, name), gate)
    guarded: grpc.RpcMethodHandler[Any, Any] = make(
        behaviour,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return guarded


def _shape(handler: Any) -> tuple[str, Callable[..., Any]]:
    request = "stream" if handler.request_streaming else "unary"
    response = "stream" if handler.response_streaming else "unary"
    return f"{request}_{response}", getattr(grpc, f"{request}_{response}_rpc_method_handler")


@dataclass(frozen=True)
class _Gate:
    """The way into one method."""

    method: str
    access: Access
    surroundings: Surroundings

    def passage(self, context: Any, requests: AsyncIterator[Any] | None = None) -> _Passage:
        """The way in and out of one call; a caller who streams `requests` is heard out before a refusal."""
        return _Passage(self, context, requests)

    def identify(self, bearer: str) -> tuple[Identity | None, str | None]:
        """The verified identity of an authorization header, and as it was signed; raises LaceError for who may not
        call.
        """
        identity, signed = None, bearer[len(calls.BEARER) :] if bearer.startswith(calls.BEARER) else None
        if signed:
            try:
                identity = self.surroundings.verifier.verify(signed)
            except LaceError:
                # To an open method a stale identity does no harm: it is how a caller comes by a fresh one.
                if not self.access.open:
                    raise
                signed = None
        self.access.check(identity)
        return identity, signed


class _Passage:
    """One call from entry to log line; an async context manager, written out for its speed."""

    def __init__(self, gate: _Gate, context: Any, requests: AsyncIterator[Any] | None) -> None:
        self._gate = gate
        self._context = context
        self._requests = requests
        self._started = time.perf_counter()
        given = context.invocation_metadata() or ()
        self._metadata = {key: value for key, value in given if isinstance(value, str)}
        self._span = server_span(gate.method, self._metadata.get(calls.TRACEPARENT))

    async def __aenter__(self) -> CallContext:
        self._span.__enter__()
        try:
            identity, signed = self._gate.identify(self._metadata.get(calls.AUTHORIZATION, ""))
            self._call = _call(self._metadata, self._context, identity, signed)
        except BaseException as error:
            self._call = _call(self._metadata, self._context, None, None)
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        enter_call(self._call)
        return self._call

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._span.__exit__(kind, error, trace)
        if error is None:
            self._note("OK")
        elif isinstance(error, LaceError):
            await self._refuse(error)
        elif isinstance(error, NotImplementedError):
            await self._refuse(_not_yet(self._gate.method))
        elif isinstance(error, asyncio.CancelledError) and self._drained():
            await self._refuse(_draining())
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._note("CANCELLED")
        elif isinstance(error, grpc.aio.AbortError):
            self._note(getattr(self._context.code(), "name", "UNKNOWN"))
        else:
            await self._fail(error)

    def _drained(self) -> bool:
        """Whether it was the server's end that cancelled this stream, not its client."""
        task = asyncio.current_task()
        drained = self._gate.surroundings.draining.is_set() and task in self._gate.surroundings.streams
        if drained and task is not None:
            task.uncancel()
        return drained

    async def _refuse(self, error: LaceError) -> None:
        self._note(code_of(error).name, reason=error.reason.value)
        if self._requests is not None:
            await _heard_out(self._requests)
        status = status_of(error, self._call.correlation_id)
        await self._context.abort(
            code_of(error), error.message, trailing_metadata=((STATUS_DETAILS, status.SerializeToString()),)
        )

    async def _fail(self, error: BaseException) -> None:
        _log.error("rpc_failed", method=self._gate.method, **self._ids(), exc_info=error)
        correlation_id = self._call.correlation_id
        await self._refuse(
            LaceError(Reason.INTERNAL, f"Something failed on our side; quote the correlation id {correlation_id}.")
        )

    def _note(self, code: str, **more: str) -> None:
        if not is_logged(logging.INFO):
            return
        milliseconds = round((time.perf_counter() - self._started) * 1000, 2)
        _log.info("rpc", method=self._gate.method, code=code, ms=milliseconds, **self._ids(), **more)

    def _ids(self) -> dict[str, str]:
        found = {"request_id": self._call.request_id, "correlation_id": self._call.correlation_id}
        identity = self._call.identity
        if identity is not None:
            found.update(tenant_id=identity.tenant_id, principal_id=identity.principal_id)
        return found


def _call(
    metadata: Mapping[str, str], context: Any, identity: Identity | None, signed_identity: str | None
) -> CallContext:
    """The call as its metadata tells it, with whose it was found to be."""
    remaining = context.time_remaining()
    request_id = metadata.get(calls.REQUEST_ID, "")[:_LONGEST_ID] or new_id("req")
    return CallContext(
        identity=identity,
        request_id=request_id,
        correlation_id=metadata.get(calls.CORRELATION_ID, "")[:_LONGEST_ID] or request_id,
        idempotency_key=metadata.get(calls.IDEMPOTENCY_KEY),
        traceparent=metadata.get(calls.TRACEPARENT),
        deadline=None if remaining is None else time.monotonic() + remaining,
        signed_identity=signed_identity,
    )


def _unary_unary(behaviour: Callable[..., Any], gate: _Gate) -> Callable[..., Any]:
    async def handle(request: Any, context: Any) -> Any:
        async with gate.passage(context) as call:
            validate(request)
            if call.deadline is not None:
                return await behaviour(request, context)
            return await _within_default(behaviour, request, context, call)

    return handle


async def _within_default(behaviour: Callable[..., Any], request: Any, context: Any, call: CallContext) -> Any:
    """For callers without a deadline, who would otherwise let a stuck handler live for ever."""
    enter_call(replace(call, deadline=time.monotonic() + DEFAULT_DEADLINE_S))
    try:
        async with asyncio.timeout(DEFAULT_DEADLINE_S) as limit:
            return await behaviour(request, context)
    except TimeoutError:
        if not limit.expired():
            raise
        raise LaceError(Reason.DEADLINE_EXCEEDED, "The call took longer than its deadline.", retryable=True) from None


def _stream_unary(behaviour: Callable[..., Any], gate: _Gate) -> Callable[..., Any]:
    async def handle(requests: AsyncIterator[Any], context: Any) -> Any:
        async with gate.passage(context, requests):
            return await behaviour(_validated(requests), context)

    return handle


def _unary_stream(behaviour: Callable[..., Any], gate: _Gate) -> Callable[..., Any]:
    _must_generate(behaviour, gate)

    async def handle(request: Any, context: Any) -> None:
        async with gate.passage(context):
            validate(request)
            await _written(behaviour(request, context), gate, context)

    return handle


def _stream_stream(behaviour: Callable[..., Any], gate: _Gate) -> Callable[..., Any]:
    _must_generate(behaviour, gate)

    async def handle(requests: AsyncIterator[Any], context: Any) -> None:
        async with gate.passage(context):
            await _written(behaviour(_validated(requests), context), gate, context)

    return handle


async def _written(responses: AsyncGenerator[Any], gate: _Gate, context: Any) -> None:
    """Write them; a caller who leaves ends them here, in the task and the context in which they began."""
    _list_stream(gate.surroundings)
    async with aclosing(responses):
        async for response in responses:
            await context.write(response)


def _must_generate(behaviour: Callable[..., Any], gate: _Gate) -> None:
    if inspect.iscoroutinefunction(behaviour):
        raise TypeError(f"{gate.method} streams its response: its servicer method must be an async generator")


async def _validated(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        validate(request)
        yield request


async def _heard_out(requests: AsyncIterator[Any]) -> None:
    """Lets a refused caller come to the end: a call that is reset while it still sends loses the words of its refusal
    and ends as INTERNAL. Not for ever: who sends on and on is cut off.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_LONGEST_HEARING_S):
            async for _ in requests:
                pass


_GUARDS: dict[str, Callable[[Callable[..., Any], _Gate], Callable[..., Any]]] = {
    "unary_unary": _unary_unary,
    "unary_stream": _unary_stream,
    "stream_unary": _stream_unary,
    "stream_stream": _stream_stream,
}


def _list_stream(surroundings: Surroundings) -> None:
    """Notes the task of a streamed response while it runs, so that a draining server can end it."""
    if surroundings.draining.is_set():
        raise _draining()
    task = asyncio.current_task()
    if task is not None:
        surroundings.streams.add(task)
        task.add_done_callback(surroundings.streams.discard)


def _not_yet(method: str) -> LaceError:
    """For what a servicer leaves to its generated base class, which raises NotImplementedError."""
    return LaceError(Reason.NOT_AVAILABLE_YET, f"{method.rpartition('/')[2]} is not available yet.")


def _draining() -> LaceError:
    return LaceError(Reason.SERVICE_UNAVAILABLE, "The server is stopping; call again.", retryable=True, retry_after=0.5)
