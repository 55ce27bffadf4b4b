"""What a run does, read from Kafka by a consumer outside of LACE, to the run's last event.

With LACE on Kafka (LACE_BUS=kafka) every event is published on the topic of its type, keyed by run id, with CloudEvents
headers. With the package aiokafka, and the id of a run:

    export KAFKA_BOOTSTRAP=127.0.0.1:9092
    .venv/bin/python examples/clients/events_from_kafka.py run_...

Topics are independent of each other: what puts a run's events in order is their `sequence`, which counts from 1.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer

LAST = ("pipeline.run.completed", "pipeline.run.failed", "pipeline.run.cancelled")


async def records(run_id: str) -> AsyncIterator[tuple[dict[str, str], dict[str, Any]]]:
    """The run's events as they come, (CloudEvents attributes, event); one that is delivered again comes again."""
    # Without a group: this program reads everything from the first record that is kept, and remembers nothing.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"), auto_offset_reset="earliest"
    )
    consumer.subscribe(pattern=r"^pipeline\..*(?<!\.dlq)$")
    await consumer.start()
    try:
        async for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            if record.key == run_id.encode() and "redrive-of" not in headers:  # sent again for LACE's own use
                attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce_")}
                yield attributes, json.loads(record.value)
    finally:
        await consumer.stop()


async def events(run_id: str) -> AsyncIterator[tuple[dict[str, str], dict[str, Any]]]:
    """The run's events, each once and in order, to its last."""
    early: dict[int, tuple[dict[str, str], dict[str, Any]]] = {}
    expected = 1
    async for attributes, event in records(run_id):
        early[event["sequence"]] = attributes, event
        while expected in early:
            yield early[expected]
            if early.pop(expected)[1]["event_type"] in LAST:
                return
            expected += 1
        for known in [sequence for sequence in early if sequence < expected]:
            del early[known]


async def main(run_id: str) -> None:
    """A line for each event."""
    async for attributes, event in events(run_id):
        print(f"{event['sequence']:4}  {attributes['time']}  {attributes['type']}  {event['status']}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
