"""The outbox and a broker that really goes away: rows wait, then leave in order. Needs the recipe for Kafka."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lace_platform.bus import Envelope
from lace_platform.bus.kafka import KafkaBus
from lace_platform.ids import new_id
from lace_platform.outbox import OutboxRelay, add
from tests.doubles.kafka_broker import KafkaBroker, recipe

if TYPE_CHECKING:
    from tests.doubles.probe import Probe

_SCRIPT = recipe()
pytestmark = [
    pytest.mark.real_parts,
    pytest.mark.timeout(300),
    pytest.mark.skipif(_SCRIPT is None, reason="no recipe for Kafka beside the clone, or no Kafka in the cache"),
]
_KEYS = [f"key-{k}" for k in range(6)]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[KafkaBroker]:
    assert _SCRIPT is not None
    made = KafkaBroker(_SCRIPT, tmp_path)
    await made.start()
    yield made
    await made.stop()


async def _put(probe: Probe, tenant_id: str, topic: str, numbers: range) -> None:
    for number in numbers:
        async with probe.db.transaction(tenant_id) as tx:
            for key in _KEYS:
                await add(tx, probe.tables, Envelope(new_id("evt"), tenant_id, topic, key, b"%d" % number))
            await tx.commit()


async def _pending(probe: Probe, tenant_id: str) -> int:
    async with probe.db.transaction(tenant_id) as tx:
        row = await tx.fetch_one("SELECT count(*) AS rows FROM outbox_events WHERE status = 'pending'")
    assert row is not None
    return int(row.rows)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_rows_wait_for_the_broker_and_then_leave_in_order(
    broker: KafkaBroker, probe: Probe, tenant_id: str, end: str
) -> None:
    topic, received = new_id("test"), {key: [] for key in _KEYS}  # type: tuple[str, dict[str, list[int]]]
    bus = KafkaBus(broker.bootstrap, partitions=3)
    await bus.start()

    async def take(envelope: Envelope) -> None:
        received[envelope.key].append(int(envelope.payload))

    async def all_came(count: int) -> None:
        async with asyncio.timeout(90):
            while any(len(set(numbers)) < count for numbers in received.values()):
                await asyncio.sleep(0.05)

    relay = asyncio.create_task(OutboxRelay(probe.system, probe.tables, bus, probe.listener).run())
    try:
        await bus.subscribe([topic], "readers", take)
        await _put(probe, tenant_id, topic, range(20))
        await all_came(20)
        await (broker.stop() if end == "stop" else broker.kill())
        await _put(probe, tenant_id, topic, range(20, 60))
        await asyncio.sleep(1)
        assert await _pending(probe, tenant_id) == 40 * len(_KEYS), "nothing is lost, nothing is marked"
        await broker.start()
        await _put(probe, tenant_id, topic, range(60, 70))
        await all_came(70)
        async with asyncio.timeout(30):
            while await _pending(probe, tenant_id):
                await asyncio.sleep(0.05)
    finally:
        relay.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await relay
        await bus.close()
    for numbers in received.values():
        assert list(dict.fromkeys(numbers)) == list(range(70)), "in order, whatever came twice"
