"""Channels to other services: ids, identity, trace and deadline go along, failures come back as LaceError.

This wraps a channel instead of using gRPC's client interceptors: those run every call in one more task, and
report an exception of their own kind as an unhandled error of the loop.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.api import annotations_pb2
from google.protobuf import descriptor_pool

from lace_core.errors import LaceError, Reason
from lace_platform.ids import new_id
from lace_platform.rpc import context as calls
from lace_platform.rpc.context import CallContext, call_or_none
from lace_platform.rpc.errors import error_of
from lace_platform.rpc.server import MAX_MESSAGE_BYTES
from lace_platform.rpc.tracing import outgoing_traceparent

DEFAULT_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
_TRIES = 3
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),  # services are neighbours
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 10_000),  # a watch on a machine that is gone ends within 15 s
    ("grpc.keepalive_timeout_ms", 5_000),
)

IdentitySupplier = Callable[[], Awaitable[str]]
Metadata = Sequence[tuple[str, str | bytes]]


def open_channel(address: str, *, identity: IdentitySupplier | None = None) -> grpc.aio.Channel:
    """A channel to host:port, for the generated stubs.

    Every call carries the ids, trace and remaining time of the call under way (30 s where there is none), and its
    signed identity, or the one that `identity` supplies. Stub methods return awaitables and async iterators, not
    gRPC's call objects; streamed requests are given as iterables. They raise LaceError: what the server raised,
    SERVICE_UNAVAILABLE or DEADLINE_EXCEEDED.
    """
    return LaceChannel(grpc.aio.insecure_channel(address, options=_OPTIONS), address, identity)


async def reach(channel: grpc.aio.Channel, service: str) -> None:
    """Wait until a channel is connected, and no longer than one try takes.

    Raises LaceError SERVICE_UNAVAILABLE where the connection is refused: a call alone would wait for further tries.
    """
    state = channel.get_state(try_to_connect=True)
    while state in (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING):
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)
    if state is not grpc.ChannelConnectivity.READY:
        raise LaceError(Reason.SERVICE_UNAVAILABLE, f"{service} cannot be reached.", retryable=True)


class LaceChannel(grpc.aio.Channel):
    """A grpc.aio.Channel around another one; see `open_channel`."""

    def __init__(self, channel: grpc.aio.Channel, address: str, identity: IdentitySupplier | None) -> None:
        self._channel = channel
        self._address = address
        self._identity = identity

    async def __aenter__(self) -> LaceChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Ends the connection; calls under way have `grace` seconds to finish."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """State of the connection."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state is another one."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when there is a connection."""
        await self._channel.channel_ready()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A caller for the stub's method."""
        return _UnaryResponse(self, method, self._channel.unary_unary(method, *args, **kwargs), may_repeat(method))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A caller for the stub's method."""
        return _UnaryResponse(self, method, self._channel.stream_unary(method, *args, **kwargs), False)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A caller for the stub's method."""
        return _StreamedResponse(self, method, self._channel.unary_stream(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A caller for the stub's method."""
        return _StreamedResponse(self, method, self._channel.stream_stream(method, *args, **kwargs))

    async def prepare(self, method: str, seconds: float | None, metadata: Metadata | None) -> Outgoing:
        """Waits for a connection, and gathers what goes along; nothing has been sent when this raises."""
        call = call_or_none()
        started = time.monotonic()
        limit = _shorter(seconds, call.remaining() if call else None)
        await self._connected(method, limit)
        given = {key for key, _ in metadata or ()}
        along = [(key, value) for key, value in await self._along(call) if key not in given]
        spent = time.monotonic() - started
        return Outgoing((*along, *(metadata or ())), None if limit is None else max(limit - spent, 0.001))

    async def _along(self, call: CallContext | None) -> list[tuple[str, str | bytes]]:
        found: list[tuple[str, str | bytes]] = []
        request_id = call.request_id if call else new_id("req")
        found.append((calls.REQUEST_ID, request_id))
        found.append((calls.CORRELATION_ID, call.correlation_id if call else request_id))
        if call and call.idempotency_key:
            found.append((calls.IDEMPOTENCY_KEY, call.idempotency_key))
        traceparent = outgoing_traceparent(call.traceparent if call else None)
        if traceparent:
            found.append((calls.TRACEPARENT, traceparent))
        if signed := await self._signed(call):
            found.append((calls.AUTHORIZATION, calls.BEARER + signed))
        return found

    async def _signed(self, call: CallContext | None) -> str | None:
        if self._identity is not None:
            return await self._identity()
        if call is not None and call.sign is not None:
            return await call.sign()
        return call.signed_identity if call else None

    async def _connected(self, method: str, limit: float | None) -> None:
        if self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(min(CONNECT_TIMEOUT_S, limit or CONNECT_TIMEOUT_S)):
                await self._channel.channel_ready()
        except TimeoutError:
            raise LaceError(
                Reason.SERVICE_UNAVAILABLE,
                f"The service {service_of(method)} cannot be reached at {self._address}; try again.",
                retryable=True,
                retry_after=1.0,
            ) from None
        except grpc.aio.UsageError:
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "The channel was closed.", retryable=True) from None


@dataclass(frozen=True)
class Outgoing:
    """What a call is made with; `timeout` in seconds."""

    metadata: Metadata
    timeout: float | None


class _UnaryResponse:
    """Calls a method with one response; awaiting the call gives it."""

    def __init__(self, channel: LaceChannel, method: str, callee: Any, may_repeat: bool) -> None:
        self._channel = channel
        self._method = method
        self._callee = callee
        self._tries = _TRIES if may_repeat else 1

    async def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is gRPC's
        metadata: Metadata | None = None,
        trailers: dict[str, Any] | None = None,
        **_: Any,
    ) -> Any:
        """The response; `trailers` is filled with what the server said behind it (rpc.say_status)."""
        for attempt in range(1, self._tries + 1):
            outgoing = await self._channel.prepare(self._method, timeout or DEFAULT_TIMEOUT_S, metadata)
            try:
                call = self._callee(request, timeout=outgoing.timeout, metadata=outgoing.metadata)
                response = await call
                if trailers is not None:
                    trailers.update(await call.trailing_metadata() or ())
                return response
            except grpc.aio.AioRpcError as failure:
                error = error_of(failure, service_of(self._method))
                if error.reason is not Reason.SERVICE_UNAVAILABLE or attempt == self._tries:
                    raise error from None
            await asyncio.sleep(0.05 * attempt * random.uniform(0.8, 1.2))
        raise AssertionError("the last try returns or raises")


