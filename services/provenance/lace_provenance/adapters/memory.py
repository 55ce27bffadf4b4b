"""The ports in memory, for tests: the same behaviour as on Postgres, under the same contract suite."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Iterable, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lace_provenance.app.ports import Delivery
from lace_provenance.domain.edges import Direction, edges_of, entities_of
from lace_provenance.domain.logs import EntityRef, TransformationLog


@dataclass
class _State:
    logs: dict[tuple[str, str], TransformationLog] = field(default_factory=dict)
    handled: set[tuple[str, str, str]] = field(default_factory=set)


class MemoryUnits:
    """Opens units of work, one at a time, each on a copy that takes the place of the kept state on commit."""

    def __init__(self) -> None:
        self._state = _State()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[MemoryUnitOfWork]:
        """Within a tenant."""
        async with self._turn:
            yield MemoryUnitOfWork(copy.deepcopy(self._state), self._keep)

    def _keep(self, state: _State) -> None:
        self._state = state


class MemoryUnitOfWork:
    """One copy of the state and the repositories on it."""

    def __init__(self, state: _State, keep: Callable[[_State], None]) -> None:
        self._state = state
        self._keep = keep
        self.logs = MemoryLogRepository(state)
        self.entities = MemoryEntityRepository(state)

    async def claim(self, tenant_id: str, deliveries: Sequence[Delivery], handler: str, version: int) -> Set[str]:
        """Claim messages of one tenant for a handler."""
        claims = {(tenant_id, delivery.event_id, handler) for delivery in deliveries}
        new = claims - self._state.handled
        self._state.handled |= new
        return {event_id for _, event_id, _ in new}

    async def commit(self) -> None:
        """Put the copy in the place of the kept state."""
        self._keep(self._state)


class MemoryLogRepository:
    """Transformation logs."""

    def __init__(self, state: _State) -> None:
        self._logs = state.logs

    async def add(self, tenant_id: str, logs: Sequence[TransformationLog]) -> Set[str]:
        """Keep logs; the ids of those that were not kept before."""
        return {log.id for log in logs if self._logs.setdefault((tenant_id, log.id), log) is log}

    async def of_run(
        self, tenant_id: str, run_id: str, labels: frozenset[str], limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[TransformationLog]:
        """Logs of a run in the order of their end and id."""
        own = [log for log in _visible(self._logs, tenant_id, labels) if log.run_id == run_id]
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
        found = [log for log in _visible(self._logs, tenant_id, labels) if _touches(log, entity_id, direction)]
        return sorted(found, key=_by_end, reverse=True)[:limit]


class MemoryEntityRepository:
    """Entities."""

    def __init__(self, state: _State) -> None:
        self._logs = state.logs

    async def contents(self, tenant_id: str, entity_id: str, labels: frozenset[str]) -> Sequence[EntityRef]:
        """The entity's contents that a visible log names, newest first."""
        shown = {
            entity.content_hash
            for log in _visible(self._logs, tenant_id, labels)
            for entity in entities_of(log)
            if entity.entity_id == entity_id
        }
        return [entity for entity in self._contents(tenant_id, entity_id) if entity.content_hash in shown]

    async def ancestors(
        self, tenant_id: str, entity_id: str, labels: frozenset[str], steps: int, limit: int
    ) -> Sequence[EntityRef]:
        """What the entity was derived from, level by level."""
        logs = list(_visible(self._logs, tenant_id, labels))
        met: dict[tuple[str, str], None] = {}
        level, seen = {entity_id}, {entity_id}
        for _ in range(steps):
            origins = {
                origin for log in logs for name in level if _touches(log, name, "generated") for origin in _origins(log)
            }
            met |= dict.fromkeys(sorted(origin for origin in origins if origin not in met and origin[0] != entity_id))
            level = {name for name, _ in origins} - seen
            seen |= level
        return list(dict.fromkeys(self._named(tenant_id, *origin) for origin in list(met)[:limit]))

    def _named(self, tenant_id: str, entity_id: str, content_hash: str) -> EntityRef:
        known = self._contents(tenant_id, entity_id)
        matching = (entity for entity in known if content_hash in ("", entity.content_hash))
        return next(matching, EntityRef(entity_id, content_hash))

    def _contents(self, tenant_id: str, entity_id: str) -> list[EntityRef]:
        first: dict[str, tuple[datetime, EntityRef]] = {}
        for (tenant, _), log in self._logs.items():
            for entity in entities_of(log) if tenant == tenant_id else ():
                if entity.entity_id == entity_id:
                    seen_at, kept = first.get(entity.content_hash, (log.ended_at, entity))
                    first[entity.content_hash] = (min(seen_at, log.ended_at), kept)
        by_hash = sorted(first.values(), key=lambda found: found[1].content_hash)
        return [entity for _, entity in sorted(by_hash, key=lambda found: found[0], reverse=True)]


def _visible(
    logs: dict[tuple[str, str], TransformationLog], tenant_id: str, labels: frozenset[str]
) -> Iterable[TransformationLog]:
    return (
        log for (tenant, _), log in logs.items() if tenant == tenant_id and labels.issuperset(log.security.abac_labels)
    )


def _touches(log: TransformationLog, entity_id: str, direction: Direction) -> bool:
    return any(edge.direction == direction and edge.entity_id == entity_id for edge in edges_of(log))


def _origins(log: TransformationLog) -> Iterable[tuple[str, str]]:
    return ((edge.entity_id, edge.content_hash) for edge in edges_of(log) if edge.direction == "derived_from")


def _by_end(log: TransformationLog) -> tuple[datetime, str]:
    return log.ended_at, log.id
