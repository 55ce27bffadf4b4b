"""Streams over real sockets: every event once and in order, whatever happens to readers, upstream or server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog
import websockets
from websockets.asyncio.client import connect

from lace_core.errors import LaceError, Reason
from lace_core.settings import resolve
from lace_gateway.domain.settings import GatewaySettings

SETTINGS = GatewaySettings.of(resolve([]).values)


class Stream:
    """An open stream, read frame by frame."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def frame(self) -> dict[str, str] | None:
        """The next frame by field name (a comment under an empty one); None at the end."""
        found: dict[str, str] = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                if not line:
                    return found
                name, _, value = line.partition(":")
                found[name] = value.strip()
        return None

    async def sequences(self, count: int | None = None) -> list[int]:
        """Sequence numbers of the next `count` events, or of all to the end."""
        found: list[int] = []
        while count is None or len(found) < count:
            frame = await self.frame()
            if frame is None:
                return found
            if "data" in frame:
                found.append(json.loads(frame["data"])["sequence"])
        return found


@asynccontextmanager
async def stream(gateway: Any, run_id: str, token: str = "lace_good", **more: Any) -> AsyncIterator[Stream]:
    """A reader of its own connection."""
    headers = {"authorization": f"Bearer {token}", **more.pop("headers", {})}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=10, trust_env=False) as http:
        async with http.stream("GET", f"/v1/runs/{run_id}/stream", **more) as response:
            yield Stream(response)


async def test_frames_headers_and_the_end(gateway: Any) -> None:
    gateway.backend.runs.emit("run_1", 3)
    async with stream(gateway, "run_1") as reader:
        assert reader.response.status_code == 200
        assert reader.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.response.headers["cache-control"] == "no-store"
        assert reader.response.headers["x-accel-buffering"] == "no"
        assert await reader.frame() == {"": "open", "retry": "1000"}
        first = await reader.frame()
        assert first is not None
        assert (first["id"], first["event"]) == ("evt_run_1_1", "pipeline.step.completed")
        event = json.loads(first["data"])
        assert (event["event_id"], event["sequence"], event["run_id"]) == ("evt_run_1_1", 1, "run_1")
        assert await reader.sequences(2) == [2, 3]
        gateway.backend.runs.emit("run_1", 2, last=True)
        assert await reader.sequences() == [4, 5]


async def test_resuming_by_header_or_query(gateway: Any) -> None:
    gateway.backend.runs.emit("run_2", 6, last=True)
    async with stream(gateway, "run_2", headers={"Last-Event-ID": "evt_run_2_4"}) as reader:
        assert await reader.sequences() == [5, 6]
    async with stream(gateway, "run_2", params={"after_event_id": "evt_run_2_5"}) as reader:
        assert await reader.sequences() == [6]
    both: dict[str, Any] = {"headers": {"Last-Event-ID": "evt_run_2_5"}, "params": {"after_event_id": "evt_run_2_1"}}
    async with stream(gateway, "run_2", **both) as reader:
        assert await reader.sequences() == [6]


async def test_204_where_all_was_seen(gateway: Any) -> None:
    gateway.backend.runs.emit("run_3", 2, last=True)
    async with stream(gateway, "run_3", headers={"Last-Event-ID": "evt_run_3_2"}) as reader:
        assert reader.response.status_code == 204


@pytest.mark.parametrize(
    ("run_id", "cursor", "status", "code"),
    [
        ("run_none", "", 404, "RUN_NOT_FOUND"),
        ("run_4", "evt_other_1", 400, "EVENT_CURSOR_INVALID"),
        ("run_4", "x" * 100, 400, "EVENT_CURSOR_INVALID"),
    ],
)
async def test_errors_before_the_stream_are_problems(
    gateway: Any, run_id: str, cursor: str, status: int, code: str
) -> None:
    gateway.backend.runs.emit("run_4")
    async with stream(gateway, run_id, params={"after_event_id": cursor}) as reader:
        body = json.loads(await reader.response.aread())
        assert (reader.response.status_code, body["error_code"]) == (status, code)
        assert reader.response.headers["content-type"] == "application/problem+json"