class _StreamedResponse:
    """Calls a method with a stream of responses; it has no time limit but the caller's and the call's under way."""

    def __init__(self, channel: LaceChannel, method: str, callee: Any) -> None:
        self._channel = channel
        self._method = method
        self._callee = callee

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        **_: Any,
    ) -> ResponseStream:
        async def start() -> Any:
            outgoing = await self._channel.prepare(self._method, timeout, metadata)
            return self._callee(request, timeout=outgoing.timeout, metadata=outgoing.metadata)

        return ResponseStream(start, service_of(self._method))


class ResponseStream:
    """The responses of one call, which begins when the first is asked for; raises LaceError."""

    def __init__(self, start: Callable[[], Awaitable[Any]], service: str) -> None:
        self._start = start
        self._service = service
        self._call: Any = None
        self._responses: AsyncIterator[Any] | None = None
        self._cancelled = False

    def __aiter__(self) -> ResponseStream:
        return self

    async def __anext__(self) -> Any:
        if self._cancelled:
            raise StopAsyncIteration
        if self._responses is None:
            self._call = await self._start()
            self._responses = aiter(self._call)
        try:
            return await anext(self._responses)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure, self._service) from None
        except asyncio.CancelledError:
            if self._cancelled and not _is_being_cancelled():
                raise StopAsyncIteration from None
            self.cancel()
            raise

    def cancel(self) -> bool:
        """Ends the call; the iteration ends with it. False when it had ended already."""
        self._cancelled = True
        return self._call is None or bool(self._call.cancel())

    async def aclose(self) -> None:
        """Ends the call, as `cancel`; for contextlib.aclosing."""
        self.cancel()


def may_repeat(method: str) -> bool:
    """Whether a call changes nothing: the contract binds the method to GET."""
    service, _, name = method.lstrip("/").partition("/")
    try:
        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return False
    extension: Any = annotations_pb2.http
    return bool(found.GetOptions().Extensions[extension].get)


def service_of(method: str) -> str:
    """`runs` of `/lace.runs.v1.RunService/StartRun`."""
    parts = method.lstrip("/").split(".")
    return parts[1] if len(parts) > 2 else method


def _shorter(one: float | None, other: float | None) -> float | None:
    given = [limit for limit in (one, other) if limit is not None]
    return min(given) if given else None


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
