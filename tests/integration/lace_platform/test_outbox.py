"""From a row in the transaction of its cause to the bus: in order, at least once, through failures of both ends."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from lace_platform import outbox
from lace_platform.bus import Envelope
from lace_platform.bus.memory import MemoryBus
from lace_platform.db.retention import prune
from lace_platform.db.transaction import Transaction
from lace_platform.ids import new_id
from lace_platform.jobs import handle_once
from lace_platform.outbox import OutboxRelay, Outcome, add

if TYPE_CHECKING:
    from tests.integration.lace_platform.conftest import Probe


class RecordingBus(MemoryBus):
    """A bus in memory that can refuse all, or one key."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Envelope] = []
        self.down = False
        self.refused_keys: set[str] = set()
        self.calls = 0

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        if self.down or any(envelope.key in self.refused_keys for envelope in envelopes):
            raise ConnectionError("the broker is away")
        self.sent.extend(envelopes)

    def payloads(self, key: str) -> list[bytes]:
        return [envelope.payload for envelope in self.sent if envelope.key == key]


@pytest.fixture
async def bus(probe: Probe) -> AsyncIterator[RecordingBus]:
    yield RecordingBus()
    async with probe.system.transaction() as tx:
        await tx.execute("DELETE FROM outbox_events")
        await tx.commit()


def _envelope(tenant_id: str, key: str, payload: bytes = b"{}") -> Envelope:
    return Envelope(new_id("evt"), tenant_id, "thing.added", key, payload, headers={"correlation_id": "c-1"})


async def _put(probe: Probe, tenant_id: str, *envelopes: Envelope) -> None:
    async with probe.db.transaction(tenant_id) as tx:
        for envelope in envelopes:
            await add(tx, probe.tables, envelope)
        await tx.commit()


async def _rows(probe: Probe, tenant_id: str) -> Sequence[Any]:
    async with probe.db.transaction(tenant_id) as tx:
        return await tx.fetch_all("SELECT * FROM outbox_events ORDER BY position")


@asynccontextmanager
async def _running(probe: Probe, *buses: MemoryBus) -> AsyncIterator[None]:
    relays = [asyncio.create_task(OutboxRelay(probe.system, probe.tables, bus, probe.listener).run()) for bus in buses]
    try:
        yield
    finally:
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)


async def _until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "too late"
        await asyncio.sleep(0.005)


async def _until_marked(probe: Probe, tenant_id: str) -> None:
    """What was sent is marked in the same round, a moment later."""
    async with asyncio.timeout(30):
        while {row.status for row in await _rows(probe, tenant_id)} != {"published"}:
            await asyncio.sleep(0.005)


async def test_a_message_leaves_whole_and_is_marked(probe: Probe, bus: RecordingBus, tenant_id: str) -> None:
    sent = _envelope(tenant_id, "k", '{"text": "Grüße", "n": 1.0, "again":  [ ]}'.encode())
    async with _running(probe, bus):
        await _put(probe, tenant_id, sent)
        await _until(lambda: bus.sent)
        await _until_marked(probe, tenant_id)
    assert bus.sent == [sent]
    (row,) = await _rows(probe, tenant_id)
    assert (row.status, row.publish_attempts, row.last_error) == ("published", 1, None)
    assert row.published_at >= row.created_at


async def test_nothing_leaves_of_a_transaction_that_is_rolled_back(
    probe: Probe, bus: RecordingBus, tenant_id: str
) -> None:
    async with probe.db.transaction(tenant_id) as tx:
        await add(tx, probe.tables, _envelope(tenant_id, "k"))
    relay = OutboxRelay(probe.system, probe.tables, bus, probe.listener)
    assert (await relay.relay_once()).published == 0
    assert bus.calls == 0


async def test_the_commit_wakes_the_relay(probe: Probe, bus: RecordingBus, tenant_id: str) -> None:
    async with _running(probe, bus):
        await asyncio.sleep(0.1)
        delays = []
        for n in range(5):
            await _put(probe, tenant_id, _envelope(tenant_id, "k"))
            committed = time.monotonic()
            await _until(partial(lambda count: len(bus.sent) > count, n))
            delays.append(time.monotonic() - committed)
    assert sorted(delays)[2] < 0.2, "well below the poll of 0.5 s"


async def test_two_relays_keep_every_key_in_order_and_send_nothing_twice(
    probe: Probe, bus: RecordingBus, tenant_id: str
) -> None:
    other = RecordingBus()
    other.sent = bus.sent
    keys = [new_id("run") for _ in range(6)]
    async with _running(probe, bus, other):
        for n in range(30):
            await _put(probe, tenant_id, *(_envelope(tenant_id, key, b"%d" % n) for key in keys))
        await _until(lambda: len(bus.sent) >= 180)
        await asyncio.sleep(0.1)
    for key in keys:
        assert bus.payloads(key) == [b"%d" % n for n in range(30)]


