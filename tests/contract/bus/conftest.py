"""Buses of every kind: in memory, on Postgres, and on Kafka where LACE_TEST_KAFKA names a broker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from lace_platform.bus import Bus
from lace_platform.bus.delivery import RetryPolicy
from lace_platform.bus.memory import MemoryBroker, MemoryBus
from lace_platform.bus.postgres import PostgresBus
from lace_platform.ids import new_id
from tests.doubles.probe import Probe, open_probe

RETRY = RetryPolicy(attempts=3, first_pause_s=0.01, longest_pause_s=0.05)
PATIENCE_S = {"memory": 20, "postgres": 30, "kafka": 60}


class Buses:
    """Makes buses that share one broker, as processes do, and closes them at the end of the test."""

    def __init__(self, kind: str, make: Callable[[], Bus], stack: AsyncExitStack) -> None:
        self.kind = kind
        self.patience_s = PATIENCE_S[kind]
        self._make = make
        self._stack = stack

    async def open(self) -> Bus:
        bus = self._make()
        await bus.start()
        self._stack.push_async_callback(bus.close)
        return bus

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self.patience_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {self.patience_s} s: {what}"
            await asyncio.sleep(0.005)

    async def settled(self) -> None:
        """Long enough for a message that must not come to come."""
        await asyncio.sleep(1.5 if self.kind == "kafka" else 0.15)


@pytest.fixture(params=["memory", "postgres", pytest.param("kafka", marks=pytest.mark.real_parts)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_bus(kind: str, request: pytest.FixtureRequest) -> Callable[[], Bus]:
    """A maker of unstarted buses on one broker; only the broker that the test is about is started."""
    if kind == "memory":
        broker = MemoryBroker()
        return lambda: MemoryBus(broker, retry=RETRY)
    if kind == "postgres":
        server = request.getfixturevalue("postgres")
        return lambda: PostgresBus(server.admin_dsn, password=server.password("lace_bus"), retry=RETRY, lease_s=1.0)
    bootstrap = os.environ.get("LACE_TEST_KAFKA")
    if not bootstrap:
        pytest.skip("no Kafka: LACE_TEST_KAFKA names no broker")
    from lace_platform.bus.kafka import KafkaBus

    return lambda: KafkaBus(bootstrap, partitions=4, retry=RETRY)


@pytest.fixture
async def buses(kind: str, make_bus: Callable[[], Bus]) -> AsyncIterator[Buses]:
    async with AsyncExitStack() as stack:
        yield Buses(kind, make_bus, stack)


@pytest.fixture(scope="session")
async def bus_probe(postgres) -> AsyncIterator[Probe]:  # type: ignore[no-untyped-def]
    """A service's database, for effects that are to happen once."""
    async with open_probe(postgres, "bus_probe") as opened:
        yield opened


@pytest.fixture
def topic() -> str:
    return new_id("test")
