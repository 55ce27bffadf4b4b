"""What only the Kafka bus has: rebalances, partitions that keys share, records of others. Needs LACE_TEST_KAFKA."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaProducer

from lace_platform.bus import Envelope
from lace_platform.bus.delivery import RetryPolicy
from lace_platform.bus.kafka import KafkaBus
from lace_platform.ids import new_id

BOOTSTRAP = os.environ.get("LACE_TEST_KAFKA", "")
pytestmark = [
    pytest.mark.real_parts,
    pytest.mark.skipif(not BOOTSTRAP, reason="no Kafka: LACE_TEST_KAFKA names no broker"),
]


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


async def test_a_rebalance_takes_a_heartbeat_and_not_the_default_three_seconds(bus: KafkaBus) -> None:
    topic, received, publishing = new_id("test"), [time.monotonic()], True

    async def take(envelope: Envelope) -> None:
        received.append(time.monotonic())

    async def publish() -> None:
        while publishing:
            await bus.publish([_message(topic, f"key-{k}", b"0") for k in range(12)])
            await asyncio.sleep(0.02)

    await bus.subscribe([topic], topic, take)
    flow = asyncio.create_task(publish())
    await _until(lambda: len(received) > 30)
    begun = len(received)
    guest = KafkaBus(BOOTSTRAP, partitions=4)
    await guest.start()
    shared: list[Envelope] = []

    async def share(envelope: Envelope) -> None:
        shared.append(envelope)
        received.append(time.monotonic())

    await guest.subscribe([topic], topic, share)
    await _until(lambda: shared)
    await guest.close()
    left = len(received)
    await _until(lambda: len(received) > left + 30)
    publishing = False
    await flow
    gaps = [after - before for before, after in itertools.pairwise(received[begun - 1 :])]
    assert max(gaps) < 2.5, "the longest stillness through a join and a leave, in seconds"


async def test_a_poison_message_does_not_stop_the_other_keys_of_its_partition() -> None:
    one = KafkaBus(BOOTSTRAP, partitions=1, retry=RetryPolicy(attempts=100, first_pause_s=0.2, longest_pause_s=0.2))
    topic, received = new_id("test"), []

    async def take(envelope: Envelope) -> None:
        if envelope.key == "poisoned":
            raise ValueError("always")
        received.append(envelope.key)

    await one.start()
    try:
        await one.subscribe([topic], topic, take)
        await one.publish([_message(topic, "poisoned", b"0")])
        # More than the window: the other keys may run ahead of an open message so far and no further.
        await one.publish([_message(topic, f"key-{n}", b"0") for n in range(700)])
        await _until(lambda: len(received) >= 450)
        await asyncio.sleep(0.5)
        assert len(received) < 600
    finally:
        await one.close()


async def test_a_record_of_somebody_else_becomes_a_dead_letter(bus: KafkaBus) -> None:
    topic, received, dead = new_id("test"), [], []

    async def take(envelope: Envelope) -> None:
        received.append(envelope)

    async def bury(envelope: Envelope) -> None:
        dead.append(envelope)

    await bus.subscribe([topic], topic, take)
    await bus.subscribe([f"{topic}.dlq"], f"{topic}.dlq", bury)
    stranger = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP)
    await stranger.start()
    await stranger.send_and_wait(topic, b"\xff\xfe", key=b"k")
    await stranger.stop()
    await bus.publish([_message(topic, "k", b"{}")])
    await _until(lambda: dead and received)
    assert [envelope.payload for envelope in received] == [b"{}"]
    assert (dead[0].tenant_id, dead[0].payload, dead[0].key) == ("", b"\xff\xfe", "k")
    assert "is not one of our messages" in dead[0].headers["dead-letter-error"]


async def test_a_caller_who_gave_up_and_comes_back_sends_nothing_twice(bus: KafkaBus) -> None:
    topic, received = new_id("test"), []

    async def take(envelope: Envelope) -> None:
        received.append(envelope.payload)

    await bus.subscribe([topic], topic, take)
    sent = [_message(topic, "k", b"%d" % n) for n in range(50)]
    publishing = asyncio.create_task(bus.publish(sent))
    await asyncio.sleep(0)  # the topic is known, so the first of them are handed over now
    for _ in range(20):
        await asyncio.sleep(0)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    await bus.publish(sent)
    last = _message(topic, "k", b"last")
    await bus.publish([last])
    await _until(lambda: received and received[-1] == b"last")
    assert received == [*(b"%d" % n for n in range(50)), b"last"]


async def test_a_message_larger_than_kafka_s_default_arrives(bus: KafkaBus) -> None:
    topic, received = new_id("test"), []

    async def take(envelope: Envelope) -> None:
        received.append(len(envelope.payload))

    await bus.subscribe([topic], topic, take)
    await bus.publish([_message(topic, "k", b"x" * size) for size in (10, 5_000_000, 20)])
    await _until(lambda: len(received) == 3)
    assert received == [10, 5_000_000, 20]
