"""A run that goes on while subscribers join, leave and resume: through gateway, run service and database, once each."""

from __future__ import annotations

import asyncio
import json
import random

import psycopg
from websockets.asyncio.client import connect

from lace_platform.ids import new_id
from tests.doubles.event_writer import EventWriter
from tests.doubles.stream_connection import StreamConnection
from tests.e2e.conftest import RunningInstallation

_EVENTS = 300
_SUBSCRIBERS = 24


async def _by_server_sent_events(installation: RunningInstallation, run_id: str, chance: random.Random) -> list[str]:
    """Reads to the end, breaking off now and then and resuming behind the last event."""
    port, found = int(installation.url.rpartition(":")[2]), list[str]()
    while True:
        after = found[-1] if found else ""
        connection = await StreamConnection.open(port, run_id, after, token=installation.token)
        stop_after = chance.choice([None, chance.randint(1, 80)])
        found += await connection.event_ids(stop_after)
        connection.writer.transport.abort()
        if stop_after is None:
            return found


async def _by_websocket(installation: RunningInstallation, run_id: str) -> list[str]:
    address = f"{installation.url.replace('http', 'ws')}/v1/runs/{run_id}/stream"
    headers = {"authorization": f"Bearer {installation.token}"}
    async with connect(address, additional_headers=headers, proxy=None) as websocket:
        messages = [json.loads(text) async for text in websocket]
    return [message["id"] for message in messages if message["event"] != "heartbeat"]


async def test_every_subscriber_sees_every_event_once_and_in_order(installation: RunningInstallation) -> None:
    chance, run_id = random.Random(11), new_id("run")
    async with await psycopg.AsyncConnection.connect(installation.admin_dsn, autocommit=True) as connection:
        writer = EventWriter(connection)
        await writer.insert(run_id)
        written = 0
        readers: list[asyncio.Task[list[str]]] = []
        async with asyncio.timeout(40):
            while written < _EVENTS or len(readers) < _SUBSCRIBERS:
                count = chance.randint(1, 20)
                await writer.append(run_id, count, wake=chance.random() < 0.9)
                written += count
                number = len(readers)
                if number % 3:
                    reader = _by_server_sent_events(installation, run_id, random.Random(number))
                else:
                    reader = _by_websocket(installation, run_id)
                readers.append(asyncio.create_task(reader))
            await writer.append(run_id, 1, last=True)
            expected = [f"evt_{run_id.removeprefix('run_')}_{n}" for n in range(1, written + 2)]
            for task in readers:
                assert await task == expected
