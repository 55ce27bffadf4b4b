"""Transformation logs in Postgres, many in a row, with the mentions by which entities are found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import Literal

from lace_platform.db.transaction import Transaction
from lace_provenance.adapters.packing import entity_key, key_of, logs_of, rows_json, subject_of
from lace_provenance.domain.logs import TransformationLog

# Who adds logs of a run waits for others that do: what is known is looked at in a statement of its own, behind this.
_LOCK = "SELECT pg_advisory_xact_lock(subject) FROM unnest(CAST(:subjects AS bigint[])) AS locked (subject)"

_KNOWN = """
    SELECT unnest(log_ids) AS id FROM provenance.segments
    WHERE tenant_id = :tenant_id AND subject = ANY(CAST(:subjects AS text[])) AND log_ids && CAST(:ids AS text[])
"""

_ADD = """
    WITH given AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given (
            first_ended_at timestamptz, last_ended_at timestamptz, not_after timestamptz, subject text,
            abac_labels text[], log_ids text[], payload json, mentions json)
    ),
    added AS (
        INSERT INTO provenance.segments
            (tenant_id, first_ended_at, last_ended_at, not_after, subject, abac_labels, log_ids, payload_json)
        SELECT :tenant_id, first_ended_at, last_ended_at, not_after, subject, abac_labels, log_ids, payload FROM given
        RETURNING id, log_ids[1] AS log_id
    )
    INSERT INTO provenance.mentions
        (tenant_id, segment_id, entity, content, first_ended_at, last_ended_at, generated, used)
    SELECT :tenant_id, added.id, entity, content, named.first_ended_at, named.last_ended_at, generated, used
    FROM added JOIN given ON given.log_ids[1] = added.log_id
    CROSS JOIN LATERAL json_to_recordset(given.mentions) AS named (
        entity bigint, content bigint, first_ended_at timestamptz, last_ended_at timestamptz, generated boolean,
        used boolean)
"""

# Enough of the run's segments for a page: all that begin before a moment by which segments that lie wholly behind the
# cursor have so many logs.
_OF_RUN = """
    WITH own AS (
        SELECT id, first_ended_at, last_ended_at, cardinality(log_ids) AS logs FROM provenance.segments
        WHERE tenant_id = :tenant_id AND subject = :run_id AND abac_labels <@ CAST(:labels AS text[])
          AND (CAST(:ended_at AS timestamptz) IS NULL OR last_ended_at >= CAST(:ended_at AS timestamptz))
    ),
    counted AS (
        SELECT last_ended_at, sum(logs) OVER (ORDER BY last_ended_at) AS logs FROM own
        WHERE CAST(:ended_at AS timestamptz) IS NULL OR first_ended_at > CAST(:ended_at AS timestamptz)
    )
    SELECT tenant_id, log_ids, payload_json::text AS payload FROM provenance.segments
    WHERE tenant_id = :tenant_id AND id IN (
        SELECT id FROM own WHERE first_ended_at <= coalesce(
            (SELECT min(last_ended_at) FROM counted WHERE counted.logs >= :limit), 'infinity'))
"""

_TOUCHING = """
    SELECT segment.tenant_id, segment.log_ids, segment.payload_json::text AS payload, mention.segment_id,
           mention.last_ended_at
    FROM provenance.mentions AS mention JOIN provenance.segments AS segment
        ON segment.tenant_id = :tenant_id AND segment.id = mention.segment_id
       AND segment.abac_labels <@ CAST(:labels AS text[])
    WHERE mention.tenant_id = :tenant_id AND mention.entity = :entity
      AND CASE :direction WHEN 'used' THEN mention.used ELSE mention.generated END
    ORDER BY mention.last_ended_at DESC, mention.segment_id DESC, mention.content LIMIT :limit OFFSET :offset
"""


class PostgresLogRepository:
    """Tables provenance.segments and provenance.mentions."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, tenant_id: str, logs: Sequence[TransformationLog]) -> Set[str]:
        """Keep logs; those that are kept under their id already change nothing. Raises INVALID_ARGUMENT for NUL."""
        given: dict[str, TransformationLog] = {}
        for log in logs:
            given.setdefault(log.id, log)
        known = await self._known(tenant_id, given.values())
        new = [log for log in given.values() if log.id not in known]
        if new:
            await self._tx.execute(_ADD, {"tenant_id": tenant_id, "rows": rows_json(new).decode()})
        return {log.id for log in new}

    async def of_run(
        self, tenant_id: str, run_id: str, labels: frozenset[str], limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[TransformationLog]:
        """Logs of a run in the order of their end and id."""
        bounds = {"run_id": run_id, "limit": limit, "ended_at": after[0] if after else None}
        rows = await self._tx.fetch_all(_OF_RUN, {"tenant_id": tenant_id, "labels": sorted(labels), **bounds})
        own = [log for row in rows for log in logs_of(row) if log.run_id == run_id]
        later = [log for log in own if after is None or (log.ended_at, log.id) > after]
        return sorted(later, key=_by_end)[:limit]

    async def touching(
        self,
        tenant_id: str,
        entity_id: str,
        direction: Literal["used", "generated"],
        labels: frozenset[str],
        limit: int,
    ) -> Sequence[TransformationLog]:
        """Logs that used or generated an entity, newest first."""
        bounds = {"entity": entity_key(tenant_id, entity_id), "direction": direction, "labels": sorted(labels)}
        found: dict[str, TransformationLog] = {}
        for offset in range(0, 1 << 62, limit):
            rows = await self._tx.fetch_all(
                _TOUCHING, {"tenant_id": tenant_id, "limit": limit, "offset": offset, **bounds}
            )
            for row in {row.segment_id: row for row in rows}.values():
                found |= {log.id: log for log in logs_of(row) if _touches(log, entity_id, direction)}
            newest = sorted(found.values(), key=_by_end, reverse=True)[:limit]
            # A mention's time is that of either direction: what comes behind the last one ended no later.
            if len(rows) < limit or (len(newest) == limit and newest[-1].ended_at > rows[-1].last_ended_at):
                break
        return newest

    async def _known(self, tenant_id: str, logs: Iterable[TransformationLog]) -> Set[str]:
        """Ids of logs that stand in segments with one of these, which nobody else adds until the transaction ends."""
        subjects = {subject_of(log) for log in logs}
        if not subjects:
            return set()
        await self._tx.execute(_LOCK, {"subjects": sorted(key_of(f"{tenant_id}/{name}") for name in subjects)})
        ids = {"subjects": sorted(subjects), "ids": [log.id for log in logs]}
        return {row.id for row in await self._tx.fetch_all(_KNOWN, {"tenant_id": tenant_id, **ids})}


def _touches(log: TransformationLog, entity_id: str, direction: Literal["used", "generated"]) -> bool:
    return any(entity.entity_id == entity_id for entity in (log.inputs if direction == "used" else log.outputs))


def _by_end(log: TransformationLog) -> tuple[datetime, str]:
    return log.ended_at, log.id
