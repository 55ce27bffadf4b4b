"""The least that can send events to many: a raw ASGI application with a queue for each subscriber.

Run as a program by the stream benchmark, on the server that the gateway uses. It prints its port, and for each line
`PATH COUNT RATE TEXT` that it reads sends COUNT events of that text to who asked for the path, RATE a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import uvloop

from lace_gateway.api.server import HttpServer


class RawSender:
    """Every subscriber of a path gets every event."""

    def __init__(self) -> None:
        self._queues: dict[str, set[asyncio.Queue[bytes]]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One subscriber, until it is gone."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues = self._queues.setdefault(scope["path"], set())
        queues.add(queue)
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sending = asyncio.create_task(_send(queue, send))
        while (await receive())["type"] != "http.disconnect":
            pass
        sending.cancel()
        queues.discard(queue)

    async def emit(self, path: str, count: int, rate: float, text: str) -> None:
        """Each event tells when it began, as `t0=…;`."""
        for number in range(count):
            began = time.time()
            frame = f"id: evt_{number}\nevent: pipeline.step.completed\ndata: t0={began:.6f};{text}\n\n".encode()
            for queue in self._queues[path]:
                queue.put_nowait(frame)
            await asyncio.sleep(began + 1 / rate - time.time())


async def _send(queue: asyncio.Queue[bytes], send: Any) -> None:
    await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
    while True:
        await send({"type": "http.response.body", "body": await queue.get(), "more_body": True})


async def _serve() -> None:
    app = RawSender()
    server = HttpServer(app, before_stop=lambda: None)
    print(await server.start("127.0.0.1", 0), flush=True)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode():
        path, count, rate, text = line.rstrip("\n").split(" ", 3)
        await app.emit(path, int(count), float(rate), text)
        print("done", flush=True)


if __name__ == "__main__":
    uvloop.run(_serve())
