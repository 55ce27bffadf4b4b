"""Every call that leaves this process beside the database, seen at its transport: gRPC, blobs, Kafka, HTTP."""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import yarl

from tests.chaos.points import Points

GRPC = "grpc"
SERVED = "served"
BLOB = "blob"
KAFKA = "kafka"
HTTP = "http"


def watch_outside(points: Points) -> None:
    """Wrap the transports; before any of them is used."""
    _watch_grpc(points)
    _watch_files(points)
    _watch_http(points)
    _watch_kafka(points)


async def told(points: Points, kind: str, label: str, call: Callable[[], Any]) -> Any:
    """Make a call as a point; what it raises counts as answered, too."""
    points.begin(kind, label)
    try:
        return await call()
    finally:
        if points.done(kind, label):
            points.die()


def _watch_grpc(points: Points) -> None:
    plain_channel, plain_server = grpc.aio.insecure_channel, grpc.aio.server

    def insecure_channel(*args: Any, **kwargs: Any) -> Any:
        return _Channel(plain_channel(*args, **kwargs), points)

    def server(*, interceptors: Sequence[Any] = (), **kwargs: Any) -> grpc.aio.Server:
        return plain_server(interceptors=(*interceptors, _Served(points)), **kwargs)

    grpc.aio.insecure_channel = insecure_channel
    grpc.aio.server = server  # type: ignore[assignment]


class _Channel:
    """A channel whose unary calls are points; streams, which only watch, are passed on."""

    def __init__(self, channel: grpc.aio.Channel, points: Points) -> None:
        self._channel = channel
        self._points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._watched(method, self._channel.unary_unary(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._watched(method, self._channel.stream_unary(method, *args, **kwargs))

    def _watched(self, method: str, callee: Any) -> Callable[..., Any]:
        label = method.rpartition(".")[2]

        async def call(*args: Any, **kwargs: Any) -> Any:
            async def made() -> Any:
                return await callee(*args, **kwargs)

            return await told(self._points, GRPC, label, made)

        return call


class _Served(grpc.aio.ServerInterceptor):
    """Counts what a server was asked: the other end's count of the same calls."""

    def __init__(self, points: Points) -> None:
        self._points = points

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Note the call and pass it on."""
        handler = await continuation(details)
        if handler is not None and not handler.response_streaming:
            self._points.journal.write(SERVED, str(details.method).rpartition(".")[2])
        return handler


def _watch_files(points: Points) -> None:
    """A file becomes a blob by being linked to its place."""
    plain = os.link

    def link(source: Any, target: Any, **kwargs: Any) -> None:
        label = _blob(target)
        if not label:
            plain(source, target, **kwargs)
            return
        points.begin(BLOB, label)
        try:
            plain(source, target, **kwargs)
        finally:
            if points.done(BLOB, label, path=str(target)):
                points.die()

    os.link = link  # type: ignore[assignment]


def _blob(target: Any) -> str:
    """The bucket of a blob, with `about` for the note beside it; empty for other files."""
    path = Path(target)
    bucket = next((part for part in path.parts if part.startswith("lace-") and part.count("-") == 1), "")
    if not bucket or "blobs" not in path.parts:
        return ""
    return f"{bucket} about" if path.name.startswith(".") else bucket


def _watch_http(points: Points) -> None:
    """HTTP clients of model providers (aiohttp) and of S3 (http.client below urllib3)."""
    _watch_sessions(points)
    plain_put, plain_answer = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse

    def putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        self.chaos_label = f"{method} {url.lstrip('/').partition('/')[0].partition('?')[0]}"
        if method != "GET":
            points.begin(HTTP, self.chaos_label)
        plain_put(self, method, url, *args, **kwargs)

    def getresponse(self: Any) -> Any:
        answer = plain_answer(self)
        if not self.chaos_label.startswith("GET") and points.done(HTTP, self.chaos_label):
            points.die()
        return answer

    http.client.HTTPConnection.putrequest = putrequest  # type: ignore[method-assign]
    http.client.HTTPConnection.getresponse = getresponse  # type: ignore[method-assign]


def _watch_sessions(points: Points) -> None:
    plain = aiohttp.ClientSession._request

    async def _request(self: Any, method: str, url: Any, **more: Any) -> Any:
        async def made() -> Any:
            return await plain(self, method, url, **more)

        return await told(points, HTTP, f"{method} {yarl.URL(url).path}", made)

    aiohttp.ClientSession._request = _request  # type: ignore[assignment, method-assign]


def _watch_kafka(points: Points) -> None:
    """What changes something at the broker: produced batches, and positions that consumers commit."""
    from aiokafka.conn import AIOKafkaConnection

    plain = AIOKafkaConnection.send
    changing = ("ProduceRequest", "OffsetCommitRequest")

    def send(self: Any, request: Any, expect_response: bool = True) -> Any:
        name = type(request).__name__.partition("_")[0]
        if name not in changing:
            return plain(self, request, expect_response)

        async def made() -> Any:
            return await plain(self, request, expect_response)

        return told(points, KAFKA, name, made)

    AIOKafkaConnection.send = send
