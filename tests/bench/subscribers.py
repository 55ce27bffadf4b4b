"""Many subscribers in one light process: they look for the marks `t0=…;` in what comes, and note when each came.

Run as a program by the stream benchmark; reads one line of JSON for each command and answers with one.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from array import array
from typing import Any

import uvloop

_AT_ONCE = 16
_LONGEST_S = 30


class Subscriber(asyncio.Protocol):
    """One connection; the marks and the times at which they came are shared by all of its group."""

    def __init__(self, request: bytes, status: bytes, marks: array[float], times: array[float]) -> None:
        self._request = request
        self._status = status
        self._marks = marks
        self._times = times
        self._rest = b""
        self.open = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(RuntimeError("the stream was not opened"))

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self.open.done():
            if data.split(b" ", 2)[1] == self._status:
                self.open.set_result(None)
            else:
                self.open.set_exception(RuntimeError(data.decode()))
        data = self._rest + data
        at = data.find(b"t0=")
        while at >= 0:
            end = data.find(b";", at)
            if end < 0:
                break
            self._marks.append(float(data[at + 3 : end]))
            self._times.append(now)
            at = data.find(b"t0=", end)
        self._rest = data[at:] if at >= 0 else data[-2:]  # a mark may be cut in two


class Groups:
    """Subscribers by the name of their group."""

    def __init__(self) -> None:
        self._came: dict[str, tuple[array[float], array[float]]] = {}
        self._open: dict[str, list[Subscriber]] = {}

    async def subscribe(self, group: str, port: int, path: str, token: str, count: int, websocket: bool) -> int:
        """Open `count` streams; returns when all are open."""
        marks, times = self._came.setdefault(group, (array("d"), array("d")))
        request, status = _request(path, token, websocket), b"101" if websocket else b"200"
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one() -> Subscriber:
            async with slots:
                loop = asyncio.get_running_loop()
                _, subscriber = await loop.create_connection(
                    lambda: Subscriber(request, status, marks, times), "127.0.0.1", port
                )
                await subscriber.open
                return subscriber

        async with asyncio.timeout(_LONGEST_S):
            self._open[group] = list(await asyncio.gather(*(one() for _ in range(count))))
        return count

    async def take(self, group: str, count: int, begins: dict[str, float]) -> dict[str, float]:
        """How many events came since the last time, once there are `count`, and their ages at p50 and p99 in ms.

        An event's age counts from its mark, or from what `begins` has for it.
        """
        (marks, times), until = self._came[group], time.time() + _LONGEST_S
        while len(marks) < count and time.time() < until:
            await asyncio.sleep(0.05)
        began = {float(mark): at for mark, at in begins.items()}
        found = sorted(came - began.get(mark, mark) for mark, came in zip(marks, times, strict=True))
        del marks[:], times[:]
        p50, p99 = (1000 * found[int(len(found) * share)] for share in (0.5, 0.99))
        return {"count": len(found), "p50": p50, "p99": p99}


def _request(path: str, token: str, websocket: bool) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
    if websocket:
        key = base64.b64encode(os.urandom(16)).decode()
        head += (
            f"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n"
        )
    return f"{head}\r\n".encode()


async def _serve() -> None:
    groups = Groups()
    commands = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        verb, arguments = json.loads(line)
        print(json.dumps(await getattr(groups, verb)(**arguments)), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve())
