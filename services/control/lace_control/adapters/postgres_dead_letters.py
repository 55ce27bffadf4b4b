"""Dead letters in Postgres, and how one leaves again: a row in the outbox that names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row

from lace_control.adapters.tables import INFRASTRUCTURE
from lace_control.domain.dead_letters import DeadLetter, DeadLetterState, Search
from lace_core.ids import derive
from lace_platform import outbox
from lace_platform.bus import Envelope
from lace_platform.bus.envelope import REDRIVE_GROUP, REDRIVE_OF
from lace_platform.db.transaction import Transaction

# Topic of an outbox row that names a dead letter; its message is published in its place.
REDRIVE_REFERENCE = "control.dead_letters"

_COLUMNS = """dead_letter_id, tenant_id, topic, key, group_name, event_id, schema_version, error_code, error_message,
    attempts, created_at, died_at, redrive_of, state, settled_at, settled_by"""
_ADD = f"""
    INSERT INTO control.dead_letters ({_COLUMNS}, payload, headers_json)
    VALUES (:dead_letter_id, :tenant_id, :topic, :key, :group, :event_id, :schema_version, :error_code, :error_message,
        :attempts, :created_at, :died_at, :redrive_of, 'dead', NULL, '', :payload, :headers)
    ON CONFLICT (dead_letter_id) DO NOTHING
"""
_LOCK = f"""
    SELECT {_COLUMNS}, payload, headers_json FROM control.dead_letters
    WHERE tenant_id = :tenant_id AND dead_letter_id = :dead_letter_id FOR UPDATE
"""
_SETTLE = """
    UPDATE control.dead_letters SET state = :state, settled_at = :settled_at, settled_by = :settled_by
    WHERE tenant_id = :tenant_id AND dead_letter_id = :dead_letter_id
"""
_NEWEST = f"""
    SELECT {_COLUMNS}, '' AS payload, CAST('{{}}' AS jsonb) AS headers_json FROM control.dead_letters
    WHERE (:tenant_id = '' OR tenant_id = :tenant_id) AND (:topic = '' OR topic = :topic)
      AND (:state = '' OR state = :state)
      AND (CAST(:died_at AS timestamptz) IS NULL
           OR (died_at, dead_letter_id) < (CAST(:died_at AS timestamptz), CAST(:dead_letter_id AS text)))
    ORDER BY died_at DESC, dead_letter_id DESC LIMIT :limit
"""
_REFERRED = f"""
    SELECT {_COLUMNS}, payload, headers_json FROM control.dead_letters WHERE dead_letter_id = ANY(:dead_letter_ids)
"""


class PostgresDeadLetterRepository:
    """Table control.dead_letters."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, letter: DeadLetter) -> None:
        """Keep a letter; the same one again changes nothing."""
        row = {
            "dead_letter_id": letter.dead_letter_id,
            "tenant_id": tenant_id,
            "topic": letter.topic,
            "key": letter.key,
            "group": letter.group,
            "event_id": letter.event_id,
            "schema_version": letter.schema_version,
            "error_code": letter.error_code,
            "error_message": letter.error_message,
            "attempts": letter.attempts,
            "created_at": letter.created_at,
            "died_at": letter.died_at,
            "redrive_of": letter.redrive_of,
            "payload": letter.payload,
            "headers": dict(letter.headers),
        }
        await self._tx.execute(_ADD, row)

    async def lock(self, tenant_id: str, dead_letter_id: str) -> DeadLetter | None:
        """The letter, if the tenant has it; nobody else changes it until the unit of work ends."""
        row = await self._tx.fetch_one(_LOCK, {"tenant_id": tenant_id, "dead_letter_id": dead_letter_id})
        return None if row is None else _letter(row)

    async def settle(self, tenant_id: str, letter: DeadLetter) -> None:
        """Keep what became of the letter."""
        row = {
            "tenant_id": tenant_id,
            "dead_letter_id": letter.dead_letter_id,
            "state": letter.state.value,
            "settled_at": letter.settled_at,
            "settled_by": letter.settled_by,
        }
        await self._tx.execute(_SETTLE, row)

    async def send_again(self, tenant_id: str, letter: DeadLetter) -> None:
        """Put the message into the outbox, for the group that failed on it."""
        name = letter.dead_letter_id
        payload = orjson.dumps({"dead_letter_id": name})
        reference = Envelope(derive("rdr", name), tenant_id, REDRIVE_REFERENCE, letter.key, payload)
        await outbox.add(self._tx, INFRASTRUCTURE, reference)

    async def newest(
        self, tenant_id: str, search: Search, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[DeadLetter]:
        """Letters of the tenant without their payloads, newest first, those before the given time and id only."""
        return await newest(self._tx, tenant_id, search, limit, before)


async def newest(
    tx: Transaction, tenant_id: str, search: Search, limit: int, before: tuple[datetime, str] | None
) -> Sequence[DeadLetter]:
    """Letters without their payloads, newest first; of every tenant where none is named."""
    died_at, dead_letter_id = before or (None, None)
    rows = await tx.fetch_all(
        _NEWEST,
        {
            "tenant_id": tenant_id,
            "topic": search.topic,
            "state": search.state.value if search.state else "",
            "died_at": died_at,
            "dead_letter_id": dead_letter_id,
            "limit": limit,
        },
    )
    return [_letter(row) for row in rows]


async def expand(tx: Transaction, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
    """For the relay: the messages of the letters that are named, in the place of their names."""
    named = {e.id: orjson.loads(e.payload)["dead_letter_id"] for e in envelopes if e.topic == REDRIVE_REFERENCE}
    if not named:
        return envelopes
    rows = await tx.fetch_all(_REFERRED, {"dead_letter_ids": sorted(named.values())})
    letters = {row.dead_letter_id: _letter(row) for row in rows}
    return [_message(letters[named[e.id]]) if e.id in named else e for e in envelopes]


def _message(letter: DeadLetter) -> Envelope:
    """The message as it was, under the id it had, with headers that say for whom it is."""
    headers: Mapping[str, str] = {
        **letter.headers,
        REDRIVE_GROUP: letter.group,
        REDRIVE_OF: letter.dead_letter_id,
    }
    return Envelope(
        id=letter.event_id,
        tenant_id=letter.tenant_id,
        topic=letter.topic,
        key=letter.key,
        payload=letter.payload.encode(),
        schema_version=letter.schema_version,
        headers=headers,
        created_at=letter.created_at,
    )


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=row.dead_letter_id,
        tenant_id=row.tenant_id,
        topic=row.topic,
        key=row.key,
        group=row.group_name,
        event_id=row.event_id,
        error_code=row.error_code,
        error_message=row.error_message,
        attempts=row.attempts,
        created_at=row.created_at,
        died_at=row.died_at,
        schema_version=row.schema_version,
        payload=row.payload,
        headers=row.headers_json,
        redrive_of=row.redrive_of,
        state=DeadLetterState(row.state),
        settled_at=row.settled_at,
        settled_by=row.settled_by,
    )
