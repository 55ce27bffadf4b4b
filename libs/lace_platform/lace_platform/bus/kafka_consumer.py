"""One group's consumer on Kafka: a task per partition, each message handled before the next of its partition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError

from lace_platform.bus.delivery import RetryPolicy, attempt, cause_of_death, dead_letter
from lace_platform.bus.envelope import Envelope
from lace_platform.bus.kafka_record import envelope_of
from lace_platform.bus.port import Handler

_FETCH_MS = 5_000
_BATCH = 50
_GRACE_S = 5.0
_PAUSE_AFTER_ERROR_S = 1.0

_log = structlog.get_logger(__name__)


class KafkaConsumption(ConsumerRebalanceListener):  # type: ignore[misc]
    """Handles the partitions that the group gives this member, each in its own task; that bounds the concurrency."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        *,
        group: str,
        handler: Handler,
        bury: Callable[[Sequence[Envelope]], Awaitable[None]],
        retry: RetryPolicy,
    ) -> None:
        self.consumer = consumer
        self.group = group
        self.handler = handler
        self.bury = bury
        self.retry = retry
        self._partitions: dict[TopicPartition, _Partition] = {}

    async def start(self, topics: Sequence[str]) -> None:
        """Join the group; returns before the first assignment."""
        self.consumer.subscribe(list(topics), listener=self)
        await self.consumer.start()

    async def close(self) -> None:
        """Let running handlers end for 5 s, then leave the group."""
        await self._end(list(self._partitions))
        await self.consumer.stop()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by the group's coordinator after a rebalance."""
        for partition in assigned:
            self._partitions[partition] = _Partition(self, partition)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called before a rebalance: what was handled is committed before another member may take over."""
        await self._end(list(revoked))

    async def _end(self, partitions: Sequence[TopicPartition]) -> None:
        ending = [held for partition in partitions if (held := self._partitions.pop(partition, None))]
        await asyncio.gather(*(held.end() for held in ending))


class _Partition:
    """One partition in this member's hands."""

    def __init__(self, owner: KafkaConsumption, partition: TopicPartition) -> None:
        self._owner = owner
        self._partition = partition
        self._next: int | None = None  # the offset after the last message that was handled or buried
        self._committed: int | None = None
        self._ending = False
        self._handling = False
        name = f"bus-kafka-{owner.group}-{partition.topic}-{partition.partition}"
        self._task = asyncio.create_task(self._run(), name=name)

    async def end(self) -> None:
        """Stop after the message in hand, or within 5 s of now in the middle of it; commit what was handled."""
        self._ending = True
        if self._handling:
            await asyncio.wait([self._task], timeout=_GRACE_S)
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._commit()

    async def _run(self) -> None:
        consumer = self._owner.consumer
        while not self._ending:
            try:
                fetched = await consumer.getmany(self._partition, timeout_ms=_FETCH_MS, max_records=_BATCH)
                for record in fetched.get(self._partition, ()):
                    if not await self._settle(record):
                        return
                    self._next = record.offset + 1
                await self._commit()
            except ConsumerStoppedError:
                return
            except Exception as error:  # noqa: BLE001 - not the handler's: the broker's, in fetching or burying
                _log.warning("bus_partition_failed", partition=str(self._partition), error=str(error))
                await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
                await self._rewind()

    async def _settle(self, record: ConsumerRecord[bytes | None, bytes | None]) -> bool:
        """Try the message until it is handled or dead; False when this member is to stop before that."""
        try:
            envelope = envelope_of(record)
        except ValueError as foreign:
            _log.error("bus_record_skipped", error=str(foreign))
            return True
        made = 0
        while not self._ending:
            made += 1
            error = await self._attempt(envelope, made)
            if error is None:
                return True
            if self._owner.retry.is_over(envelope, made):
                cause = cause_of_death(envelope, error, self._owner.group, made)
                await self._owner.bury([dead_letter(envelope, cause)])
                return True
            await asyncio.sleep(self._owner.retry.pause(made))
        return False

    async def _attempt(self, envelope: Envelope, made: int) -> Exception | None:
        self._handling = True
        try:
            return await attempt(self._owner.handler, envelope, self._owner.group, made)
        finally:
            self._handling = False

    async def _commit(self) -> None:
        if self._next is None or self._next == self._committed:
            return
        try:
            await self._owner.consumer.commit({self._partition: self._next})
            self._committed = self._next
        except (KafkaError, IllegalStateError) as error:
            # The partition went to another member, who handles these messages once more.
            _log.warning("bus_commit_failed", partition=str(self._partition), error=str(error))

    async def _rewind(self) -> None:
        """Fetch again from the first message that is not settled."""
        consumer = self._owner.consumer
        try:
            if self._next is None:
                await consumer.seek_to_committed(self._partition)
            else:
                consumer.seek(self._partition, self._next)
        except (KafkaError, IllegalStateError) as error:
            _log.warning("bus_rewind_failed", partition=str(self._partition), error=str(error))
