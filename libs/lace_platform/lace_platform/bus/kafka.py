"""The bus on Kafka: an idempotent producer, consumer groups, and offsets committed by hand after handling."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from lace_platform.bus.delivery import RetryPolicy
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX, Envelope
from lace_platform.bus.kafka_consumer import KafkaConsumption
from lace_platform.bus.kafka_producer import LARGEST_MESSAGE, KafkaPublisher
from lace_platform.bus.port import Consumption, Handler

# Rebalancing takes one heartbeat, taking over from a killed member one session (6 s is the least a broker allows).
_HEARTBEAT_MS = 300
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
        topics: Iterable[str] = (),
        partitions: int = 12,
        replication: int = 3,
        concurrency: int = 16,
        retry: RetryPolicy | None = None,
    ) -> None:
        """`bootstrap` is host:port[,host:port…]; `replication` is bounded by the number of brokers.

        `topics` are made at the start, so that outside consumers find them; `concurrency` is per subscription.
        """
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._topics = tuple(topics)
        self._partitions = partitions
        self._replication = replication
        self._concurrency = concurrency
        self._retry = retry or RetryPolicy()
        self._publisher = KafkaPublisher(bootstrap, client_id)
        self._known_topics: set[str] = set()
        self._creating = asyncio.Lock()
        self._consumptions: list[KafkaConsumption] = []

    async def start(self) -> None:
        """Connect the producer. Raises aiokafka.errors.KafkaConnectionError where no broker answers."""
        await self._publisher.start()
        await self._ensure_topics(self._topics)

    async def close(self) -> None:
        """Leave all groups, then flush and close the producer."""
        await asyncio.gather(*(consumption.close() for consumption in self._consumptions))
        self._consumptions.clear()
        await self._publisher.close()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Send all and wait until every in-sync replica has them; messages of one key keep their order."""
        await self._ensure_topics({envelope.topic for envelope in envelopes})
        await self._publisher.publish(envelopes)

    async def subscribe(self, topics: Sequence[str], group: str, handler: Handler) -> Consumption:
        """Join the group and consume in the background; a new group begins with the earliest kept message."""
        places = {topic + DEAD_LETTER_SUFFIX for topic in topics if not topic.endswith(DEAD_LETTER_SUFFIX)}
        await self._ensure_topics({*topics, *places})
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
        consumption = KafkaConsumption(
            consumer,
            group=group,
            handler=handler,
            bury=self.publish,
            concurrency=self._concurrency,
            retry=self._retry,
        )
        await consumption.start(topics)
        self._consumptions.append(consumption)
        return consumption

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
        limit = {"max.message.bytes": str(LARGEST_MESSAGE)}
        wanted = [NewTopic(topic, self._partitions, replication, topic_configs=limit) for topic in sorted(topics)]
        response = await admin.create_topics(wanted)
        for topic, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise KafkaError(f"topic {topic} cannot be created: {error.__name__}")
        _log.info("topics_created", topics=sorted(topics), partitions=self._partitions)
