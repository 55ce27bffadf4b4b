"""What the gateway adds to a call: reading a run by REST beside reading it by gRPC from the service itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from statistics import median

import uvloop

from tests.bench.caller import Caller, calling
from tests.bench.figures import Figure
from tests.bench.processes import scratch
from tests.bench.server import Places, running

_TURNS = 6
_CALLS = 96
_CONCURRENT = (1, 16)

Call = Callable[[], Awaitable[object]]


def measure(rounds: int) -> list[Figure]:
    """REST, gRPC, REST, gRPC … for the same run under the same identity, one at a time and sixteen at a time."""
    with scratch() as folder, running(folder, LACE_RUNS_BENCH_PIPELINES="true") as places:
        return uvloop.run(_measure(places, rounds))


async def _measure(places: Places, rounds: int) -> list[Figure]:
    figures = []
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(calling(places))
        run_id = await caller.run_to_end("noop10")
        most = max(_CONCURRENT)
        connections = [await KeptAlive.open(places, f"/v1/runs/{run_id}") for _ in range(most)]
        for connection in connections:
            stack.push_async_callback(connection.close)
        rest: list[Call] = [connection.get for connection in connections]
        direct = [_direct(caller, run_id)] * most
        for width in _CONCURRENT:
            figures += await _compare(rest[:width], direct[:width], rounds)
    return figures


def _direct(caller: Caller, run_id: str) -> Call:
    return lambda: caller.get_run(run_id)


async def _compare(rest: Sequence[Call], direct: Sequence[Call], rounds: int) -> list[Figure]:
    await _round(rest, direct)  # to warm both up
    pairs = [await _round(rest, direct) for _ in range(rounds)]
    width = f"{len(rest)} at a time" if len(rest) > 1 else "one at a time"
    return [
        Figure(f"GET /v1/runs/{{id}} by REST, p50, {width}", "ms", [a for a, _ in pairs]),
        Figure(f"GetRun by gRPC, p50, {width}", "ms", [b for _, b in pairs]),
        Figure(f"REST ÷ gRPC, {width}", "", [a / b for a, b in pairs]),
    ]


async def _round(rest: Sequence[Call], direct: Sequence[Call]) -> tuple[float, float]:
    """p50 of both in ms, taken in short turns: what else the machine does then falls on both alike."""
    by_rest: list[float] = []
    by_grpc: list[float] = []
    for _ in range(_TURNS):
        by_rest += await _seconds(rest)
        by_grpc += await _seconds(direct)
    return 1000 * median(by_rest), 1000 * median(by_grpc)


async def _seconds(callers: Sequence[Call]) -> list[float]:
    """The time of each call of one turn, made by all callers at once."""
    times: list[float] = []

    async def repeat(call: Call) -> None:
        for _ in range(_CALLS // len(callers)):
            began = time.perf_counter()
            await call()
            times.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for call in callers:
            group.create_task(repeat(call))
    return times


class KeptAlive:
    """One HTTP/1.1 connection for one GET over and over, with as little of a client as there can be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._token = token
        self._request = self._get(path)

    @classmethod
    async def open(cls, places: Places, path: str) -> KeptAlive:
        """A connection to the gateway."""
        reader, writer = await asyncio.open_connection("127.0.0.1", places.gateway_port)
        return cls(reader, writer, path, places.token)

    async def get(self, path: str = "") -> bytes:
        """One request, for the connection's path or for another, and the answer; RuntimeError where it is not 200."""
        self._writer.write(self._get(path) if path else self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(head.decode())
        length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        return await self._reader.readexactly(int(length))

    def _get(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self._token}\r\n\r\n".encode()

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()