async def test_heartbeats(open_gateway: Any) -> None:
    gateway = await open_gateway(settings=lambda: replace(SETTINGS, heartbeat_s=0.05))
    gateway.backend.runs.emit("run_1")
    async with stream(gateway, "run_1") as reader:
        await reader.sequences(1)
        assert [await reader.frame(), await reader.frame()] == [{"": "heartbeat"}] * 2
        gateway.backend.runs.emit("run_1", last=True)
        assert await reader.sequences() == [2]


async def test_many_readers_share_one_upstream_watch_each_at_its_place(gateway: Any) -> None:
    gateway.backend.runs.emit("run_5", 10)
    cursors = ["", "evt_run_5_3", "evt_run_5_10"]

    async def read(cursor: str) -> list[int]:
        async with stream(gateway, "run_5", params={"after_event_id": cursor}) as reader:
            return await reader.sequences()

    readers = [asyncio.create_task(read(cursors[number % 3])) for number in range(30)]
    while gateway.surroundings.feeds.count() != 1:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    gateway.backend.runs.emit("run_5", 40)
    gateway.backend.runs.emit("run_5", 3, last=True)
    read_by = await asyncio.gather(*readers)
    for number, sequences in enumerate(read_by):
        assert sequences == list(range([1, 4, 11][number % 3], 54))
    assert gateway.backend.runs.watches == 1


@pytest.mark.slow
async def test_a_slow_reader_reads_the_table_and_misses_nothing(open_gateway: Any) -> None:
    """Its connection is stuffed until the server waits for it; meanwhile the window moves on."""
    gateway = await open_gateway(window_frames=16)
    runs = gateway.backend.runs
    runs.emit("run_1", 1)
    port = int(gateway.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    writer.write(
        b"GET /v1/runs/run_1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer lace_good\r\nConnection: close\r\n\r\n"
    )
    await reader.readuntil(b"data: ")
    async with stream(gateway, "run_1") as other:
        for _ in range(200):
            runs.emit("run_1", 100)
            await asyncio.sleep(0)
        runs.emit("run_1", last=True)
        assert await other.sequences() == list(range(1, 20_003))
    replays_before = runs.replays
    rest = await reader.read(-1)
    writer.close()
    sequences = [int(part.split(b",")[0]) for part in rest.split(b'"sequence":')[1:]]
    assert sequences == list(range(sequences[0], 20_003))
    assert sequences[0] in (1, 2)
    assert runs.replays > replays_before


async def test_an_upstream_that_breaks_is_opened_again(gateway: Any) -> None:
    runs = gateway.backend.runs
    runs.emit("run_6", 2)
    runs.fail_watches = [LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True)] * 2
    async with stream(gateway, "run_6") as reader:
        assert await reader.sequences(2) == [1, 2]
        runs.emit("run_6", 2, last=True)
        assert await reader.sequences() == [3, 4]
    assert runs.watches == 3


async def test_a_reader_that_leaves_closes_the_upstream(gateway: Any) -> None:
    gateway.backend.runs.emit("run_7")
    async with stream(gateway, "run_7") as reader:
        await reader.sequences(1)
        assert gateway.surroundings.feeds.count() == 1
    async with asyncio.timeout(30):
        while gateway.surroundings.feeds.count():
            await asyncio.sleep(0.01)


async def test_a_stream_ends_when_its_token_is_revoked(open_gateway: Any) -> None:
    gateway = await open_gateway()
    gateway.backend.auth.add("lace_other")
    gateway.backend.runs.emit("run_1")
    async with stream(gateway, "run_1", "lace_other") as revoked, stream(gateway, "run_1") as good:
        assert await revoked.sequences(1) == await good.sequences(1) == [1]
        gateway.backend.auth.revoke("lace_other")
        gateway.backend.runs.emit("run_1", last=True)
        assert await revoked.sequences() == []
        assert await good.sequences() == [2]


async def test_stopping_ends_streams_which_resume_elsewhere(open_gateway: Any, long_grace: None) -> None:
    gateway = await open_gateway()
    gateway.backend.runs.emit("run_1", 2)
    async with stream(gateway, "run_1") as reader:
        assert await reader.sequences(2) == [1, 2]
        async with asyncio.timeout(30):
            await gateway.server.stop()
        assert await reader.sequences() == []