async def test_rows_wait_in_order_while_the_broker_is_away(probe: Probe, bus: RecordingBus, tenant_id: str) -> None:
    bus.down = True
    async with _running(probe, bus):
        await _put(probe, tenant_id, *(_envelope(tenant_id, f"key-{n % 5}", b"%d" % n) for n in range(10)))
        await _until(lambda: bus.calls >= 8)  # the second round: the first is on record
        rows = await _rows(probe, tenant_id)
        assert {row.status for row in rows} == {"pending"}
        assert min(row.publish_attempts for row in rows) >= 1
        assert "the broker is away" in rows[0].last_error
        await _put(probe, tenant_id, _envelope(tenant_id, "key-0", b"10"))
        bus.down = False
        await _until(lambda: len(bus.sent) == 11)
        await _until_marked(probe, tenant_id)
    assert bus.payloads("key-0") == [b"0", b"5", b"10"]
    assert {(row.status, row.last_error) for row in await _rows(probe, tenant_id)} == {("published", None)}


async def test_one_message_that_the_broker_refuses_holds_up_its_own_key_only(
    probe: Probe, bus: RecordingBus, tenant_id: str
) -> None:
    bus.refused_keys = {"bad"}
    mixed = [_envelope(tenant_id, key, b"%d" % n) for n, key in enumerate(["a", "bad", "b", "bad", "a"])]
    async with _running(probe, bus):
        await _put(probe, tenant_id, *mixed)
        await _until(lambda: len(bus.sent) == 3)
        await _put(probe, tenant_id, _envelope(tenant_id, "c", b"5"))
        await _until(lambda: len(bus.sent) == 4)
        bus.refused_keys = set()
        await _until(lambda: len(bus.sent) == 6)
    assert bus.payloads("bad") == [b"1", b"3"]
    assert bus.payloads("a") == [b"0", b"4"]


async def test_a_relay_that_dies_before_marking_has_its_rows_published_again(
    probe: Probe, bus: RecordingBus, tenant_id: str
) -> None:
    class DyingBus(RecordingBus):
        async def publish(self, envelopes: Sequence[Envelope]) -> None:
            await super().publish(envelopes)
            raise asyncio.CancelledError

    dying = DyingBus()
    dying.sent = bus.sent
    await _put(probe, tenant_id, *(_envelope(tenant_id, "k", b"%d" % n) for n in range(3)))
    with pytest.raises(asyncio.CancelledError):
        await OutboxRelay(probe.system, probe.tables, dying, probe.listener).relay_once()
    outcome = await OutboxRelay(probe.system, probe.tables, bus, probe.listener).relay_once()
    assert outcome.published == 3
    assert bus.payloads("k") == [b"0", b"1", b"2"] * 2, "twice, and each time in order"


async def test_the_relay_gets_over_a_lost_database_connection(probe: Probe, bus: RecordingBus, tenant_id: str) -> None:
    async with _running(probe, bus):
        await _put(probe, tenant_id, _envelope(tenant_id, "k", b"0"))
        await _until(lambda: len(bus.sent) == 1)
        async with probe.system.transaction() as tx:
            others = "usename = 'lace_probe_system' AND pid <> pg_backend_pid()"
            await tx.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        await _put(probe, tenant_id, _envelope(tenant_id, "k", b"1"))
        await _until(lambda: len(bus.sent) == 2)


async def test_the_trace_goes_with_the_message(probe: Probe, bus: RecordingBus, tenant_id: str) -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("cause") as span:
        await _put(probe, tenant_id, _envelope(tenant_id, "k"))
    await OutboxRelay(probe.system, probe.tables, bus, probe.listener).relay_once()
    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    assert bus.sent[0].headers["traceparent"].split("-")[1] == trace_id
    assert bus.sent[0].headers["correlation_id"] == "c-1"


async def test_a_handled_message_has_no_second_effect(probe: Probe, tenant_id: str) -> None:
    envelope = _envelope(tenant_id, "k")
    outcomes: defaultdict[str, list[bool]] = defaultdict(list)

    async def handle(handler: str, *, commit: bool) -> None:
        async with probe.db.transaction(tenant_id) as tx:
            outcomes[handler].append(await handle_once(tx, probe.tables, envelope, handler, 2))
            if commit:
                await tx.commit()

    await handle("store", commit=False)
    for _ in range(3):
        await handle("store", commit=True)
    await handle("index", commit=True)
    assert outcomes == {"store": [True, True, False, False], "index": [True]}
    async with probe.db.transaction(tenant_id) as tx:
        rows = await tx.fetch_all("SELECT handler, handler_version, topic FROM job_executions ORDER BY handler")
    assert list(map(tuple, rows)) == [("index", 2, "thing.added"), ("store", 2, "thing.added")]


async def test_two_deliveries_at_once_have_one_effect(probe: Probe, tenant_id: str) -> None:
    envelope = _envelope(tenant_id, "k")

    async def handle() -> bool:
        async with probe.db.transaction(tenant_id) as tx:
            fresh = await handle_once(tx, probe.tables, envelope, "store", 1)
            await asyncio.sleep(0.02)
            await tx.commit()
            return fresh

    assert sorted(await asyncio.gather(*(handle() for _ in range(8)))) == [False] * 7 + [True]


