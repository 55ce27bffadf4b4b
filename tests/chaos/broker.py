"""What a broker still holds for consumer groups that have read from it before."""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

_POLL_S = 0.2


async def wait_until_read(bootstrap: str, within_s: float) -> list[str]:
    """What groups have not settled after that time; empty as soon as there is nothing.

    A message whose reader died before it said so is given out once more, later, whatever its effect is by then.
    """
    admin, consumer = AIOKafkaAdminClient(bootstrap_servers=bootstrap), AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await consumer.start()
        until = time.monotonic() + within_s
        while (found := await _unread(admin, consumer)) and time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
        return found
    finally:
        await consumer.stop()
        await admin.close()


async def _unread(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> list[str]:
    found: list[str] = []
    for group, *_ in await admin.list_consumer_groups():
        settled = await admin.list_consumer_group_offsets(group)
        topics = {partition.topic for partition in settled}
        known = (description for description in await admin.describe_topics(sorted(topics)) if topics)
        partitions = [TopicPartition(one["topic"], each["partition"]) for one in known for each in one["partitions"]]
        for partition, end in (await consumer.end_offsets(partitions)).items():
            first = settled[partition].offset if partition in settled else 0
            if first < end:
                found.append(f"{group} has not settled {end - first} of {partition.topic}")
    return found
