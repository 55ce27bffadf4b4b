"""One group's consumer on Kafka: keys side by side, each in order, and offsets committed up to the first open one."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError

from lace_platform.bus.delivery import RetryPolicy, attempt, cause_of_death, dead_letter
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX, Envelope
from lace_platform.bus.kafka_record import envelope_of, foreign_envelope_of
from lace_platform.bus.port import Handler

_FETCH_MS = 5_000
_BATCH = 50
_GRACE_S = 5.0
_PAUSE_AFTER_ERROR_S = 1.0
# How far a partition's other keys may run ahead of one that fails or takes long; what they handled beyond it is
# delivered once more where another member takes the partition over.
_AHEAD = 500
# Offsets settled within this time share a commit.
_COMMIT_LINGER_S = 0.02

_Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"

_log = structlog.get_logger(__name__)


class KafkaConsumption(ConsumerRebalanceListener):  # type: ignore[misc]
    """Handles the partitions that the group gives this member; at most `concurrency` messages at the same time."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        *,
        group: str,
        handler: Handler,
        bury: Callable[[Sequence[Envelope]], Awaitable[None]],
        concurrency: int,
        retry: RetryPolicy,
    ) -> None:
        self.consumer = consumer
        self.group = group
        self.handler = handler
        self.bury = bury
        self.slots = asyncio.Semaphore(concurrency)
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


class Window:
    """The offsets of a partition that were taken up, and the one up to which all are settled."""

    def __init__(self) -> None:
        self._taken: deque[int] = deque()
        self._settled: set[int] = set()
        self.next: int | None = None

    def __len__(self) -> int:
        """Offsets from the first open one on."""
        return len(self._taken)

    def take(self, offset: int) -> None:
        """An offset is taken up; each is greater than the one before."""
        self._taken.append(offset)

    def settle(self, offset: int) -> None:
        """An offset is done; `next` moves behind it where none before it is open."""
        self._settled.add(offset)
        while self._taken and self._taken[0] in self._settled:
            first = self._taken.popleft()
            self._settled.discard(first)
            self.next = first + 1


class _Partition:
    """One partition in this member's hands."""

    def __init__(self, owner: KafkaConsumption, partition: TopicPartition) -> None:
        self._owner = owner
        self._partition = partition
        self._window = Window()
        self._committed: int | None = None
        self._lanes: dict[bytes | None, deque[_Record]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._handling: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._room = asyncio.Event()
        self._ending = False
        name = f"bus-kafka-{owner.group}-{partition.topic}-{partition.partition}"
        self._loops = [
            asyncio.create_task(self._fetch(), name=name),
            asyncio.create_task(self._keep_committing(), name=f"{name}-commit"),
        ]

    async def end(self) -> None:
        """Stop after the messages in hand, or within 5 s of now in the middle of them; commit what was handled."""
        self._ending = True
        await _cancelled(self._loops)
        in_hand = set(self._handling)
        await _cancelled(self._workers - in_hand)
        if in_hand:
            await asyncio.wait(in_hand, timeout=_GRACE_S)
        await _cancelled(in_hand)
        await self._commit()

    async def _fetch(self) -> None:
        consumer = self._owner.consumer
        while True:
            try:
                while len(self._window) >= _AHEAD:
                    self._room.clear()
                    await self._room.wait()
                fetched = await consumer.getmany(self._partition, timeout_ms=_FETCH_MS, max_records=_BATCH)
                for record in fetched.get(self._partition, ()):
                    self._accept(record)
            except ConsumerStoppedError:
                return
            except Exception as error:  # noqa: BLE001 - the broker's, in fetching
                _log.warning("bus_partition_failed", partition=str(self._partition), error=str(error))
                await asyncio.sleep(_PAUSE_AFTER_ERROR_S)

    def _accept(self, record: _Record) -> None:
        """Put a record behind the others of its key."""
        self._window.take(record.offset)
        lane = self._lanes.setdefault(record.key, deque())
        lane.append(record)
        if len(lane) == 1:
            worker = asyncio.create_task(self._work(record.key, lane), name=f"bus-lane-{record.offset}")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self, key: bytes | None, lane: deque[_Record]) -> None:
        """Handle the records of one key, one after the other, until there are none."""
        while lane:
            if not await self._settle(lane[0]):
                return
            self._window.settle(lane.popleft().offset)
            self._settled.set()
            self._room.set()
        del self._lanes[key]

    async def _settle(self, record: _Record) -> bool:
        """Try the message until it is handled or dead; False when this member is to stop before that."""
        try:
            envelope = envelope_of(record)
        except ValueError as foreign:
            return await self._put_aside(record, foreign)
        made = 0
        while not self._ending:
            made += 1
            error = await self._attempt(envelope, made)
            if error is None:
                return True
            if self._owner.retry.is_over(envelope, made, error):
                return await self._bury(envelope, error, made)
            await asyncio.sleep(self._owner.retry.pause(made))
        return False

    async def _attempt(self, envelope: Envelope, made: int) -> Exception | None:
        task = asyncio.current_task()
        assert task is not None
        async with self._owner.slots:
            self._handling.add(task)
            try:
                return await attempt(self._owner.handler, envelope, self._owner.group, made)
            finally:
                self._handling.discard(task)

    async def _put_aside(self, record: _Record, foreign: ValueError) -> bool:
        """A record that no bus of ours has written becomes a dead letter at once, where there is a place for it."""
        if record.topic.endswith(DEAD_LETTER_SUFFIX):
            _log.error("bus_record_skipped", error=str(foreign))
            return True
        return await self._bury(foreign_envelope_of(record), foreign, 1)

    async def _bury(self, envelope: Envelope, error: Exception, made: int) -> bool:
        """Publish the dead letter, however long the broker takes; False when this member is to stop before that."""
        letter = dead_letter(envelope, cause_of_death(envelope, error, self._owner.group, made))
        while not self._ending:
            try:
                await self._owner.bury([letter])
                return True
            except KafkaError as trouble:
                _log.warning("bus_burial_failed", partition=str(self._partition), error=str(trouble))
                await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
        return False

    async def _keep_committing(self) -> None:
        while True:
            await self._settled.wait()
            await asyncio.sleep(_COMMIT_LINGER_S)
            self._settled.clear()
            if not await self._commit():
                await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
                self._settled.set()

    async def _commit(self) -> bool:
        settled = self._window.next
        if settled is None or settled == self._committed:
            return True
        try:
            await self._owner.consumer.commit({self._partition: settled})
        except (KafkaError, IllegalStateError) as error:
            # The broker is away, or the partition went to another member, who handles these messages once more.
            _log.warning("bus_commit_failed", partition=str(self._partition), error=str(error))
            return False
        self._committed = settled
        return True


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    for task in ending:
        with contextlib.suppress(asyncio.CancelledError):
            await task
