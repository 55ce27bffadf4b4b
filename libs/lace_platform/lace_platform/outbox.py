"""Messages leave through the database: a row in the transaction of their cause, then the relay publishes it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from opentelemetry import propagate
from sqlalchemy import Row

from lace_platform.bus import Bus, Envelope
from lace_platform.db.database import SystemDatabase
from lace_platform.db.listener import Listener
from lace_platform.db.retention import prune
from lace_platform.db.tables import InfrastructureTables
from lace_platform.db.transaction import Transaction

_POLL_S = 0.5
_ROUND_EVERY_S = 0.05  # a message that finds the relay at rest leaves at once; under load they leave together
_PRUNE_EVERY_S = 600.0
_SHARDS = 16
_BATCH = 200
_PUBLISH_TIMEOUT_S = 20.0  # below the server's limit for an idle transaction
_LONGEST_BACKOFF_S = 15.0
_TRIES_BEFORE_BROKER_IS_DOWN = 3

# Every session's search_path is its service's schema (db/database.py), so the statements need not name it.
_INSERT = """
    INSERT INTO outbox_events (id, tenant_id, topic, key, payload_json, schema_version, headers_json, created_at)
    VALUES (:id, :tenant_id, :topic, :key, CAST(:payload AS json), :schema_version, :headers, :created_at)
"""
# Nothing pending, no locks. The marks of the transaction need no flush: a lost mark is one more delivery.
_LOCK_SHARDS = """
    SELECT shard, set_config('synchronous_commit', 'off', true)
    FROM generate_series(0, CAST(:shards AS integer) - 1) AS shard
    WHERE EXISTS (SELECT FROM outbox_events WHERE status = 'pending')
      AND pg_try_advisory_xact_lock(hashtext(:space), shard)
"""
_READ_PENDING = """
    SELECT position, id, tenant_id, topic, key, payload_json::text AS payload, schema_version,
           headers_json AS headers, created_at, publish_attempts
    FROM outbox_events
    WHERE status = 'pending'
      AND mod(hashtextextended(key, 0) & 9223372036854775807, CAST(:shards AS bigint)) = ANY(:mine)
      AND key <> ALL(CAST(:held AS text[]))
    ORDER BY position
    LIMIT :batch
"""
_MARK_PUBLISHED = """
    UPDATE outbox_events
    SET status = 'published', published_at = clock_timestamp(), publish_attempts = publish_attempts + 1,
        last_error = NULL
    WHERE position = ANY(:positions)
"""
_MARK_FAILED = """
    UPDATE outbox_events SET publish_attempts = publish_attempts + 1, last_error = :error
    WHERE position = :position
