"""What every bus promises of delivery, on every adapter: memory, Postgres and Kafka."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lace_core.errors import LaceError, Reason
from lace_platform.bus import Envelope
from tests.contract.bus.inbox import Inbox, message, numbered

if TYPE_CHECKING:
    from tests.contract.bus.conftest import Buses


async def test_a_message_arrives_whole(buses: Buses, topic: str) -> None:
    bus, inbox = await buses.open(), Inbox()
    payload = '{"text": "Grüße, 世界", "number": 1.0, "spaces":  [ ]}'.encode()
    sent = message(
        topic, "schlüssel", payload, correlation_id="c-1", traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    )
    await bus.subscribe([topic], "readers", inbox)
    await bus.publish([sent])
    await buses.until(lambda: bool(inbox.received), "the message")
    assert inbox.received == [sent]


async def test_every_group_gets_every_message_once(buses: Buses, topic: str) -> None:
    bus, first, second = await buses.open(), Inbox(), Inbox()
    await bus.subscribe([topic], "first", first)
    await bus.subscribe([topic], "second", second)
    sent = numbered(topic, 3, 5)
    await bus.publish(sent)
    await buses.until(lambda: len(first.received) == len(second.received) == 15, "all messages in both groups")
    await buses.settled()
    assert sorted(e.id for e in first.received) == sorted(e.id for e in second.received) == [e.id for e in sent]


async def test_a_key_stays_in_order_and_keys_do_not_wait_for_each_other(buses: Buses, topic: str) -> None:
    bus, inbox = await buses.open(), Inbox()
    inbox.pause_s = 0.01
    await bus.subscribe([topic], "readers", inbox)
    sent = numbered(topic, 8, 6)
    await bus.publish(sent[:20])
    await bus.publish(sent[20:])
    await buses.until(lambda: len(inbox.received) == 48, "all messages")
    for k in range(8):
        assert inbox.payloads(f"key-{k}") == [b"%d" % n for n in range(6)]
    assert inbox.most_of_one_key == 1
    assert inbox.most_at_once > 1


async def test_order_holds_through_a_failure(buses: Buses, topic: str) -> None:
    bus, inbox = await buses.open(), Inbox()
    failed: list[Envelope] = []

    def fail_first_time(envelope: Envelope) -> Exception | None:
        if envelope.payload == b"1" and not failed:
            failed.append(envelope)
            return ValueError("the first time")
        return None

    inbox.fail = fail_first_time
    await bus.subscribe([topic], "readers", inbox)
    await bus.publish([message(topic, "k", b"%d" % n) for n in range(3)])
    await buses.until(lambda: len(inbox.received) == 4, "three messages and one again")
    assert inbox.payloads() == [b"0", b"1", b"1", b"2"]
    assert inbox.received[1] == inbox.received[2], "redelivered as it was, under the same id"


async def test_a_message_that_always_fails_becomes_a_dead_letter_with_its_cause(buses: Buses, topic: str) -> None:
    bus, inbox, dead = await buses.open(), Inbox(), Inbox()
    bad, good = message(topic, "k", b'{"n": 1}', correlation_id="c-9"), message(topic, "k", b'{"n": 2}')
    inbox.fail = lambda e: LaceError(Reason.INTERNAL, "no such page") if e.id == bad.id else None
    await bus.subscribe([topic], "readers", inbox)
    await bus.subscribe([topic + ".dlq"], "undertaker", dead)
    await bus.publish([bad, good])
    await buses.until(lambda: bool(dead.received) and good in inbox.received, "the dead letter, and the next message")
    assert [e.id for e in inbox.received] == [bad.id] * 3 + [good.id]
    letter = dead.received[0]
    assert (letter.id, letter.payload, letter.topic, letter.key) == (bad.id, bad.payload, topic + ".dlq", "k")
    assert letter.headers["correlation_id"] == "c-9"
    assert "no such page" in letter.headers["dead-letter-error"]
    assert letter.headers["dead-letter-reason"] == "INTERNAL"
    assert letter.headers["dead-letter-topic"] == topic
    assert letter.headers["dead-letter-group"] == "readers"
    assert letter.headers["dead-letter-attempts"] == "3"


async def test_the_consumers_of_a_group_share_its_messages(buses: Buses, topic: str) -> None:
    one, two = await buses.open(), await buses.open()
    first, second = Inbox(), Inbox()
    first.pause_s = second.pause_s = 0.01
    await one.subscribe([topic], "readers", first)
    await two.subscribe([topic], "readers", second)
    if buses.kind == "kafka":
        await asyncio.sleep(3)  # both are in the group before the first message: a rebalance would redeliver
    sent = numbered(topic, 40, 2)
    await one.publish(sent)
    await buses.until(lambda: len(first.received) + len(second.received) == 80, "all messages")
    await buses.settled()
    assert sorted(e.id for e in first.received + second.received) == sorted(e.id for e in sent)
    assert first.received
    assert second.received
    for k in range(40):
        in_time = [e for e in [*first.received, *second.received] if e.key == f"key-{k}"]
        assert len(in_time) == 2


async def test_a_late_group_receives_what_came_before_it(buses: Buses, topic: str) -> None:
    bus, inbox = await buses.open(), Inbox()
    await bus.publish(numbered(topic, 1, 3))
    await bus.subscribe([topic], "late", inbox)
    await bus.publish([message(topic, "key-0", b"3")])
    await buses.until(lambda: len(inbox.received) == 4, "earlier and later messages")
    assert inbox.payloads() == [b"0", b"1", b"2", b"3"]


async def test_a_group_that_was_away_goes_on_where_it_left(buses: Buses, topic: str) -> None:
    first_life, second_life = Inbox(), Inbox()
    publisher, consumer = await buses.open(), await buses.open()
    await consumer.subscribe([topic], "readers", first_life)
    await publisher.publish([message(topic, "k", b"0")])
    await buses.until(lambda: len(first_life.received) == 1, "the first message")
    await buses.settled()
    await consumer.close()
    await publisher.publish([message(topic, "k", b"1")])
    await (await buses.open()).subscribe([topic], "readers", second_life)
    await buses.until(lambda: bool(second_life.received), "the second message")
    await buses.settled()
    assert (first_life.payloads(), second_life.payloads()) == ([b"0"], [b"1"])


async def test_close_lets_the_handler_end_and_then_consumes_no_more(buses: Buses, topic: str) -> None:
    publisher, consumer = await buses.open(), await buses.open()
    inbox, ended = Inbox(), []

    async def slow(envelope: Envelope) -> None:
        await inbox(envelope)
        await asyncio.sleep(0.2)
        ended.append(envelope.id)

    await consumer.subscribe([topic], "readers", slow)
    await publisher.publish([message(topic, "k", b"0")])
    await buses.until(lambda: bool(inbox.received), "the message in hand")
    await consumer.close()
    assert ended == [inbox.received[0].id]
    await publisher.publish([message(topic, "k", b"1")])
    await buses.settled()
    assert inbox.payloads() == [b"0"]


async def test_several_topics_in_one_subscription(buses: Buses, topic: str) -> None:
    bus, inbox = await buses.open(), Inbox()
    await bus.subscribe([topic, topic + "-more"], "readers", inbox)
    await bus.publish([message(topic), message(topic + "-more"), message(topic + "-other")])
    await buses.until(lambda: len(inbox.received) == 2, "one message of each topic")
    await buses.settled()
    assert sorted(e.topic for e in inbox.received) == [topic, topic + "-more"]
