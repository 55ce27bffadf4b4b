"""With which code a WebSocket of events is closed, as docs/api.md says it."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import connect


async def _open(gateway: Any, token: str = "lace_good") -> Any:
    """A socket that has had the one event there is."""
    gateway.backend.runs.emit("run_1")
    address = f"{gateway.url.replace('http', 'ws')}/v1/runs/run_1/stream"
    socket = await connect(address, additional_headers={"authorization": f"Bearer {token}"}, proxy=None)
    assert json.loads(await socket.recv())["data"]["sequence"] == 1
    return socket


async def _closed(socket: Any) -> tuple[int, str]:
    async with asyncio.timeout(30):
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def test_1000_behind_the_last_event(open_gateway: Any) -> None:
    gateway = await open_gateway()
    socket = await _open(gateway)
    gateway.backend.runs.emit("run_1", last=True)
    assert json.loads(await socket.recv())["event"] == "pipeline.run.completed"
    assert await _closed(socket) == (1000, "end of stream")


async def test_1008_where_the_token_was_revoked(open_gateway: Any) -> None:
    gateway = await open_gateway()
    gateway.backend.auth.add("lace_other")
    socket = await _open(gateway, "lace_other")
    gateway.backend.auth.revoke("lace_other")
    gateway.backend.runs.emit("run_1")
    assert await _closed(socket) == (1008, "TOKEN_REVOKED")


@pytest.mark.parametrize("later_s", [0, 0.5], ids=["at once", "after the server has begun to close"])
async def test_1012_where_the_server_stops(open_gateway: Any, monkeypatch: pytest.MonkeyPatch, later_s: float) -> None:
    gateway = await open_gateway()
    socket = await _open(gateway)
    end_streams = gateway.server._before_stop
    monkeypatch.setattr(
        gateway.server, "_before_stop", partial(asyncio.get_running_loop().call_later, later_s, end_streams)
    )
    async with asyncio.timeout(30):
        await gateway.server.stop()
    assert await _closed(socket) == (1012, "SERVICE_UNAVAILABLE")
