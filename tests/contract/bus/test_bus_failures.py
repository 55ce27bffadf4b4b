"""What every bus promises when something goes wrong: a poison message, a second delivery, a member that is gone."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import orjson
import pytest

from lace_core.errors import LaceError, Reason
from lace_platform.bus import Bus, Envelope
from lace_platform.jobs import handle_once
from tests.contract.bus.inbox import Inbox, message, numbered

if TYPE_CHECKING:
    from tests.conftest import PostgresServer
    from tests.contract.bus.conftest import Buses
    from tests.doubles.probe import Probe

_VICTIM = """
import asyncio, sys, time
import structlog
from lace_platform.bus.kafka import KafkaBus
from lace_platform.bus.postgres import PostgresBus

async def take(envelope):
    await asyncio.sleep(0.01)
    print(time.monotonic_ns(), envelope.key, envelope.payload.decode(), flush=True)

async def main(kind, where, password, topic):
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    bus = KafkaBus(where, partitions=4) if kind == "kafka" else PostgresBus(where, password=password, lease_s=1.0)
    await bus.start()
    await bus.subscribe([topic], "readers", take)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


def _in_order(received: Sequence[Envelope], key: str) -> list[int]:
    """The numbers of a key in the order in which each came first."""
    return list(dict.fromkeys(int(envelope.payload) for envelope in received if envelope.key == key))


async def test_a_poison_message_stops_no_other_key(buses: Buses, topic: str) -> None:
    bus, inbox, dead = await buses.open(), Inbox(), Inbox()
    stop = asyncio.Event()

    async def handler(envelope: Envelope) -> None:
        await inbox(envelope)
        if envelope.payload == b'"poison"':
            await stop.wait()
            raise ValueError("always")

    await bus.subscribe([topic], "readers", handler)
    await bus.subscribe([f"{topic}.dlq"], "undertaker", dead)
    after = message(topic, "poisoned", b"0")
    await bus.publish([message(topic, "poisoned", b'"poison"'), after])
    await buses.until(lambda: bool(inbox.received), "the poison")
    await bus.publish(numbered(topic, 20, 3))
    await buses.until(lambda: len(inbox.received) == 61, "all messages of all other keys")
    assert inbox.payloads("poisoned") == [b'"poison"'], "its own key waits"
    stop.set()
    await buses.until(lambda: after in inbox.received, "the next of its key, once it is dead")
    assert inbox.payloads("poisoned") == [b'"poison"'] * 3 + [b"0"]
    await buses.until(lambda: len(dead.received) == 1, "the dead letter")


@pytest.mark.parametrize(
    "error",
    [
        LaceError(Reason.INVALID_ARGUMENT, "no such field"),
        orjson.JSONDecodeError("not JSON", "{", 0),
    ],
    ids=["refused", "undecodable"],
)
async def test_what_no_attempt_can_help_is_dead_at_once(buses: Buses, topic: str, error: Exception) -> None:
    bus, inbox, dead = await buses.open(), Inbox(), Inbox()
    bad, good = message(topic, "k", b"0"), message(topic, "k", b"1")
    inbox.fail = lambda envelope: error if envelope.id == bad.id else None
    await bus.subscribe([topic], "readers", inbox)
    await bus.subscribe([f"{topic}.dlq"], "undertaker", dead)
    await bus.publish([bad, good])
    await buses.until(lambda: good in inbox.received and bool(dead.received), "the next message and the dead letter")
    assert [envelope.id for envelope in inbox.received] == [bad.id, good.id]
    assert dead.received[0].headers["dead-letter-attempts"] == "1"


async def test_a_redriven_message_is_only_for_the_group_that_failed(buses: Buses, topic: str) -> None:
    bus, failed, other = await buses.open(), Inbox(), Inbox()
    await bus.subscribe([topic], "failed", failed)
    await bus.subscribe([topic], "other", other)
    again = message(topic, "k", b"0", **{"redrive-group": "failed", "redrive-of": "dlt_1"})
    after = message(topic, "k", b"1")
    await bus.publish([again, after])
    await buses.until(lambda: len(failed.received) == 2 and bool(other.received), "what is for each group")
    await buses.settled()
    assert failed.received == [again, after]
    assert other.received == [after]


async def test_a_message_that_is_published_twice_comes_under_one_id(buses: Buses, topic: str) -> None:
    bus, inbox = await buses.open(), Inbox()
    await bus.subscribe([topic], "readers", inbox)
    sent, after = message(topic, "k", b"0"), message(topic, "k", b"1")
    await bus.publish([sent])
    await bus.publish([sent, after])
    await buses.until(lambda: after in inbox.received, "the last message")
    assert inbox.received == [sent, sent, after]


