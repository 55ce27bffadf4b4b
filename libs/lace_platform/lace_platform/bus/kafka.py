"""The bus on Kafka: an idempotent producer, consumer groups, and offsets committed by hand after handling."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from lace_platform.bus.delivery import RetryPolicy
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX, Envelope
from lace_platform.bus.kafka_consumer import KafkaConsumption
from lace_platform.bus.kafka_record import headers_of
from lace_platform.bus.port import Handler

# Rebalancing takes one heartbeat, taking over from a killed member one session (6 s is the least a broker allows).
_HEARTBEAT_MS = 400
_SESSION_MS = 6_000
# Handlers take as long as they need: a hung one is found by its own deadline, not by its silence here.
_POLL_INTERVAL_MS = 3_600_000

_log = structlog.get_logger(__name__)


class KafkaBus:
    """One producer per process and one consumer per subscription; topics are created where they are missing."""

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str = "lace",
        partitions: int = 12,
        replication: int = 3,
        retry: RetryPolicy | None = None,
    ) -> None:
        """`bootstrap` is host:port[,host:port…]; `replication` is bounded by the number of brokers."""
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._partitions = partitions
        self._replication = replication
        self._retry = retry or RetryPolicy()
        self._producer: AIOKafkaProducer | None = None
        self._known_topics: set[str] = set()
        self._creating = asyncio.Lock()
        self._consumptions: list[KafkaConsumption] = []

    async def start(self) -> None:
        """Connect the producer. Raises aiokafka.errors.KafkaConnectionError where no broker answers."""
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                client_id=self._client_id,
                enable_idempotence=True,
                acks="all",
                linger_ms=0,
                request_timeout_ms=10_000,
            )
            await producer.start()
            self._producer = producer

    async def close(self) -> None:
        """Leave all groups, then flush and close the producer."""
        await asyncio.gather(*(consumption.close() for consumption in self._consumptions))
        self._consumptions.clear()
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Send all and wait until every in-sync replica has them; messages of one key keep their order."""
        if self._producer is None:
            raise RuntimeError("the bus is not started")
        await self._ensure_topics({envelope.topic for envelope in envelopes})
        sent = [
            await self._producer.send(
                envelope.topic, value=envelope.payload, key=envelope.key.encode(), headers=headers_of(envelope)
            )
            for envelope in envelopes
        ]
        # All are awaited before the first error is raised: none may fail unseen.
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def subscribe(self, topics: Sequence[str], group: str, handler: Handler) -> None:
        """Join the group and consume in the background; a new group begins with the earliest kept message."""
        await self._ensure_topics({*topics, *(topic + DEAD_LETTER_SUFFIX for topic in topics)})
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=_HEARTBEAT_MS,
            session_timeout_ms=_SESSION_MS,
            rebalance_timeout_ms=_SESSION_MS * 5,
            max_poll_interval_ms=_POLL_INTERVAL_MS,
        )
        consumption = KafkaConsumption(consumer, group=group, handler=handler, bury=self.publish, retry=self._retry)
        await consumption.start(topics)
        self._consumptions.append(consumption)

    async def _ensure_topics(self, topics: Iterable[str]) -> None:
        missing = set(topics) - self._known_topics
        if not missing:
            return
        async with self._creating:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, client_id=self._client_id)
            await admin.start()
            try:
                await self._create(admin, missing - set(await admin.list_topics()))
            finally:
                await admin.close()
            self._known_topics |= missing

    async def _create(self, admin: AIOKafkaAdminClient, topics: set[str]) -> None:
        if not topics:
            return
        brokers = (await admin.describe_cluster())["brokers"]
        replication = min(self._replication, len(brokers))
        wanted = [NewTopic(topic, self._partitions, replication) for topic in sorted(topics)]
        response = await admin.create_topics(wanted)
        for topic, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise KafkaError(f"topic {topic} cannot be created: {error.__name__}")
        _log.info("topics_created", topics=sorted(topics), partitions=self._partitions)
