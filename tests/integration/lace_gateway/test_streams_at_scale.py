"""Many subscribers over real sockets: readers of every kind and speed, two replicas, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from lace_gateway.api.application import create_application, guarded
from lace_gateway.api.server import HttpServer
from lace_platform.blobs.folder import FolderBlobStore
from lace_platform.blobs.signing import UrlSigner
from tests.doubles.gateway_backend import surroundings_of
from tests.doubles.stream_connection import StreamConnection

_WRITTEN_BY_STREAMS = ("stream-writer", "feed-")


@contextlib.asynccontextmanager
async def replica(backend: Any, folder: Path, **changes: Any) -> AsyncIterator[tuple[int, Any]]:
    """One more gateway in front of the same services: its port, and its feeds."""
    surroundings = surroundings_of(backend, FolderBlobStore(folder, UrlSigner("secret")), **changes)
    server = HttpServer(guarded(create_application(surroundings), surroundings), before_stop=surroundings.feeds.drain)
    try:
        yield await server.start("127.0.0.1", 0), surroundings.feeds
    finally:
        await server.stop()


def _port(gateway: Any) -> int:
    return int(gateway.url.rpartition(":")[2])


def _left_behind() -> list[str]:
    return [name for task in asyncio.all_tasks() if (name := task.get_name()).startswith(_WRITTEN_BY_STREAMS)]


async def _until(condition: Any, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def _by_server_sent_events(ports: list[int], run_id: str, chance: random.Random) -> list[str]:
    """Reads to the end, leaving now and then and resuming at any replica."""
    found: list[str] = []
    while True:
        connection = await StreamConnection.open(chance.choice(ports), run_id, found[-1] if found else "")
        hop = chance.choice([None, chance.randint(1, 60)])
        found += await connection.event_ids(hop)
        connection.writer.transport.abort()
        if hop is None:
            return found


async def _by_websocket(ports: list[int], run_id: str, chance: random.Random) -> list[str]:
    address = f"ws://127.0.0.1:{chance.choice(ports)}/v1/runs/{run_id}/stream"
    async with connect(address, additional_headers={"authorization": "Bearer lace_good"}, proxy=None) as websocket:
        return [json.loads(text)["id"] async for text in websocket]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_every_subscriber_on_any_replica_sees_every_event_once(
    open_gateway: Any, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    gateway = await open_gateway(window_frames=chance.choice([8, 512]))
    runs = gateway.backend.runs
    runs.emit("run_1", 5)
    async with replica(gateway.backend, tmp_path / "other", window_frames=16) as (port, feeds):
        ports = [_port(gateway), port]
        readers: list[asyncio.Task[list[str]]] = []
        async with asyncio.timeout(30):
            for number in range(30):
                read = _by_websocket if number % 3 == 0 else _by_server_sent_events
                readers.append(asyncio.create_task(read(ports, "run_1", random.Random(seed * 100 + number))))
                runs.emit("run_1", chance.randint(0, 40))
                await asyncio.sleep(chance.choice([0, 0.005]))
            runs.emit("run_1", last=True)
            expected = [event.event_id for event in runs.events["run_1"]]
            for reader in readers:
                assert await reader == expected
        await _until(lambda: feeds.count() == 0 == gateway.surroundings.feeds.count() and not _left_behind())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel keeps no time for writes")
async def test_a_client_that_never_reads_harms_nobody_and_is_dropped(open_gateway: Any) -> None:
    gateway = await open_gateway(stalled_after_s=1)
    runs = gateway.backend.runs
    runs.emit("run_1")
    stuck = await StreamConnection.open(_port(gateway), "run_1", buffer=4096)
    assert len(await stuck.event_ids(1)) == 1
    other = await StreamConnection.open(_port(gateway), "run_1")
    reading = asyncio.create_task(other.event_ids())
    for _ in range(150):
        runs.emit("run_1", 100)
        await asyncio.sleep(0)
    await _until(lambda: len(_left_behind()) == 3)
    # Its own events are far more than the sockets hold; the run goes on, so only the kernel's patience ends it.
    await _until(lambda: len(_left_behind()) == 2, 8)
    runs.emit("run_1", last=True)
    assert len(await reading) == len(runs.events["run_1"])
    await _until(lambda: gateway.surroundings.feeds.count() == 0 and not _left_behind())
    for connection in (stuck, other):
        connection.writer.close()
        with contextlib.suppress(ConnectionError):
            await connection.writer.wait_closed()


async def test_disconnects_leave_nothing_behind(gateway: Any) -> None:
    runs, port = gateway.backend.runs, _port(gateway)
    runs.emit("run_20", 3)
    connections = [await StreamConnection.open(port, "run_20") for _ in range(20)]
    async with contextlib.AsyncExitStack() as stack:
        address = f"ws://127.0.0.1:{port}/v1/runs/run_20/stream"
        websockets = [
            await stack.enter_async_context(connect(address, additional_headers=gateway.headers, proxy=None))
            for _ in range(10)
        ]
        await _until(lambda: len(_left_behind()) == 31)
        assert runs.watches == gateway.surroundings.feeds.count() == 1
        for number, connection in enumerate(connections):
            connection.writer.transport.abort() if number % 2 else connection.writer.close()
        for websocket in websockets:
            websocket.transport.abort()
        await _until(lambda: gateway.surroundings.feeds.count() == 0 and not _left_behind())


async def test_stopping_ends_many_streams_at_once(open_gateway: Any, long_grace: None) -> None:
    gateway = await open_gateway()
    gateway.backend.runs.emit("run_1")
    connections = await asyncio.gather(*(StreamConnection.open(_port(gateway), "run_1") for _ in range(200)))
    readers = [asyncio.create_task(connection.event_ids()) for connection in connections]
    await _until(lambda: len(_left_behind()) == 201)
    async with asyncio.timeout(30):
        await gateway.server.stop()
        assert await asyncio.gather(*readers) == [["evt_run_1_1"]] * 200
    for connection in connections:
        connection.writer.close()
    assert not _left_behind()
