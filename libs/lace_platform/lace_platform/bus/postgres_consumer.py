"""One group's consumer on the Postgres bus: claim under a lease, handle, acknowledge or put off."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
import psycopg
import structlog

from lace_platform.bus.delivery import RetryPolicy, attempt, cause_of_death
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX, Envelope
from lace_platform.bus.port import Handler
from lace_platform.db.autocommit import AutocommitConnection
from lace_platform.db.listener import Subscription
from lace_platform.ids import new_id

_POLL_S = 0.5
_ROUND_EVERY_S = 0.05  # a message that finds the consumer at rest is taken at once; under load they come together
_GRACE_S = 5.0

# Only the first delivery of each key can be claimed, and it stays in the table while it is in hand: so no two of a key
# are in flight, and the next follows when the first is gone. A snapshot that is a little old sees at worst a
# predecessor that has just gone, and waits for the next look.
_CLAIM = """
    WITH heads AS (
        SELECT d.group_name, d.position
        FROM bus.deliveries AS d
        WHERE d.group_name = :group AND d.topic = ANY(:topics) AND d.available_at <= clock_timestamp()
          AND NOT EXISTS (
              SELECT FROM bus.deliveries AS earlier
              WHERE earlier.group_name = d.group_name AND earlier.topic = d.topic AND earlier.key = d.key
                AND earlier.position < d.position)
        ORDER BY d.position
        LIMIT :free
        FOR UPDATE OF d SKIP LOCKED
    ), claimed AS (
        UPDATE bus.deliveries AS d
        SET attempts = d.attempts + 1, available_at = clock_timestamp() + :lease_time, lease = :lease
        FROM heads
        WHERE d.group_name = heads.group_name AND d.position = heads.position
        RETURNING d.position, d.attempts
    )
    SELECT m.position, m.id, m.tenant_id, m.topic, m.key, m.payload::text AS payload, m.schema_version, m.headers,
           m.created_at, claimed.attempts
    FROM claimed JOIN bus.messages AS m ON m.position = claimed.position
    ORDER BY m.position
"""
_ACKNOWLEDGE = """
    DELETE FROM bus.deliveries WHERE group_name = :group AND position = ANY(:positions) AND lease = :lease
"""
_PUT_OFF = """
    UPDATE bus.deliveries
    SET available_at = clock_timestamp() + :pause, lease = NULL, last_error = :error
    WHERE group_name = :group AND position = :position AND lease = :lease
"""
_RENEW = """
    UPDATE bus.deliveries SET available_at = clock_timestamp() + :lease_time
    WHERE group_name = :group AND lease = :lease AND position = ANY(:positions)
"""
# What was only begun does not count as an attempt.
_GIVE_BACK = """
    UPDATE bus.deliveries SET available_at = clock_timestamp(), lease = NULL, attempts = attempts - 1
    WHERE group_name = :group AND lease = :lease