async def test_a_consumer_that_dies_between_effect_and_acknowledgement_has_one_effect(
    buses: Buses, topic: str, bus_probe: Probe, tenant_id: str
) -> None:
    bus, deliveries, effects = await buses.open(), 0, 0

    async def handler(envelope: Envelope) -> None:
        nonlocal deliveries, effects
        deliveries += 1
        async with bus_probe.db.transaction(tenant_id) as tx:
            if await handle_once(tx, bus_probe.tables, envelope, "contract", 1):
                effects += 1
                await tx.execute(
                    "INSERT INTO things (tenant_id, name) VALUES (:tenant, :name)",
                    {"tenant": tenant_id, "name": envelope.id},
                )
                await tx.commit()
        if deliveries == 1:
            raise ConnectionError("gone before the acknowledgement")

    await bus.subscribe([topic], "readers", handler)
    sent = Envelope(f"evt_{topic}", tenant_id, topic, "k", b"{}")
    await bus.publish([sent, sent])
    await buses.until(lambda: deliveries == 3, "a first, a second and a doubled delivery")
    assert effects == 1
    async with bus_probe.db.transaction(tenant_id) as tx:
        rows = await tx.fetch_all("SELECT name FROM things")
    assert [row.name for row in rows] == [sent.id]


async def test_a_subscription_that_is_closed_leaves_the_bus_to_the_others(buses: Buses, topic: str) -> None:
    bus, first, second = await buses.open(), Inbox(), Inbox()
    closing = await bus.subscribe([topic], "first", first)
    await bus.subscribe([topic], "second", second)
    await bus.publish([message(topic, "k", b"0")])
    await buses.until(lambda: len(first.received) == len(second.received) == 1, "the first message in both groups")
    await closing.close()
    await closing.close()
    await bus.publish([message(topic, "k", b"1")])
    await buses.until(lambda: len(second.received) == 2, "the second message in the group that stays")
    await buses.settled()
    assert first.payloads() == [b"0"]
    await bus.subscribe([topic], "first", first)
    await buses.until(lambda: len(first.received) == 2, "what came while nobody of the group was there")
    assert first.payloads() == [b"0", b"1"]


@pytest.mark.slow
async def test_members_that_come_and_go_lose_nothing_and_keep_every_key_in_order(buses: Buses, topic: str) -> None:
    home, keys, each = await buses.open(), 8, 30
    received: list[Envelope] = []

    async def take(envelope: Envelope) -> None:
        await asyncio.sleep(0.002)
        received.append(envelope)

    async def publish() -> None:
        sent = numbered(topic, keys, each)
        for start in range(0, len(sent), keys):
            await home.publish(sent[start : start + keys])
            await asyncio.sleep(0.06 if buses.kind == "kafka" else 0.01)

    await home.subscribe([topic], "readers", take)
    publishing = asyncio.create_task(publish())
    for _ in range(2):
        guest = await buses.open()
        await guest.subscribe([topic], "readers", take)
        await asyncio.sleep(0.7 if buses.kind == "kafka" else 0.05)
        await guest.close()
    await publishing
    whole = list(range(each))
    await buses.until(
        lambda: all(len(_in_order(received, f"key-{k}")) == each for k in range(keys)), "every message of every key"
    )
    assert [_in_order(received, f"key-{k}") for k in range(keys)] == [whole] * keys


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgres", pytest.param("kafka", marks=pytest.mark.real_parts)])
async def test_a_member_that_is_killed_loses_nothing_and_its_keys_go_on_in_order(
    kind: str, make_bus: Callable[[], Bus], buses: Buses, topic: str, request: pytest.FixtureRequest
) -> None:
    home, keys, each = await buses.open(), 8, 20
    handled: list[tuple[int, Envelope]] = []  # by the clock that all processes share

    async def take(envelope: Envelope) -> None:
        handled.append((time.monotonic_ns(), envelope))

    def note(line: bytes) -> None:
        at, key, number = line.split()
        handled.append((int(at), message(topic, key.decode(), number)))

    def in_time() -> list[list[int]]:
        received = [envelope for _, envelope in sorted(handled, key=lambda one: one[0])]
        return [_in_order(received, f"key-{k}") for k in range(keys)]

    sent = numbered(topic, keys, each)
    await home.publish(sent[: len(sent) // 2])
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", _VICTIM, *_address(kind, request), topic, stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdout is not None
    try:
        async with asyncio.timeout(30):
            while len(handled) < keys * 2:
                note(await victim.stdout.readline())
        await home.subscribe([topic], "readers", take)
        await home.publish(sent[len(sent) // 2 :])
    finally:
        victim.kill()
        rest, _ = await victim.communicate()
    for line in rest.splitlines():
        note(line)
    await buses.until(lambda: all(len(numbers) == each for numbers in in_time()), "every message of every key")
    assert in_time() == [list(range(each))] * keys


def _address(kind: str, request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """The kind of bus, where its broker is, and the password."""
    if kind == "kafka":
        return kind, os.environ["LACE_TEST_KAFKA"], ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return kind, server.admin_dsn, server.password("lace_bus")
