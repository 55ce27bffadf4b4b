"""A server on a real socket that answers what it is told, and misbehaves as it is told; each wire builds on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import orjson


class Body(dict[str, Any]):
    """The JSON object of a request; `path` and `headers` (lower case) are those it came with."""

    path: str = ""
    headers: Mapping[str, str] = {}


Reply = Callable[[Any], "Answer"]


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


def _ready(body: Body) -> Answer:
    return Answer(body=b"{}")


@dataclass
class HttpDouble:
    """Answers the scripted replies in turn, and `otherwise` when they are used up; remembers what it was asked."""

    base_url: str = ""
    otherwise: Reply = _ready
    script: deque[Reply] = field(default_factory=deque)
    requests: list[Any] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    left_early: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    pieces_sent: int = 0

    def will(self, *replies: Reply) -> None:
        """The next replies."""
        self.script.extend(replies)

    def reply(self, body: Body) -> Answer:
        """The answer to a request."""
        self.requests.append(body)
        return (self.script.popleft() if self.script else self.otherwise)(body)


D = TypeVar("D", bound=HttpDouble)


def dripping(reply: Reply, pause_s: float) -> Reply:
    """The same, so slowly that it can be given up in the middle."""
    return lambda body: replace(reply(body), pause_s=pause_s)


def cut_off(reply: Reply, after: int) -> Reply:
    """The same, but the connection breaks after so many pieces, or halfway through an answer in one."""
    return lambda body: replace(reply(body), cut_after=after)


def slow(reply: Reply, delay_s: float) -> Reply:
    """The same after a while."""
    return lambda body: replace(reply(body), delay_s=delay_s)


def raw(body: bytes, content_type: str, status: int = 200) -> Reply:
    """Anything at all."""
    return lambda _: Answer(status, body, {"content-type": content_type})


def events(*data: bytes) -> Answer:
    """A stream of events with that data."""
    return Answer(headers={"content-type": "text/event-stream"}, pieces=tuple(b"data: " + d + b"\n\n" for d in data))


def models_reply(listed: Any, etag: str) -> Reply:
    """A list of models under an entity tag, 304 for those who have it."""

    def reply(body: Body) -> Answer:
        if etag and body.headers.get("if-none-match") == etag:
            return Answer(304)
        return Answer(body=orjson.dumps(listed), headers={"etag": etag} if etag else {})

    return reply


@asynccontextmanager
async def running(double: D, path: str = "") -> AsyncIterator[D]:
    """The double on a free port of the loopback, until the end of the block; its address ends with the path."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        double.connections += 1
        try:
            while await _Exchange(double, reader, writer).run():
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    double.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
    try:
        yield double
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@dataclass
class _Exchange(Generic[D]):
    double: D
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def run(self) -> bool:
        """One request and its answer; whether the connection is still good."""
        answer = self.double.reply(await self._request())
        if answer.delay_s and not await self._waited(answer.delay_s):
            return False
        if answer.pieces:
            return await self._stream(answer)
        own = {"content-type": "application/json", **answer.headers, "content-length": str(len(answer.body))}
        body = answer.body if answer.cut_after is None else answer.body[: len(answer.body) // 2]
        self._head(answer.status, own)
        self.writer.write(body)
        await self.writer.drain()
        return answer.cut_after is None

    async def _request(self) -> Body:
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        sent = await self.reader.readexactly(int(headers.get("content-length", "0")))
        body = Body(orjson.loads(sent or b"{}"))
        body.path, body.headers = first.split(" ")[1], headers
        self.double.authorizations.append(headers.get("authorization", ""))
        return body

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode())

    async def _stream(self, answer: Answer) -> bool:
        self._head(answer.status, {**answer.headers, "transfer-encoding": "chunked"})
        for place, piece in enumerate(answer.pieces):
            if place == answer.cut_after:
                return False
            self.writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await self.writer.drain()
            self.double.pieces_sent += 1
            if answer.pause_s and not await self._waited(answer.pause_s):
                return False
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()
        return True

    async def _waited(self, delay_s: float) -> bool:
        """Whether the client was still there after the delay."""
        gone = asyncio.ensure_future(self.reader.read(1))
        done, _ = await asyncio.wait([gone], timeout=delay_s)
        if done:
            self.double.left_early.set()
            return False
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        return True
