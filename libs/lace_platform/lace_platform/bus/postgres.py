"""The bus on Postgres: messages in a table, one delivery row per group, woken by NOTIFY."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from datetime import timedelta

import orjson
import psycopg
import structlog

from lace_platform.bus.delivery import RetryPolicy
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX, Envelope
from lace_platform.bus.port import Consumption, Handler
from lace_platform.bus.postgres_consumer import PostgresConsumer
from lace_platform.db.autocommit import AutocommitConnection
from lace_platform.db.database import PLANNED_ONCE
from lace_platform.db.dsn import connection_parameters
from lace_platform.db.listener import Listener
from lace_platform.db.migrations import BUS_ROLE

# One JSON parameter is many times cheaper to write than eight arrays.
_PUBLISH = """
    SELECT bus.publish(
        array_agg(m.id ORDER BY m.place), array_agg(m.tenant_id ORDER BY m.place), array_agg(m.topic ORDER BY m.place),
        array_agg(m.key ORDER BY m.place), array_agg(m.payload ORDER BY m.place),
        array_agg(m.schema_version ORDER BY m.place), array_agg(m.headers ORDER BY m.place),
        array_agg(m.created_at ORDER BY m.place))
    FROM ROWS FROM (json_to_recordset(CAST(:rows AS json)) AS (id text, tenant_id text, topic text, key text,
        payload text, schema_version integer, headers text, created_at timestamptz)) WITH ORDINALITY
        AS m(id, tenant_id, topic, key, payload, schema_version, headers, created_at, place)
"""
_NOTIFY = "SELECT pg_notify(channel, '') FROM unnest(CAST(:channels AS text[])) AS told(channel)"
_SUBSCRIBE = "SELECT bus.subscribe(:group, topic) FROM unnest(CAST(:topics AS text[])) AS wanted(topic)"
# Each bounded, so that no run holds its locks for long.
_PRUNE = (
    # A group that nobody has consumed for so long is gone; its deliveries would keep messages for ever.
    "DELETE FROM bus.subscriptions WHERE seen_at < now() - :kept",
    """
    DELETE FROM bus.deliveries WHERE ctid = ANY(ARRAY(
        SELECT d.ctid FROM bus.deliveries AS d
        WHERE NOT EXISTS (SELECT FROM bus.subscriptions AS s WHERE s.group_name = d.group_name AND s.topic = d.topic)
        LIMIT 5000))
    """,
    """
    DELETE FROM bus.messages WHERE ctid = ANY(ARRAY(
        SELECT m.ctid FROM bus.messages AS m
        WHERE m.published_at < now() - CASE WHEN m.topic LIKE :dead THEN :dead_kept ELSE :kept END
          AND NOT EXISTS (SELECT FROM bus.deliveries AS d WHERE d.position = m.position)
        LIMIT 5000))
    """,
)
_PRUNE_EVERY_S = 300.0

_log = structlog.get_logger(__name__)


class PostgresBus:
    """A bus for one database; every process that publishes or consumes has one."""

    def __init__(
        self,
        dsn: str,
        *,
        password: str,
        role: str = BUS_ROLE,
        concurrency: int = 16,
        lease_s: float = 4.0,
        retry: RetryPolicy | None = None,
        kept: timedelta = timedelta(days=7),
        dead_letters_kept: timedelta = timedelta(days=90),
    ) -> None:
        """`concurrency` is per subscription; a killed consumer's messages go on elsewhere after `lease_s`."""
        durable = connection_parameters(
            dsn, role=role, password=password, application_name=role, settings=dict(PLANNED_ONCE)
        )
        # A claim or an acknowledgement that a crash of the server forgets is one more delivery, which is allowed.
        relaxed = connection_parameters(
            dsn,
            role=role,
            password=password,
            application_name=role,
            settings={**PLANNED_ONCE, "synchronous_commit": "off"},
        )
        self._publishing = AutocommitConnection(durable)
        self._consuming = AutocommitConnection(relaxed)
        self._listener = Listener(dsn, role, password)
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._retry = retry or RetryPolicy()
        self._retention = {"kept": kept, "dead_kept": dead_letters_kept, "dead": f"%{DEAD_LETTER_SUFFIX}"}
        self._subscriptions: list[tuple[str, list[str]]] = []
        self._consumers: list[PostgresConsumer] = []
        self._upkeep: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start listening and the upkeep of the tables."""
        await self._listener.start()
        self._upkeep = self._upkeep or asyncio.create_task(self._keep_up(), name="bus-upkeep")

    async def close(self) -> None:
        """Stop all consumers, then the connections."""
        await asyncio.gather(*(consumer.close() for consumer in self._consumers))
        self._consumers.clear()
        if self._upkeep is not None:
            self._upkeep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._upkeep
            self._upkeep = None
        await self._listener.close()
        await self._publishing.close()
        await self._consuming.close()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """All of them in one commit, in the order given; then one wake-up per topic."""
        if not envelopes:
            return
        await self._publishing.execute(_PUBLISH, {"rows": _rows(envelopes)})
        channels = sorted({channel(envelope.topic) for envelope in envelopes})
        # The messages are there: a lost wake-up costs one poll.
        with contextlib.suppress(psycopg.Error):
            await self._publishing.execute(_NOTIFY, {"channels": channels})

    async def subscribe(self, topics: Sequence[str], group: str, handler: Handler) -> Consumption:
        """Register the group, which a first time gives it all kept messages, and consume in the background."""
        await self._consuming.execute(_SUBSCRIBE, {"group": group, "topics": list(topics)})
        self._subscriptions.append((group, list(topics)))
        consumer = PostgresConsumer(
            self._consuming,
            self._listener.subscribe(*map(channel, topics)),
            topics=topics,
            group=group,
            handler=handler,
            concurrency=self._concurrency,
            lease_s=self._lease_s,
            retry=self._retry,
        )
        self._consumers.append(consumer)
        consumer.start()
        return consumer

    async def prune(self) -> None:
        """Delete messages that every group has had and that are older than the retention."""
        for statement in _PRUNE:
            names = {name: value for name, value in self._retention.items() if f":{name}" in statement}
            await self._consuming.execute(statement, names)

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(_PRUNE_EVERY_S)
            try:
                for group, topics in self._subscriptions:
                    await self._consuming.execute(_SUBSCRIBE, {"group": group, "topics": topics})
                await self.prune()
            except (psycopg.Error, OSError) as error:
                _log.warning("bus_upkeep_failed", error=str(error))


def channel(topic: str) -> str:
    """The NOTIFY channel of a topic; a name too long for Postgres is replaced by its hash."""
    name = f"bus_{topic}"
    return name if len(name.encode()) < 64 else f"bus_{hashlib.sha256(topic.encode()).hexdigest()[:40]}"


def _rows(envelopes: Sequence[Envelope]) -> str:
    rows = [
        {
            "id": e.id,
            "tenant_id": e.tenant_id,
            "topic": e.topic,
            "key": e.key,
            "payload": e.payload.decode(),
            "schema_version": e.schema_version,
            "headers": orjson.dumps(dict(e.headers)).decode(),
            "created_at": e.created_at,
        }
        for e in envelopes
    ]
    return orjson.dumps(rows).decode()