async def test_browsers_may_give_the_token_in_the_query_which_is_not_kept(gateway: Any, capsys: Any) -> None:
    gateway.backend.runs.emit("run_8", last=True)
    with structlog.testing.capture_logs() as lines:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as http:
            response = await http.get("/v1/runs/run_8/stream?after_event_id=&access_token=lace_good")
    assert "evt_run_8_1" in response.text
    assert any(line.get("route") == "/v1/runs/{run_id}/stream" for line in lines)
    printed = capsys.readouterr()
    assert "lace_good" not in f"{lines}{printed.out}{printed.err}"


def _address(gateway: Any, run_id: str, query: str = "") -> str:
    return f"{gateway.url.replace('http', 'ws')}/v1/runs/{run_id}/stream{query}"


async def test_the_same_frames_over_a_websocket(gateway: Any) -> None:
    gateway.backend.runs.emit("run_9", 2)
    async with connect(_address(gateway, "run_9"), additional_headers=gateway.headers, proxy=None) as socket:
        first = json.loads(await socket.recv())
        assert (first["id"], first["event"]) == ("evt_run_9_1", "pipeline.step.completed")
        assert first["data"]["sequence"] == 1
        await socket.send("what a client says is of no interest")
        gateway.backend.runs.emit("run_9", last=True)
        assert [json.loads(text)["data"]["sequence"] async for text in socket] == [2, 3]
        assert socket.close_code == 1000


async def test_a_websocket_resumes_and_has_heartbeats(open_gateway: Any, long_grace: None) -> None:
    gateway = await open_gateway(settings=lambda: replace(SETTINGS, heartbeat_s=0.05))
    gateway.backend.runs.emit("run_1", 2)
    address = _address(gateway, "run_1", "?after_event_id=evt_run_1_1")
    async with connect(address, additional_headers=gateway.headers, proxy=None) as socket:
        assert json.loads(await socket.recv())["data"]["sequence"] == 2
        assert json.loads(await socket.recv()) == {"event": "heartbeat"}
        async with asyncio.timeout(30):
            await gateway.server.stop()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


async def test_a_websocket_by_subprotocol_or_query(gateway: Any) -> None:
    gateway.backend.runs.emit("run_10", last=True)
    subprotocols: Any = ["lace.events.v1", "bearer.lace_good"]
    async with connect(_address(gateway, "run_10"), subprotocols=subprotocols, proxy=None) as socket:
        assert socket.subprotocol == "lace.events.v1"
        assert len([text async for text in socket]) == 1
    async with connect(_address(gateway, "run_10", "?access_token=lace_good"), proxy=None) as socket:
        assert len([text async for text in socket]) == 1


async def test_a_websocket_where_all_was_seen_closes_at_once(gateway: Any) -> None:
    gateway.backend.runs.emit("run_11", last=True)
    address = _address(gateway, "run_11", "?after_event_id=evt_run_11_1")
    async with connect(address, additional_headers=gateway.headers, proxy=None) as socket:
        assert [text async for text in socket] == []
        assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("run_id", "headers", "origin", "status", "code"),
    [
        ("run_12", {}, None, 401, "TOKEN_MISSING"),
        ("run_12", {"authorization": "Bearer lace_wrong"}, None, 401, "TOKEN_INVALID"),
        ("run_none", {"authorization": "Bearer lace_good"}, None, 404, "RUN_NOT_FOUND"),
        ("run_12", {"authorization": "Bearer lace_good"}, "https://evil.example.com", 403, "PERMISSION_DENIED"),
        ("run_12", {"authorization": "Bearer lace_good"}, "null", 403, "PERMISSION_DENIED"),
    ],
)
async def test_a_websocket_is_refused_with_the_envelope(
    gateway: Any, run_id: str, headers: dict[str, str], origin: Any, status: int, code: str
) -> None:
    gateway.backend.runs.emit("run_12")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(_address(gateway, run_id), additional_headers=headers, origin=origin, proxy=None)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"{}")["error_code"] == code


@pytest.mark.parametrize("origin", ["own", "https://app.example.org"])
async def test_pages_of_the_own_host_and_of_the_list_may_connect(gateway: Any, origin: Any) -> None:
    gateway.backend.runs.emit("run_13", last=True)
    allowed = gateway.url if origin == "own" else origin
    async with connect(
        _address(gateway, "run_13"), additional_headers=gateway.headers, origin=allowed, proxy=None
    ) as socket:
        assert len([text async for text in socket]) == 1
