"""What only the Kafka bus has: sessions of killed consumers, and rebalances amid handling. Needs LACE_TEST_KAFKA."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest

from lace_platform.bus import Envelope
from lace_platform.bus.kafka import KafkaBus
from lace_platform.ids import new_id

BOOTSTRAP = os.environ.get("LACE_TEST_KAFKA", "")
pytestmark = [
    pytest.mark.real_parts,
    pytest.mark.skipif(not BOOTSTRAP, reason="no Kafka: LACE_TEST_KAFKA names no broker"),
]

_VICTIM = """
import asyncio, sys
from lace_platform.bus.kafka import KafkaBus

async def hang(envelope):
    print(envelope.payload.decode(), flush=True)
    await asyncio.sleep(600)

async def main():
    bus = KafkaBus(sys.argv[1])
    await bus.start()
    await bus.subscribe([sys.argv[2]], sys.argv[2], hang)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
async def bus() -> AsyncIterator[KafkaBus]:
    opened = KafkaBus(BOOTSTRAP, partitions=4)
    await opened.start()
    yield opened
    await opened.close()


def _message(topic: str, key: str, payload: bytes) -> Envelope:
    return Envelope(new_id("evt"), "ten_a", topic, key, payload)


async def _until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "too late"
        await asyncio.sleep(0.02)


async def test_a_killed_process_s_messages_go_on_elsewhere_in_order(bus: KafkaBus) -> None:
    topic, received = new_id("test"), []

    async def take(envelope: Envelope) -> None:
        received.append(envelope.payload)

    await bus.publish([_message(topic, "k", b"%d" % n) for n in range(3)])
    command = (sys.executable, "-W", "ignore", "-c", _VICTIM, BOOTSTRAP, topic)
    victim = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert victim.stdout is not None
    try:
        async with asyncio.timeout(30):
            while await victim.stdout.readline() != b"0\n":
                assert victim.returncode is None, "the consumer ended before it had a message"
    finally:
        victim.kill()
        await victim.communicate()
    await bus.subscribe([topic], topic, take)
    await _until(lambda: len(received) == 3)
    assert received == [b"0", b"1", b"2"]


async def test_members_that_come_and_go_lose_nothing_and_keep_every_key_in_order(bus: KafkaBus) -> None:
    topic, keys, each = new_id("test"), [f"key-{k}" for k in range(8)], 40
    received: dict[str, list[int]] = {key: [] for key in keys}

    async def take(envelope: Envelope) -> None:
        await asyncio.sleep(0.005)
        received[envelope.key].append(int(envelope.payload))

    async def publish() -> None:
        for n in range(each):
            await bus.publish([_message(topic, key, b"%d" % n) for key in keys])
            await asyncio.sleep(0.05)

    await bus.subscribe([topic], topic, take)
    publishing = asyncio.create_task(publish())
    for _ in range(2):
        guest = KafkaBus(BOOTSTRAP, partitions=4)
        await guest.start()
        await guest.subscribe([topic], topic, take)
        await asyncio.sleep(0.7)
        await guest.close()
    await publishing
    await _until(lambda: all(set(range(each)) <= set(numbers) for numbers in received.values()))
    for numbers in received.values():
        first_seen = sorted(set(numbers), key=numbers.index)
        assert first_seen == list(range(each)), "in order, whatever was delivered twice"
