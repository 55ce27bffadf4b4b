"""A model behind OpenAI's wire that costs next to nothing: every answer is a block of bytes that was made before.

Run as a program; it prints its port. A request that asks for a stream gets as many pieces as `STREAMED` says, the first
at once and the others `PAUSE_S` apart; every other request gets its answer whole.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import uvloop

MODEL = "gpt-4o"
STREAMED = 40
PAUSE_S = 0.005
ANSWER = {"summary": "The old trunk main was replaced between 2024 and 2025.", "words": ["main", "trunk", "replaced"]}

_COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "system_fingerprint": "fp_1",
    "usage": {"prompt_tokens": 180, "completion_tokens": 40, "total_tokens": 220},
}
_HEAD_END = b"\r\n\r\n"


def _whole() -> bytes:
    message = {"role": "assistant", "content": orjson.dumps(ANSWER).decode(), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = orjson.dumps({**_COMPLETION, "choices": [choice]})
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def _event(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {**_COMPLETION, "object": "chat.completion.chunk", "usage": None, "choices": [choice]}
    return _chunk(b"data: " + orjson.dumps(chunk) + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


_WHOLE = _whole()
_BEGIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + _event(
    {"role": "assistant", "content": ""}
)
_PIECE = _event({"content": "word "})
_USAGE = {**_COMPLETION, "object": "chat.completion.chunk", "choices": []}
_END = (
    _event({}, "stop") + _chunk(b"data: " + orjson.dumps(_USAGE) + b"\n\n") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
)


class Double(asyncio.Protocol):
    """One connection; requests on it follow one another."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._streaming: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody connected."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; it is answered when it is whole."""
        self._received += data
        head, found, body = self._received.partition(_HEAD_END)
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(body) < length:
            return
        self._received = body[length:]
        assert self._transport is not None
        if b'"stream":true' in body or b'"stream": true' in body:
            self._streaming = asyncio.create_task(self._stream(self._transport))
        else:
            self._transport.write(_WHOLE)

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone."""
        if self._streaming is not None:
            self._streaming.cancel()

    async def _stream(self, transport: asyncio.Transport) -> None:
        transport.write(_BEGIN + _PIECE)
        for _ in range(STREAMED - 1):
            await asyncio.sleep(PAUSE_S)
            transport.write(_PIECE)
        transport.write(_END)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Double, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