async def test_pruning_takes_what_is_old_and_leaves_what_is_pending(
    probe: Probe, bus: RecordingBus, tenant_id: str
) -> None:
    old, fresh, pending = (_envelope(tenant_id, key) for key in ("old", "fresh", "pending"))
    async with probe.db.transaction(tenant_id) as tx:
        for envelope in (old, fresh, pending):
            await add(tx, probe.tables, envelope)
            await handle_once(tx, probe.tables, envelope, "store", 1)
        published = (
            "UPDATE outbox_events SET status = 'published', published_at = now() - CAST(:age AS interval)"
            " WHERE id = :id"
        )
        await tx.execute(published, {"age": "4 days", "id": old.id})
        await tx.execute(published, {"age": "1 day", "id": fresh.id})
        await tx.execute(
            "UPDATE outbox_events SET created_at = now() - interval '1 year' WHERE id = :id", {"id": pending.id}
        )
        await tx.execute(
            "UPDATE job_executions SET executed_at = now() - interval '31 days' WHERE event_id = :id", {"id": old.id}
        )
        await tx.commit()
    await prune(probe.system)
    assert [row.key for row in await _rows(probe, tenant_id)] == ["fresh", "pending"]
    async with probe.db.transaction(tenant_id) as tx:
        handled = {row.event_id for row in await tx.fetch_all("SELECT event_id FROM job_executions")}
    assert handled == {fresh.id, pending.id}


async def test_a_row_that_cannot_be_sent_says_why_and_holds_up_its_own_key_alone(
    probe: Probe, tenant_id: str, bus: RecordingBus
) -> None:
    async with probe.system.transaction() as tx:
        await tx.execute(
            "INSERT INTO outbox_events (id, tenant_id, topic, key, payload_json, headers_json) "
            "VALUES (:id, :t, 'thing.added', 'broken', '{}', '5')",
            {"id": new_id("evt"), "t": tenant_id},
        )
        await tx.commit()
    await _put(probe, tenant_id, _envelope(tenant_id, "broken", b'"behind"'), _envelope(tenant_id, "good", b'"sent"'))
    async with _running(probe, bus):
        await _until(lambda: bus.payloads("good"))
        async with asyncio.timeout(30):
            while not (await _rows(probe, tenant_id))[0].last_error:
                await asyncio.sleep(0.01)
    assert (bus.payloads("good"), bus.payloads("broken")) == ([b'"sent"'], [])
    first, second, third = await _rows(probe, tenant_id)
    assert (first.status, second.status, third.status) == ("pending", "pending", "published")
    assert first.last_error
    assert first.publish_attempts >= 1


async def test_what_a_row_names_is_published_in_its_place(probe: Probe, bus: RecordingBus, tenant_id: str) -> None:
    refused = {"key-0"}

    async def expand(tx: Transaction, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        if refused & {envelope.key for envelope in envelopes}:
            raise ValueError("what is named cannot be read")
        names = await tx.fetch_all(
            "SELECT name FROM things WHERE tenant_id = :tenant ORDER BY name", {"tenant": tenant_id}
        )
        return [
            replace(envelope, topic=row.name) if envelope.topic == "thing.added" else envelope
            for envelope in envelopes
            for row in (names if envelope.topic == "thing.added" else names[:1])
        ]

    async with probe.db.transaction(tenant_id) as tx:
        for name in ("one", "two"):
            await tx.execute("INSERT INTO things (tenant_id, name) VALUES (:t, :n)", {"t": tenant_id, "n": name})
        await tx.commit()
    plain = replace(_envelope(tenant_id, "key-1"), topic="plain")
    await _put(probe, tenant_id, _envelope(tenant_id, "key-0"), _envelope(tenant_id, "key-1"), plain)
    relay = OutboxRelay(probe.system, probe.tables, bus, probe.listener, expand)
    assert (await relay.relay_once()) == Outcome(published=2, failed=1)
    assert [(envelope.key, envelope.topic) for envelope in bus.sent] == [
        ("key-1", "one"),
        ("key-1", "two"),
        ("key-1", "plain"),
    ]
    (waiting,) = [row for row in await _rows(probe, tenant_id) if row.status == "pending"]
    assert "cannot be read" in waiting.last_error
    refused.clear()
    relay = OutboxRelay(probe.system, probe.tables, bus, probe.listener, expand)
    assert (await relay.relay_once()).published == 1
    assert [envelope.topic for envelope in bus.sent if envelope.key == "key-0"] == ["one", "two"]


async def test_a_broker_that_does_not_answer_is_not_asked_key_by_key(
    probe: Probe, bus: RecordingBus, tenant_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_PUBLISH_TIMEOUT_S", 0.05)
    calls = 0

    async def hang(envelopes: Sequence[Envelope]) -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(60)

    monkeypatch.setattr(bus, "publish", hang)
    await _put(probe, tenant_id, *(_envelope(tenant_id, f"key-{n}") for n in range(5)))
    relay = OutboxRelay(probe.system, probe.tables, bus, probe.listener)
    assert await relay.relay_once() == Outcome(published=0, failed=5)
    assert calls == 1
