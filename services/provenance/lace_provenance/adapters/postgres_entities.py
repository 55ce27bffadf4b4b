"""Entities and what they were derived from, in Postgres."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from lace_platform.db.transaction import Transaction
from lace_provenance.adapters.packing import entity_key, key_of, logs_of
from lace_provenance.domain.edges import edges_of, entities_of
from lace_provenance.domain.logs import EntityRef, TransformationLog

# However many segments made the entities of one step of a walk: so many are read.
_MOST_SEGMENTS = 2000

# Each content with the time that any log first named it, and the first segment that names it and may be seen; where
# no labels are given any may.
_CONTENTS = """
    SELECT known.entity, known.content, known.first_seen_at, shown.*
    FROM (
        SELECT entity, content, min(first_ended_at) AS first_seen_at FROM provenance.mentions
        WHERE tenant_id = :tenant_id AND entity = ANY(CAST(:entities AS bigint[])) GROUP BY entity, content
    ) AS known
    CROSS JOIN LATERAL (
        SELECT segment.tenant_id, segment.log_ids, segment.payload_json::text AS payload
        FROM provenance.mentions AS mention JOIN provenance.segments AS segment
            ON segment.tenant_id = :tenant_id AND segment.id = mention.segment_id
        WHERE mention.tenant_id = :tenant_id AND mention.entity = known.entity AND mention.content = known.content
          AND (CAST(:labels AS text[]) IS NULL OR segment.abac_labels <@ CAST(:labels AS text[]))
        ORDER BY mention.last_ended_at LIMIT 1
    ) AS shown
"""

_MAKING = """
    SELECT id, tenant_id, log_ids, payload_json::text AS payload FROM provenance.segments
    WHERE tenant_id = :tenant_id AND abac_labels <@ CAST(:labels AS text[]) AND id IN (
        SELECT segment_id FROM provenance.mentions
        WHERE tenant_id = :tenant_id AND entity = ANY(CAST(:entities AS bigint[])) AND generated
          AND segment_id <> ALL(CAST(:read AS bigint[])))
    ORDER BY id DESC LIMIT :limit
"""

_Origin = tuple[str, str]  # an entity's id and its content, which is empty where the log does not say which


class PostgresEntityRepository:
    """Tables provenance.segments and provenance.mentions."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def contents(self, tenant_id: str, entity_id: str, labels: frozenset[str]) -> Sequence[EntityRef]:
        """The entity's contents that a visible log names, newest first."""
        return (await self._contents(tenant_id, [entity_id], sorted(labels))).get(entity_id, [])

    async def ancestors(
        self, tenant_id: str, entity_id: str, labels: frozenset[str], steps: int, limit: int
    ) -> Sequence[EntityRef]:
        """What the entity was derived from in at most so many steps, nearest first, without itself."""
        met: dict[_Origin, EntityRef | None] = {}
        walk = _Walk(self._tx, tenant_id, labels)
        level, seen = {entity_id}, {entity_id}
        for _ in range(steps):
            origins = await walk.origins(level)
            met |= {at: origins[at] for at in sorted(origins) if at not in met and at[0] != entity_id}
            level = {name for name, _ in origins} - seen
            seen |= level
            if not level or len(met) >= limit:
                break
        return await self._named(tenant_id, list(met.items())[:limit])

    async def _named(self, tenant_id: str, met: Iterable[tuple[_Origin, EntityRef | None]]) -> list[EntityRef]:
        """Where a log does not say which content it meant the newest stands in, which may be there already."""
        met = list(met)
        known = await self._contents(tenant_id, sorted({name for (name, _), entity in met if entity is None}), None)
        named = (entity or next(iter(known.get(at[0], ())), EntityRef(*at)) for at, entity in met)
        return list(dict.fromkeys(named))

    async def _contents(
        self, tenant_id: str, names: Sequence[str], labels: Sequence[str] | None
    ) -> dict[str, list[EntityRef]]:
        """Contents by entity, newest first."""
        keys = [entity_key(tenant_id, name) for name in names]
        if not keys:
            return {}
        rows = await self._tx.fetch_all(_CONTENTS, {"tenant_id": tenant_id, "entities": keys, "labels": labels})
        named = dict(zip(keys, names, strict=True))
        first_seen = [(row.first_seen_at, entity) for row in rows for entity in _content(row, named[row.entity])]
        by_hash = sorted(first_seen, key=lambda found: found[1].content_hash)
        contents: dict[str, list[EntityRef]] = {}
        for _, entity in sorted(by_hash, key=lambda found: found[0], reverse=True):
            contents.setdefault(entity.entity_id, []).append(entity)
        return contents


class _Walk:
    """Reads each segment once, level by level."""

    def __init__(self, tx: Transaction, tenant_id: str, labels: frozenset[str]) -> None:
        self._tx = tx
        self._tenant_id = tenant_id
        self._labels = sorted(labels)
        self._read: list[int] = []
        self._making: dict[str, list[TransformationLog]] = {}

    async def origins(self, level: Iterable[str]) -> dict[_Origin, EntityRef | None]:
        """What the entities of a level were derived from in one step."""
        level = sorted(level)
        await self._fetch(level)
        found: dict[_Origin, EntityRef | None] = {}
        for log in (log for name in level for log in self._making.get(name, ())):
            used = {(entity.entity_id, entity.content_hash): entity for entity in log.inputs if entity.content_hash}
            for edge in edges_of(log):
                if edge.direction == "derived_from":
                    at = edge.entity_id, edge.content_hash
                    found[at] = found.get(at) or used.get(at)
        return found

    async def _fetch(self, level: Iterable[str]) -> None:
        entities = [entity_key(self._tenant_id, name) for name in level]
        bounds = {"labels": self._labels, "read": self._read, "limit": _MOST_SEGMENTS}
        rows = await self._tx.fetch_all(_MAKING, {"tenant_id": self._tenant_id, "entities": entities, **bounds})
        self._read += [row.id for row in rows]
        for log in (log for row in rows for log in logs_of(row)):
            for name in {entity.entity_id for entity in log.outputs}:
                self._making.setdefault(name, []).append(log)


def _content(row: Any, entity_id: str) -> Sequence[EntityRef]:
    """The content of the entity that the row's segment was found by; none where another's hash is the same."""
    entities = (entity for log in logs_of(row) for entity in entities_of(log))
    of_it = (
        entity for entity in entities if entity.entity_id == entity_id and key_of(entity.content_hash) == row.content
    )
    return list(itertools.islice(of_it, 1))