"""
_BURY = "SELECT bus.dead_letter(:group, :position, :lease, :suffix, :cause)"

_log = structlog.get_logger(__name__)


class PostgresConsumer:
    """Claims up to `concurrency` messages of different keys and handles them at the same time."""

    def __init__(
        self,
        connection: AutocommitConnection,
        wake_ups: Subscription,
        *,
        topics: Sequence[str],
        group: str,
        handler: Handler,
        concurrency: int,
        lease_s: float,
        retry: RetryPolicy,
    ) -> None:
        self._connection = connection
        self._wake_ups = wake_ups
        self._topics = list(topics)
        self._group = group
        self._handler = handler
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._retry = retry
        # The lease's holder: whoever finds another's name in a row has lost it.
        self._mine: dict[str, Any] = {"group": group, "lease": new_id("lease")}
        self._in_hand: dict[int, asyncio.Task[None]] = {}
        self._handled: list[int] = []
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to consume in the background."""
        self._loops = [
            asyncio.create_task(self._consume(), name=f"bus-consume-{self._group}"),
            asyncio.create_task(self._renew(), name=f"bus-renew-{self._group}"),
        ]

    async def close(self) -> None:
        """Claim no more, let running handlers end for 5 s, and give back the rest."""
        if not self._loops:
            return
        claiming, renewing = self._loops
        self._loops = []
        await _cancelled(claiming)
        running = set(self._in_hand.values())
        if running:
            await asyncio.wait(running, timeout=_GRACE_S)
        for task in running:
            await _cancelled(task)
        await _cancelled(renewing)
        self._wake_ups.close()
        await self._acknowledge()
        await self._try(_GIVE_BACK, {})

    async def _consume(self) -> None:
        while True:
            began = time.monotonic()
            await self._acknowledge()
            free = self._concurrency - len(self._in_hand)
            claimed = await self._claim(free) if free else []
            for row in claimed:
                task = asyncio.create_task(self._deliver(row), name=f"bus-deliver-{row.id}")
                self._in_hand[row.position] = task
                task.add_done_callback(partial(self._put_down, row.position))
            if not free or len(claimed) < free:
                await self._wake_ups.wait(_POLL_S)
                await asyncio.sleep(max(0.0, began + _ROUND_EVERY_S - time.monotonic()))
                self._wake_ups.take()

    async def _acknowledge(self) -> None:
        """All that was handled since the last time, in one statement."""
        if self._handled:
            positions, self._handled = self._handled, []
            await self._try(_ACKNOWLEDGE, {"positions": positions})

    async def _claim(self, free: int) -> Sequence[Any]:
        claim = {**self._mine, "topics": self._topics, "free": free, "lease_time": timedelta(seconds=self._lease_s)}
        try:
            return await self._connection.execute(_CLAIM, claim)
        except (psycopg.Error, OSError) as error:
            _log.warning("bus_claim_failed", group=self._group, error=str(error).strip())
            return []

    def _put_down(self, position: int, _done: asyncio.Task[None]) -> None:
        self._in_hand.pop(position, None)
        # The next of this key has become free, and a place for it.
        self._wake_ups.wake()

    async def _deliver(self, row: Any) -> None:
        envelope = _envelope(row)
        if self._retry.is_over(envelope, row.attempts - 1):
            # Every attempt was claimed, none came back: the message kills its consumers.
            await self._bury(row, envelope, None, row.attempts - 1)
            return
        error = await attempt(self._handler, envelope, self._group, row.attempts)
        if error is None:
            self._handled.append(row.position)
        elif self._retry.is_over(envelope, row.attempts, error):
            await self._bury(row, envelope, error, row.attempts)
        else:
            await self._put_off(row, error)

    async def _put_off(self, row: Any, error: Exception) -> None:
        pause = self._retry.pause(row.attempts)
        text = f"{type(error).__name__}: {error}".replace("\x00", "")[:2000]
        delay = {"position": row.position, "pause": timedelta(seconds=pause), "error": text}
        await self._try(_PUT_OFF, delay)
        asyncio.get_running_loop().call_later(pause + 0.005, self._wake_ups.wake)

    async def _bury(self, row: Any, envelope: Envelope, error: Exception | None, attempts_made: int) -> None:
        cause = cause_of_death(envelope, error, self._group, attempts_made)
        burial = {"position": row.position, "suffix": DEAD_LETTER_SUFFIX, "cause": orjson.dumps(cause).decode()}
        await self._try(_BURY, burial)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 4)
            if self._in_hand:
                lease_time = timedelta(seconds=self._lease_s)
                await self._try(_RENEW, {"positions": list(self._in_hand), "lease_time": lease_time})

    async def _try(self, statement: str, values: Mapping[str, Any]) -> None:
        """Run a statement on own rows; where the database is away the lease runs out and another delivery follows."""
        try:
            await self._connection.execute(statement, {**self._mine, **values})
        except (psycopg.Error, OSError) as error:
            _log.warning("bus_statement_failed", group=self._group, error=str(error).strip())


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _envelope(row: Any) -> Envelope:
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