"""

# What is published in the place of rows, in order: a row may name what its service keeps elsewhere, so that it is not
# written twice. Called in the round's transaction with all rows at once; rows whose topic it does not know stay as
# they are. What it raises keeps the rows pending, like a failure of the broker.
Expand = Callable[[Transaction, Sequence[Envelope]], Awaitable[Sequence[Envelope]]]

_log = structlog.get_logger(__name__)


async def add(tx: Transaction, tables: InfrastructureTables, envelope: Envelope) -> None:
    """Put a message into the outbox; it leaves after the transaction's commit, and only then.

    The current trace context goes with it where the envelope names none.
    """
    headers = dict(envelope.headers)
    if "traceparent" not in headers:
        propagate.inject(headers)
    row = {
        "id": envelope.id,
        "tenant_id": envelope.tenant_id,
        "topic": envelope.topic,
        "key": envelope.key,
        "payload": envelope.payload.decode(),
        "schema_version": envelope.schema_version,
        "headers": headers,
        "created_at": envelope.created_at,
    }
    await tx.execute(_INSERT, row)
    await tx.notify_after_commit(channel(tables))


def channel(tables: InfrastructureTables) -> str:
    """The channel to notify after a commit that put rows into this outbox."""
    return f"outbox_{tables.outbox_events.schema}"


class OutboxRelay:
    """Publishes one service's outbox, in order of insertion within each key; any number may run at once.

    Keys are divided into shards. A round takes the advisory locks of the shards that are free, publishes their
    oldest pending rows, and marks them in the same transaction, so that a relay that dies gives its shards back
    and its unmarked rows are published again. Consumers see a message at least once.
    """

    def __init__(
        self,
        db: SystemDatabase,
        tables: InfrastructureTables,
        bus: Bus,
        listener: Listener,
        expand: Expand | None = None,
    ) -> None:
        """`expand` says what is published in the place of rows that only name it."""
        self._expand = expand
        self._db = db
        self._tables = tables
        self._bus = bus
        self._listener = listener
        self._held: dict[str, float] = {}
        self._rounds_failed = 0
        self._pruned_at = time.monotonic()

    async def run(self) -> None:
        """Relay until cancelled; woken by NOTIFY, and every 0.5 s."""
        subscription = self._listener.subscribe(channel(self._tables))
        try:
            while True:
                began = time.monotonic()
                if not await self._round_or_pause():
                    await subscription.wait(_POLL_S)
                    await asyncio.sleep(max(0.0, began + _ROUND_EVERY_S - time.monotonic()))
                    subscription.take()
        finally:
            subscription.close()

    async def _round_or_pause(self) -> bool:
        """True when there may be more to publish at once."""
        try:
            outcome = await self.relay_once()
            await self._prune_at_times()
        except Exception as error:  # noqa: BLE001 - the relay outlives every failure of database and broker
            _log.warning("outbox_round_failed", schema=self._tables.outbox_events.schema, error=str(error))
            outcome = Outcome(0, 1)
        if outcome.failed and not outcome.published:
            self._rounds_failed += 1
            await asyncio.sleep(_backoff(self._rounds_failed))
            return True
        self._rounds_failed = 0
        return outcome.published >= _BATCH

    async def relay_once(self) -> Outcome:
        """Publish up to one batch of the shards that no other relay holds."""
        async with self._db.transaction() as tx:
            locks = await tx.fetch_all(_LOCK_SHARDS, {"space": channel(self._tables), "shards": _SHARDS})
            if not locks:
                return Outcome(0, 0)
            # A statement of its own: its snapshot must be younger than the locks, to see what the last holder marked.
            mine = {"shards": _SHARDS, "mine": [lock.shard for lock in locks]}
            rows = await tx.fetch_all(_READ_PENDING, {**mine, "held": self._keys_held(), "batch": _BATCH})
            if not rows:
                return Outcome(0, 0)
            failures = await self._publish(tx, rows)
            await self._mark(tx, rows, failures)
            await tx.commit()
            return Outcome(len(rows) - len(failures), len(failures))

    async def _publish(self, tx: Transaction, rows: Sequence[Row[Any]]) -> dict[int, Exception]:
        """Publish all at once; where that fails, key by key. Returns the failed rows' errors by position."""
        try:
            await self._send(tx, rows)
            return {}
        except Exception as error:  # noqa: BLE001 - a broker's driver may raise anything
            _log.warning("outbox_publish_failed", schema=self._tables.outbox_events.schema, error=repr(error))
            # A broker that does not answer is no matter of one key, and the transaction must not wait for it again.
            if isinstance(error, TimeoutError) or len({row.key for row in rows}) == 1:
                return {row.position: error for row in rows}
        return await self._publish_by_key(tx, rows)

    async def _publish_by_key(self, tx: Transaction, rows: Sequence[Row[Any]]) -> dict[int, Exception]:
        failures: dict[int, Exception] = {}
        last: Exception | None = None
        keys_tried = keys_failed = 0
        for of_key in _by_key(rows):
            if last is None or keys_failed < keys_tried or keys_failed < _TRIES_BEFORE_BROKER_IS_DOWN:
                keys_tried += 1
                try:
                    await self._send(tx, of_key)
                    continue
                except Exception as error:  # noqa: BLE001 - recorded in the rows
                    last = error
                    keys_failed += 1
            failures |= {row.position: last for row in of_key}
        return failures

    async def _send(self, tx: Transaction, rows: Sequence[Row[Any]]) -> None:
        envelopes: Sequence[Envelope] = [_envelope(row) for row in rows]
        if self._expand is not None:
            envelopes = await self._expand(tx, envelopes)
        async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
            await self._bus.publish(envelopes)

    async def _mark(self, tx: Transaction, rows: Sequence[Row[Any]], failures: dict[int, Exception]) -> None:
        sent = [row.position for row in rows if row.position not in failures]
        if sent:
            await tx.execute(_MARK_PUBLISHED, {"positions": sent})
        for row in rows:
            if row.position in failures:
                error = failures[row.position]
                text = f"{type(error).__name__}: {error}"[:2000]
                await tx.execute(_MARK_FAILED, {"position": row.position, "error": text})
                if sent:
                    # The broker takes others: only this key waits, with everything behind it.
                    self._held[row.key] = time.monotonic() + _backoff(row.publish_attempts + 1)

    def _keys_held(self) -> list[str]:
        now = time.monotonic()
        self._held = {key: until for key, until in self._held.items() if until > now}
        return list(self._held)

    async def _prune_at_times(self) -> None:
        if time.monotonic() - self._pruned_at > _PRUNE_EVERY_S:
            self._pruned_at = time.monotonic()
            await prune(self._db)


@dataclass(frozen=True)
class Outcome:
    """How many messages of a round were published, and how many were not."""

    published: int
    failed: int


def _envelope(row: Row[Any]) -> Envelope:
    if not isinstance(row.headers, dict):
        raise ValueError(f"the headers of {row.id} are no object")
    return Envelope(
        id=row.id,
        tenant_id=row.tenant_id,
        topic=row.topic,
        key=row.key,
        payload=row.payload.encode(),
        schema_version=row.schema_version,
        headers=row.headers,
        created_at=row.created_at,
    )


def _by_key(rows: Sequence[Row[Any]]) -> Iterable[list[Row[Any]]]:
    grouped: dict[str, list[Row[Any]]] = {}
    for row in rows:
        grouped.setdefault(row.key, []).append(row)
    return grouped.values()


def _backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling from 0.2, with jitter, at most 15."""
    return min(0.1 * 2.0 ** min(failures, 10), _LONGEST_BACKOFF_S) * random.uniform(0.8, 1.2)
