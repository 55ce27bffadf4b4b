"""What control says of budgets: remembered, asked again after a change, and kept to while control is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from grpc_status.rpc_status import to_status

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.control_quotas import ControlQuotas
from lace_llm_gateway.domain.budgets import UNLIMITED, BudgetLimits
from lace_platform.rpc import open_channel
from lace_platform.rpc.errors import status_of

LIMITS = BudgetLimits(tokens_per_day=100, principal_micro_usd_per_month=7, version=3)


class Control(control_pb2_grpc.TenantServiceServicer):
    """Says what it is told to say, after as many questions as are open at once."""

    def __init__(self) -> None:
        self.told: control_pb2.Quotas | LaceError = control_pb2.Quotas(
            version=3, tokens_per_day=100, principal_micro_usd_per_month=7
        )
        self.asked = 0

    async def ReadQuotas(self, request: Any, context: Any) -> control_pb2.Quotas:
        self.asked += 1
        if isinstance(self.told, LaceError):
            await context.abort_with_status(to_status(status_of(self.told)))
        assert isinstance(self.told, control_pb2.Quotas)
        return self.told


class Changes:
    """See lace_platform.db.listener.Subscription."""

    def __init__(self) -> None:
        self.woken = False

    def take(self) -> bool:
        woken, self.woken = self.woken, False
        return woken


class Stored(dict[str, BudgetLimits]):
    """What any process was told before."""

    async def limits(self, tenant_id: str) -> BudgetLimits | None:
        return self.get(tenant_id)


@dataclass
class World:
    """Control, the process that asks it, and the process's clock."""

    control: Control
    server: Any
    quotas: ControlQuotas
    changes: Changes
    stored: Stored
    now: list[float]

    async def learns(self, expected: BudgetLimits) -> None:
        async with asyncio.timeout(30):
            while self.quotas.known("ten_1") != expected:
                await asyncio.sleep(0.01)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        control, server = Control(), grpc.aio.server()  # type: ignore[abstract]  # what is not asked is left out
        control_pb2_grpc.add_TenantServiceServicer_to_server(control, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)
        channel = open_channel(f"127.0.0.1:{port}")
        stack.push_async_callback(channel.close)
        changes, stored, now = Changes(), Stored(), [0.0]
        quotas: Any = ControlQuotas(channel, stored, changes, lambda: now[0])  # type: ignore[arg-type]
        stack.push_async_callback(quotas.close)
        yield World(control, server, quotas, changes, stored, now)


async def test_what_was_told_is_remembered_and_asked_for_once(world: World) -> None:
    assert world.quotas.known("ten_1") is None
    told = await asyncio.gather(*(world.quotas.of("ten_1") for _ in range(10)))
    assert set(told) == {LIMITS}
    assert world.quotas.known("ten_1") == LIMITS
    assert world.control.asked == 1


async def test_what_may_be_a_little_old_holds_while_it_is_asked_for(world: World) -> None:
    await world.quotas.of("ten_1")
    world.control.told = control_pb2.Quotas(version=4, tokens_per_day=5)
    world.now[0] += 3.0
    assert world.quotas.known("ten_1") == LIMITS  # without waiting
    await world.learns(BudgetLimits(tokens_per_day=5, version=4))
    assert world.control.asked == 2


@pytest.mark.parametrize("how", ["woken", "much later"])
async def test_what_was_taken_back_or_is_old_holds_for_no_call_more(world: World, how: str) -> None:
    await world.quotas.of("ten_1")
    world.control.told = control_pb2.Quotas(version=4, tokens_per_day=5)
    if how == "woken":
        world.changes.woken = True
    else:
        world.now[0] += 20.0
    assert world.quotas.known("ten_1") is None
    assert await world.quotas.of("ten_1") == BudgetLimits(tokens_per_day=5, version=4)


async def test_while_control_is_away_what_it_told_last_holds(world: World) -> None:
    await world.quotas.of("ten_1")
    await world.server.stop(None)
    world.now[0] += 100.0
    async with asyncio.timeout(30):
        assert await world.quotas.of("ten_1") == LIMITS
    assert world.quotas.known("ten_1") == LIMITS


async def test_a_new_process_keeps_to_what_another_was_told(world: World) -> None:
    await world.server.stop(None)
    world.stored["ten_1"] = LIMITS
    async with asyncio.timeout(30):
        assert await world.quotas.of("ten_1") == LIMITS
        assert await world.quotas.of("ten_of_whom_nobody_was_told") == UNLIMITED


async def test_a_tenant_that_control_does_not_know_is_told_as_such(world: World) -> None:
    world.control.told = LaceError(Reason.TENANT_NOT_FOUND, "There is no tenant ten_nobody.")
    with pytest.raises(LaceError) as caught:
        await world.quotas.of("ten_nobody")
    assert caught.value.reason is Reason.TENANT_NOT_FOUND
    assert world.quotas.known("ten_nobody") is None
