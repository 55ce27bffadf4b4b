"""What only the Postgres bus has: leases of killed consumers, retention, a first subscription amid publishing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from lace_platform.bus import Envelope
from lace_platform.bus.delivery import RetryPolicy
from lace_platform.bus.postgres import PostgresBus, channel
from lace_platform.db.autocommit import AutocommitConnection
from lace_platform.db.dsn import connection_parameters
from lace_platform.ids import new_id

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

OpenBus = Callable[..., Awaitable[PostgresBus]]

RETRY = RetryPolicy(attempts=3, first_pause_s=0.01, longest_pause_s=0.05)


@pytest.fixture
def topic() -> str:
    return new_id("test")


@pytest.fixture
async def admin(postgres: PostgresServer) -> AsyncIterator[AutocommitConnection]:
    connection = AutocommitConnection(connection_parameters(postgres.admin_dsn))
    yield connection
    await connection.close()


@pytest.fixture
async def open_bus(postgres: PostgresServer) -> AsyncIterator[OpenBus]:
    opened: list[PostgresBus] = []

    async def make(**options: Any) -> PostgresBus:
        options = {"retry": RETRY, "lease_s": 0.6, **options}
        bus = PostgresBus(postgres.admin_dsn, password=postgres.password("lace_bus"), **options)
        await bus.start()
        opened.append(bus)
        return bus

    yield make
    await asyncio.gather(*(bus.close() for bus in opened))


def _message(topic: str, key: str = "k", payload: bytes = b"{}") -> Envelope:
    return Envelope(new_id("evt"), "ten_a", topic, key, payload)


async def _until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "too late"
        await asyncio.sleep(0.005)


def _kill(bus: PostgresBus) -> None:
    """End its consumers as kill -9 does: no more renewals, nothing given back."""
    for consumer in bus._consumers:
        for task in (*consumer._loops, *consumer._in_hand.values()):
            task.cancel()
    bus._consumers.clear()


async def test_a_killed_consumer_s_messages_go_on_elsewhere_in_order(open_bus: OpenBus, topic: str) -> None:
    victim, heir = await open_bus(), await open_bus()
    held: list[Envelope] = []
    received: list[bytes] = []

    async def hang(envelope: Envelope) -> None:
        held.append(envelope)
        await asyncio.sleep(60)

    async def take(envelope: Envelope) -> None:
        received.append(envelope.payload)

    await victim.subscribe([topic], "readers", hang)
    await heir.publish([_message(topic, "k", b"%d" % n) for n in range(3)])
    await _until(lambda: held)
    _kill(victim)
    await heir.subscribe([topic], "readers", take)
    await _until(lambda: len(received) == 3)
    assert received == [b"0", b"1", b"2"]


async def test_a_slow_handler_keeps_its_message_beyond_the_lease(open_bus: OpenBus, topic: str) -> None:
    slow, other = await open_bus(lease_s=0.2), await open_bus(lease_s=0.2)
    started: list[str] = []
    ended: list[str] = []

    async def handle(envelope: Envelope) -> None:
        started.append(envelope.id)
        await asyncio.sleep(0.7)
        ended.append(envelope.id)

    await slow.subscribe([topic], "readers", handle)
    await other.subscribe([topic], "readers", handle)
    sent = _message(topic)
    await slow.publish([sent])
    await _until(lambda: ended)
    await asyncio.sleep(0.2)
    assert started == ended == [sent.id]


async def test_a_message_that_kills_its_consumers_becomes_a_dead_letter(
    open_bus: OpenBus, topic: str, admin: AutocommitConnection
) -> None:
    sent = _message(topic)
    letters: list[Envelope] = []
    handed: list[int] = []

    async def read_letter(envelope: Envelope) -> None:
        letters.append(envelope)

    async def hang(_envelope: Envelope) -> None:
        handed.append(1)
        await asyncio.sleep(60)

    undertaker = await open_bus()
    await undertaker.subscribe([topic + ".dlq"], "undertaker", read_letter)
    await undertaker.publish([sent])
    for _ in range(RETRY.attempts):
        handed.clear()
        victim = await open_bus(lease_s=0.1)
        await victim.subscribe([topic], "readers", hang)
        await _until(lambda: handed)
        _kill(victim)
        await asyncio.sleep(0.15)
    last = await open_bus()
    await last.subscribe([topic], "readers", hang)
    await _until(lambda: letters)
    assert letters[0].id == sent.id
    assert letters[0].headers["dead-letter-attempts"] == str(RETRY.attempts)
    assert "without an answer" in letters[0].headers["dead-letter-error"]


async def test_what_close_interrupts_is_given_back_at_once_and_counts_as_no_attempt(
    open_bus: OpenBus, topic: str, admin: AutocommitConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lace_platform.bus.postgres_consumer._GRACE_S", 0.05)
    first, second = await open_bus(lease_s=30), await open_bus()
    begun: list[int] = []
    received: list[str] = []

    async def hang(_envelope: Envelope) -> None:
        begun.append(1)
        await asyncio.sleep(60)

    async def take(envelope: Envelope) -> None:
        received.append(envelope.id)

    sent = _message(topic)
    await first.subscribe([topic], "readers", hang)
    await first.publish([sent])
    await _until(lambda: begun)
    await first.close()
    rows = await admin.execute("SELECT attempts, lease FROM bus.deliveries WHERE topic = :topic", {"topic": topic})
    assert rows == [(0, None)]
    await second.subscribe([topic], "readers", take)
    await _until(lambda: received == [sent.id])


@pytest.mark.slow
async def test_a_first_subscription_amid_publishing_misses_nothing(open_bus: OpenBus, topic: str) -> None:
    publishers, reader = [await open_bus() for _ in range(3)], await open_bus()
    sent = [[_message(topic, f"key-{p}", b"%d" % n) for n in range(60)] for p in range(3)]
    received: list[str] = []

    async def take(envelope: Envelope) -> None:
        received.append(envelope.id)

    async def publish(bus: PostgresBus, messages: list[Envelope]) -> None:
        for message in messages:
            await bus.publish([message])

    publishing = [asyncio.create_task(publish(*pair)) for pair in zip(publishers, sent, strict=True)]
    await asyncio.sleep(0.02)
    await reader.subscribe([topic], "late", take)
    await asyncio.gather(*publishing)
    await _until(lambda: len(received) >= 180)
    await asyncio.sleep(0.05)
    assert sorted(received) == sorted(message.id for messages in sent for message in messages)


async def test_the_wake_up_comes_well_before_the_poll(open_bus: OpenBus, topic: str) -> None:
    bus = await open_bus()
    delays: list[float] = []
    published = time.monotonic()

    async def take(_envelope: Envelope) -> None:
        delays.append(time.monotonic() - published)

    await bus.subscribe([topic], "readers", take)
    await asyncio.sleep(0.1)
    for n in range(7):
        published = time.monotonic()
        await bus.publish([_message(topic)])
        await _until(partial(lambda count: len(delays) > count, n))
    assert sorted(delays)[3] < 0.1


async def test_the_bus_gets_over_lost_connections(open_bus: OpenBus, topic: str, admin: AutocommitConnection) -> None:
    bus = await open_bus()
    received: list[bytes] = []

    async def take(envelope: Envelope) -> None:
        received.append(envelope.payload)

    await bus.subscribe([topic], "readers", take)
    await bus.publish([_message(topic, "k", b"0")])
    await _until(lambda: received == [b"0"])
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lace_bus'")
    await asyncio.sleep(0.05)  # a connection lost in the middle of a publish would be the publisher's to retry
    await bus.publish([_message(topic, "k", b"1")])
    await _until(lambda: b"1" in received)


async def test_pruning_keeps_what_a_group_still_owes_and_takes_what_is_old(
    open_bus: OpenBus, topic: str, admin: AutocommitConnection
) -> None:
    bus = await open_bus(kept=timedelta(days=7), dead_letters_kept=timedelta(days=90))
    owed, other = topic, topic + "-done"
    await admin.execute(
        "SELECT bus.subscribe('nobody-here', :topic) AS one, bus.subscribe('long-gone', :other) AS two",
        {"topic": owed, "other": other},
    )
    await bus.publish([_message(t) for t in (owed, other, other + ".dlq")])
    age = "UPDATE bus.messages SET published_at = now() - interval '8 days' WHERE topic LIKE :topics"
    await admin.execute(age, {"topics": topic + "%"})
    left = "SELECT topic FROM bus.messages WHERE topic LIKE :topics ORDER BY topic"
    await bus.prune()
    assert [row.topic for row in await admin.execute(left, {"topics": topic + "%"})] == [owed, other, other + ".dlq"]
    gone = "UPDATE bus.subscriptions SET seen_at = now() - interval '8 days' WHERE group_name = 'long-gone'"
    await admin.execute(gone)
    await bus.prune()
    assert [row.topic for row in await admin.execute(left, {"topics": topic + "%"})] == [owed, other + ".dlq"]


def test_a_long_topic_has_a_channel_that_postgres_takes() -> None:
    names = {channel("t" * n) for n in (10, 59, 60, 61, 200)}
    assert len(names) == 5
    assert max(map(len, names)) < 64
