"""Every event of a run leaves by the outbox, in order and once, with the OpenLineage events of its ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

from lace_platform.bus import Envelope
from lace_platform.bus.memory import MemoryBus
from lace_platform.outbox import OutboxRelay
from lace_runs.adapters.publication import EventPublication
from lace_runs.adapters.tables import INFRASTRUCTURE
from lace_runs.api.convert_events import event_json
from lace_runs.domain.event_types import EVENT_TYPES
from lace_runs.domain.runs import Trigger
from tests.doubles.runs_world import World


class RecordingBus(MemoryBus):
    """Remembers what is published, in order, and may refuse it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Envelope] = []
        self.away = False

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        if self.away:
            raise ConnectionError("the broker is away")
        self.sent.extend(envelopes)

    def of(self, run_id: str) -> list[Envelope]:
        return [envelope for envelope in self.sent if envelope.key == run_id]

    async def until_end_of(self, run_id: str) -> list[Envelope]:
        async with asyncio.timeout(30):
            while not any(envelope.topic == "openlineage.complete" for envelope in self.of(run_id)):
                await asyncio.sleep(0.01)
        return self.of(run_id)


@asynccontextmanager
async def _relaying(world: World, *, lineage: bool = True) -> AsyncIterator[RecordingBus]:
    bus = RecordingBus()
    publication = EventPublication(event_json, lineage=lineage)
    relay = OutboxRelay(world.system, INFRASTRUCTURE, bus, world.listener, publication)
    task = asyncio.create_task(relay.run())
    try:
        yield bus
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _events(published: Sequence[Envelope]) -> list[Any]:
    return [orjson.loads(envelope.payload) for envelope in published if envelope.topic in EVENT_TYPES]


async def test_a_run_s_events_leave_once_and_in_order_as_they_are_kept(world: World) -> None:
    async with _relaying(world) as bus, world.worker(publish_events=True):
        run = await world.start("noop10")
        await world.until(run.run_id, "succeeded")
        published = await bus.until_end_of(run.run_id)
        kept = await world.events(run.run_id)
    events = [envelope for envelope in published if envelope.topic in EVENT_TYPES]
    assert [envelope.payload for envelope in events] == [event_json(event) for event in kept]
    assert [envelope.id for envelope in events] == [event.event_id for event in kept]
    assert [envelope.topic for envelope in events] == [event.draft.event_type for event in kept]
    assert [event["sequence"] for event in _events(published)] == list(range(1, len(kept) + 1))
    assert {envelope.tenant_id for envelope in published} == {world.tenant_id}
    assert {envelope.headers["correlation_id"] for envelope in events} == {"cor"}
    lineage = [envelope for envelope in published if envelope.topic.startswith("openlineage.")]
    told = [(envelope.topic, orjson.loads(envelope.payload)["eventType"]) for envelope in lineage]
    assert told == [("openlineage.start", "START"), ("openlineage.complete", "COMPLETE")]
    assert len({orjson.loads(envelope.payload)["run"]["runId"] for envelope in lineage}) == 1


async def test_where_events_stay_at_home_only_the_dispatch_leaves(world: World) -> None:
    async with _relaying(world, lineage=False) as bus, world.worker():
        run = await world.start("noop10")
        await world.until(run.run_id, "succeeded")
        async with asyncio.timeout(30):
            while not bus.of(run.run_id):
                await asyncio.sleep(0.01)
        [event] = _events(bus.of(run.run_id))
    assert (event["event_type"], event["sequence"]) == ("pipeline.run.requested", 1)


async def test_events_wait_for_the_broker_and_then_leave_in_order(world: World) -> None:
    async with _relaying(world) as bus, world.worker(publish_events=True):
        bus.away = True
        run = await world.start("noop10")
        await world.until(run.run_id, "succeeded")
        assert bus.of(run.run_id) == []
        bus.away = False
        published = await bus.until_end_of(run.run_id)
        kept = await world.events(run.run_id)
    assert [event["sequence"] for event in _events(published)] == [event.sequence for event in kept]


async def test_a_run_that_never_began_has_both_ends_told(world: World) -> None:
    async with _relaying(world) as bus:
        run = await world.start("noop10")
        await world.control(run.run_id, Trigger.CANCEL)
        async with world.worker(publish_events=True):
            await world.until(run.run_id, "cancelled")
            published = await bus.until_end_of(run.run_id)
    told = [orjson.loads(envelope.payload) for envelope in published if envelope.topic.startswith("openlineage.")]
    assert [event["eventType"] for event in told] == ["START", "ABORT"]
