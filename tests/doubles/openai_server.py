"""A server on a real socket that speaks OpenAI's chat completions, and misbehaves as it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

Body = dict[str, Any]
Reply = Callable[[Body], "Answer"]


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire; `delay_s` passes before it does.

    With `pieces` it goes in these, `pause_s` apart, and breaks off after `cut_after` of them where that is not None.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    pieces: tuple[bytes, ...] = ()
    pause_s: float = 0.0
    cut_after: int | None = None


@dataclass
class OpenAIDouble:
    """Answers the scripted replies in turn, and `otherwise` when they are used up; remembers what it was asked."""

    base_url: str = ""
    otherwise: Reply = field(default_factory=lambda: text("ready"))
    script: deque[Reply] = field(default_factory=deque)
    requests: list[Body] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    left_early: asyncio.Event = field(default_factory=asyncio.Event)
    pieces_sent: int = 0

    def will(self, *replies: Reply) -> None:
        """The next replies."""
        self.script.extend(replies)

    def reply(self, body: Body) -> Answer:
        """The answer to a request."""
        self.requests.append(body)
        return (self.script.popleft() if self.script else self.otherwise)(body)


def text(content: str, **more: Any) -> Reply:
    """A completion of that content, in pieces where the request asks for a stream.

    `finish_reason`, `model`, `refusal`, `usage` and `system_fingerprint` by name.
    """

    def reply(body: Body) -> Answer:
        message = {"role": "assistant", "content": content, "refusal": more.get("refusal")}
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": more.get("model", body["model"] + "-2026-01-01"),
            "system_fingerprint": more.get("system_fingerprint", "fp_1"),
            "choices": [{"index": 0, "message": message, "finish_reason": more.get("finish_reason", "stop")}],
            "usage": more.get("usage", {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}),
        }
        if body.get("stream"):
            return Answer(headers={"content-type": "text/event-stream"}, pieces=tuple(_pieces(completion, body)))
        return Answer(body=orjson.dumps(completion))

    return reply


def _pieces(completion: Body, body: Body) -> Iterator[bytes]:
    [choice] = completion["choices"]
    shared = {**completion, "object": "chat.completion.chunk", "usage": None}
    content = choice["message"]["content"]
    step = max(1, len(content) // 20)
    said: list[Body] = [{"role": "assistant", "content": "", "refusal": choice["message"]["refusal"]}]
    said += [{"content": content[at : at + step]} for at in range(0, len(content), step)]
    for delta in said:
        yield _sent({**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _sent({**shared, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if body.get("stream_options", {}).get("include_usage"):
        yield _sent({**shared, "choices": [], "usage": completion["usage"]})
    yield b"data: [DONE]\n\n"


def _sent(piece: Body) -> bytes:
    return b"data: " + orjson.dumps(piece) + b"\n\n"


def whole(content: str) -> Reply:
    """A completion in one, whatever the request asks for: a server that does not stream."""
    return lambda body: text(content)({**body, "stream": False})


def dripping(reply: Reply, pause_s: float) -> Reply:
    """The same, so slowly that it can be given up in the middle."""
    return lambda body: replace(reply(body), pause_s=pause_s)


def cut_off(reply: Reply, after: int) -> Reply:
    """The same, but the connection breaks after so many pieces."""
    return lambda body: replace(reply(body), cut_after=after)


def without_usage(reply: Reply) -> Reply:
    """A server that does not know how to tell the tokens of a stream, as older ones."""

    def choosy(body: Body) -> Answer:
        if "stream_options" in body:
            return error(400, "Unrecognized request argument supplied: stream_options")(body)
        return reply(body)

    return choosy


def json_answer(value: Any, **more: Any) -> Reply:
    """A completion whose content is JSON."""
    return text(orjson.dumps(value).decode(), **more)


def error(status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> Reply:
    """An error in OpenAI's form."""
    body = orjson.dumps({"error": {"message": message, "type": "error", "code": code or None, "param": None}})
    return lambda _: Answer(status, body, headers or {})


def raw(body: bytes, content_type: str) -> Reply:
    """200 with anything at all."""
    return lambda _: Answer(body=body, headers={"content-type": content_type})


def slow(reply: Reply, delay_s: float) -> Reply:
    """The same after a while."""

    return lambda body: replace(reply(body), delay_s=delay_s)


def without_formats(reply: Reply, *refused: str) -> Reply:
    """A server that refuses some kinds of response_format, as older ones do."""

    def choosy(body: Body) -> Answer:
        kind = body.get("response_format", {}).get("type", "")
        if kind in refused:
            return error(400, f"Invalid parameter: response_format of type {kind} is not supported.")(body)
        return reply(body)

    return choosy


@asynccontextmanager
async def serving() -> AsyncIterator[OpenAIDouble]:
    """The double on a free port of the loopback, until the end of the block."""
    double = OpenAIDouble()
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            while await _exchange(double, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    double.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield double
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


async def _exchange(double: OpenAIDouble, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = orjson.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
    double.authorizations.append(headers.get("authorization", ""))
    answer = double.reply(body)
    if answer.delay_s and not await _waited(double, reader, answer.delay_s):
        return False
    if answer.pieces:
        return await _stream(double, answer, reader, writer)
    own = {"content-type": "application/json", **answer.headers, "content-length": str(len(answer.body))}
    writer.write(f"HTTP/1.1 {answer.status} X\r\n".encode())
    writer.write("".join(f"{name}: {value}\r\n" for name, value in own.items()).encode() + b"\r\n" + answer.body)
    await writer.drain()
    return True


async def _stream(
    double: OpenAIDouble, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Whether the connection is still good after the pieces."""
    head = {**answer.headers, "transfer-encoding": "chunked"}
    writer.write(b"HTTP/1.1 200 X\r\n" + "".join(f"{n}: {v}\r\n" for n, v in head.items()).encode() + b"\r\n")
    for place, piece in enumerate(answer.pieces):
        if place == answer.cut_after:
            return False
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await writer.drain()
        double.pieces_sent += 1
        if answer.pause_s and not await _waited(double, reader, answer.pause_s):
            return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def _waited(double: OpenAIDouble, reader: asyncio.StreamReader, delay_s: float) -> bool:
    """Whether the client was still there after the delay."""
    gone = asyncio.ensure_future(reader.read(1))
    done, _ = await asyncio.wait([gone], timeout=delay_s)
    if done:
        double.left_early.set()
        return False
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    return True
