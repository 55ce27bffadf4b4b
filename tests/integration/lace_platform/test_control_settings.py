"""Stored settings as calls go by them: told by control, taken back by it, and held while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_platform.control_settings import ControlSettings
from lace_platform.rpc import open_channel


class Control(control_pb2_grpc.SettingsServiceServicer):
    """Tells everybody the same, and counts."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"llm.provider": "openai", "runs.target_words": 900}
        self.asked: list[tuple[str, str]] = []
        self.delay_s = 0.0

    async def ReadSettings(self, request: Any, context: Any) -> control_pb2.ReadSettingsResponse:
        self.asked.append((request.tenant_id, request.principal_id))
        await asyncio.sleep(self.delay_s)
        answer = control_pb2.ReadSettingsResponse()
        answer.values.update(self.values)
        return answer


class Changes:
    woken = False

    def take(self) -> bool:
        woken, self.woken = self.woken, False
        return woken


@dataclass
class World:
    control: Control
    server: Any
    settings: ControlSettings
    changes: Changes
    now: list[float] = field(default_factory=lambda: [0.0])

    async def of(self, principal: str = "prn_1") -> Any:
        return await self.settings.of("ten_1", principal)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        control, server = Control(), grpc.aio.server()  # type: ignore[abstract]  # what is not asked is left out
        control_pb2_grpc.add_SettingsServiceServicer_to_server(control, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)
        channel = open_channel(f"127.0.0.1:{port}")
        stack.push_async_callback(channel.close)
        changes, now = Changes(), [0.0]
        yield World(
            control, server, ControlSettings(channel, changes, groups=("llm.",), clock=lambda: now[0]), changes, now
        )


async def test_what_is_stored_and_concerns_calls_is_told_to_each_and_remembered(world: World) -> None:
    assert await world.of() == await world.of() == {"llm.provider": "openai"}
    await world.of("prn_2")
    assert world.control.asked == [("ten_1", "prn_1"), ("ten_1", "prn_2")]


@pytest.mark.parametrize("how", ["woken", "later"])
async def test_a_change_holds_from_the_next_call_on(world: World, how: str) -> None:
    await world.of()
    world.control.values["llm.provider"] = "gemini"
    if how == "woken":
        world.changes.woken = True
    else:
        world.now[0] += 3.0
    assert await world.of() == {"llm.provider": "gemini"}


async def test_a_slow_control_is_waited_for_where_nothing_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lace_platform.control_settings._TIMEOUT_S", 0.02)
    world.control.delay_s = 0.1
    assert await world.of() == {"llm.provider": "openai"}
    world.control.values["llm.provider"] = "gemini"
    world.changes.woken = True
    assert await world.of() == {"llm.provider": "openai"}


async def test_while_control_is_away_what_it_told_last_holds_and_who_is_unknown_waits(world: World) -> None:
    await world.of()
    await world.server.stop(None)
    world.changes.woken = True
    assert await world.of() == {"llm.provider": "openai"}
    with pytest.raises(LaceError) as raised:
        await world.of("prn_of_whom_nothing_was_told")
    assert (raised.value.reason, raised.value.retryable) == (Reason.SERVICE_UNAVAILABLE, True)
