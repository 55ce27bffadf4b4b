"""Callers of a chat completion with as little of a client as there can be, over HTTP and over gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import orjson

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc
from tests.bench.llm_double import MODEL
from tests.bench.llm_hops import METHOD

PROMPT = "Say in one sentence what became of the trunk main, and give its three words.\n" + "\n".join(
    f"{number}. The old trunk main is 11.8 kilometres long and was laid in 1934." for number in range(8)
)
SCHEMA = {
    "type": "object",
    "properties": {"summary": {"type": "string"}, "words": {"type": "array", "items": {"type": "string"}}},
    "required": ["summary", "words"],
    "additionalProperties": False,
}
_FORMAT = {"type": "json_schema", "json_schema": {"name": "said", "strict": True, "schema": SCHEMA}}
_BODY = {
    "model": MODEL,
    "messages": [{"role": "user", "content": PROMPT}],
    "temperature": 0,
    "max_completion_tokens": 400,
}
_FIRST = b'"content":"word'
_DEADLINE_S = 60


@dataclass(frozen=True)
class Streamed:
    """One streamed answer: seconds to its first piece and to its end."""

    first_s: float
    whole_s: float


class Caller(Protocol):
    """One caller, whose calls follow one another."""

    async def call(self) -> None:
        """One whole answer; raises RuntimeError where it is none."""

    async def stream(self) -> Streamed:
        """One answer in pieces."""

    async def close(self) -> None:
        """Ends the connection."""


class HttpCaller(asyncio.Protocol):
    """One HTTP/1.1 connection to a port of this machine, opened by the first call and again where it was closed."""

    def __init__(self, port: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._port = port
        self._headers = headers
        self._whole = self._request({**_BODY, "response_format": _FORMAT})
        self._streamed = self._request({**_BODY, "stream": True, "stream_options": {"include_usage": True}})
        self._transport: Any = None
        self._received = b""
        self._until = b""
        self._news: asyncio.Future[None] | None = None
        self._first: float | None = None

    def connection_made(self, transport: Any) -> None:
        """Connected."""
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """The server has gone."""
        self._transport = None
        if self._news is not None and not self._news.done():
            self._news.set_exception(RuntimeError(f"the connection was lost: {error} {self._received[:500]!r}"))

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        self._received += data
        if self._first is None and _FIRST in self._received:
            self._first = time.perf_counter()
        if self._news is not None and not self._news.done() and self._is_whole():
            self._news.set_result(None)

    async def call(self) -> None:
        """See Caller.call."""
        await self._exchange(self._whole, b"")
        if b'\\"words\\"' not in self._received:
            raise RuntimeError(self._received[:1000].decode())

    async def stream(self) -> Streamed:
        """See Caller.stream."""
        began, self._first = time.perf_counter(), None
        await self._exchange(self._streamed, b"data: [DONE]")
        if self._first is None:
            raise RuntimeError(self._received[:1000].decode())
        ended = time.perf_counter()
        await asyncio.sleep(0.01)  # for the end of the body, which is nothing any more
        return Streamed(self._first - began, ended - began)

    async def close(self) -> None:
        """See Caller.close."""
        if self._transport is not None:
            self._transport.close()

    async def _exchange(self, request: bytes, until: bytes) -> None:
        if self._transport is None:
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)
        self._received, self._until = b"", until
        self._news = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(_DEADLINE_S):
            await self._news

    def _is_whole(self) -> bool:
        if self._until and self._received.startswith(b"HTTP/1.1 200"):
            return self._until in self._received
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return False
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        return len(body) >= int(length) if length else body.endswith(b"0\r\n\r\n")

    def _request(self, body: dict[str, Any]) -> bytes:
        data = orjson.dumps(body)
        own = [("host", "127.0.0.1"), ("content-type", "application/json"), ("content-length", str(len(data)))]
        lines = [f"{name}: {value}\r\n" for name, value in (*own, *self._headers)]
        return ("POST /v1/chat/completions HTTP/1.1\r\n" + "".join(lines) + "\r\n").encode() + data


class GatewayCaller:
    """Calls GenerationService by gRPC, on a channel that it shares with others as services do."""

    def __init__(self, channel: grpc.aio.Channel, identity: str) -> None:
        self._stub = llm_gateway_pb2_grpc.GenerationServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {identity}"),)
        self._schema = orjson.dumps(SCHEMA).decode()

    async def call(self) -> None:
        """See Caller.call."""
        request = self._order()
        request.output_schema_json = self._schema
        answer = await self._stub.Generate(request, metadata=self._metadata, timeout=_DEADLINE_S)
        if '"words"' not in answer.output:
            raise RuntimeError(str(answer))

    async def stream(self) -> Streamed:
        """See Caller.stream."""
        began, first = time.perf_counter(), None
        asked = wire.StreamGenerateRequest(request=self._order())
        settled = False
        async for event in self._stub.StreamGenerate(asked, metadata=self._metadata, timeout=_DEADLINE_S):
            if first is None:
                first = time.perf_counter()
            settled = event.WhichOneof("event") == "settled"
        if first is None or not settled:
            raise RuntimeError("the stream ended without an answer")
        return Streamed(first - began, time.perf_counter() - began)

    async def close(self) -> None:
        """The channel is closed by who opened it."""

    def _order(self) -> wire.GenerateRequest:
        return wire.GenerateRequest(
            messages=[wire.Message(role="user", content=PROMPT)],
            provider="openai",
            model=MODEL,
            temperature_milli=0,
            max_output_tokens=400,
        )


class EmptyRpcCaller:
    """Calls a gRPC method that does nothing, with a request and an answer of the size of real ones."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._method: Any = channel.unary_unary(METHOD)
        self._request = bytes(1200)

    async def call(self) -> None:
        """See Caller.call."""
        await self._method(self._request, timeout=_DEADLINE_S)


class EmptyRouteCaller(HttpCaller):
    """Calls an HTTP route that does nothing."""

    async def call(self) -> None:
        """See Caller.call."""
        await self._exchange(self._whole, b"")
        if not self._received.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._received[:1000].decode())
