"""Units by their vectors in memory, and the work that is left, behind the same ports as Postgres."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from lace_ingest.adapters.retrieval.memory_lexical import Present, Scoped
from lace_ingest.app.vector_ports import Coverage, Nearest, Progress
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.retrieval.fusion import ranked, rounded
from lace_ingest.domain.retrieval.query import Scope, VectorSearch
from lace_ingest.domain.sources import Source, SourceState
from lace_ingest.domain.vectors import EmbeddingModel, UnitText, UnitVector, Vector, VectorSet


@dataclass(frozen=True)
class _Held:
    """A set as a row: who holds it, until when nobody may take it, and its last turn."""

    made: VectorSet
    lease: str = ""
    not_before: float = -math.inf
    served_at: float = -math.inf
    error_code: str = ""


@dataclass
class VectorRows:
    """Spaces by tenant, model and dimensions; sets by id; vectors by set, unit and part."""

    spaces: dict[tuple[str, str, int], int] = field(default_factory=dict)
    sets: dict[int, _Held] = field(default_factory=dict)
    parts: dict[tuple[int, str, int], Vector[float]] = field(default_factory=dict)


class MemoryVectorIndex:
    """See app.vector_ports.VectorIndex; all are compared, however many there are."""

    def __init__(self, rows: VectorRows, sources: Scoped, units: Present) -> None:
        self._rows = rows
        self._sources = sources
        self._units = units

    async def coverage(self, tenant_id: str, scope: Scope) -> Coverage:
        """Of the units in scope."""
        sources = self._sources.in_scope(tenant_id, scope)
        readings = {(source.source_id, source.extraction) for source in sources}
        names = {space_id: (model, numbers) for (_, model, numbers), space_id in self._rows.spaces.items()}
        embedded: dict[tuple[str, int], int] = {}
        for held in self._rows.sets.values():
            made = held.made
            if made.tenant_id == tenant_id and made.embedded and (made.source_id, made.extraction) in readings:
                embedded[names[made.space_id]] = embedded.get(names[made.space_id], 0) + made.embedded
        return Coverage(sum(source.unit_count for source in sources), embedded)

    async def candidates(
        self,
        tenant_id: str,
        scope: Scope,
        model: EmbeddingModel,
        vectors: Sequence[Vector[float]],
        depth: int,
        exact_units: int,
    ) -> Nearest:
        """The nearest of all."""
        every = [self._in_scope(tenant_id, scope)] * len(vectors)
        cosines = await self.cosines(tenant_id, scope, model, vectors, every)
        search = VectorSearch.EXACT if any(cosines) else VectorSearch.NONE
        return Nearest([ranked(found)[:depth] for found in cosines], search)

    async def cosines(
        self,
        tenant_id: str,
        scope: Scope,
        model: EmbeddingModel,
        vectors: Sequence[Vector[float]],
        unit_ids: Sequence[Sequence[str]],
    ) -> Sequence[Mapping[str, Decimal]]:
        """Of those that have vectors."""
        space_id = self._rows.spaces.get((tenant_id, model.name, model.dimensions))
        visible = set(self._in_scope(tenant_id, scope))
        own = {set_id for set_id, held in self._rows.sets.items() if held.made.space_id == space_id}
        return [
            {
                unit_id: max(parts)
                for unit_id in wanted
                if unit_id in visible and (parts := self._cosines_of(own, unit_id, vector))
            }
            for vector, wanted in zip(vectors, unit_ids, strict=True)
        ]

    async def progress(self, tenant_id: str, source_ids: Sequence[str]) -> Mapping[str, Sequence[Progress]]:
        """By source, sorted by model."""
        found: dict[str, list[Progress]] = {}
        for (owner, name, numbers), space_id in sorted(self._rows.spaces.items(), key=lambda row: row[0][1:]):
            for held in self._rows.sets.values():
                made = held.made
                if owner == tenant_id and made.space_id == space_id and made.source_id in source_ids:
                    progress = Progress(name, numbers, made.units, made.embedded, held.error_code)
                    found.setdefault(made.source_id, []).append(progress)
        return found

    def _cosines_of(self, sets: set[int], unit_id: str, vector: Vector[float]) -> list[Decimal]:
        return [
            rounded(_cosine(vector, part))
            for (set_id, found, _), part in self._rows.parts.items()
            if found == unit_id and set_id in sets
        ]

    def _in_scope(self, tenant_id: str, scope: Scope) -> list[str]:
        return [
            unit.unit_id
            for source in self._sources.in_scope(tenant_id, scope)
            for unit in self._units.present(tenant_id, source)
            if not scope.filters.kinds or unit.kind in scope.filters.kinds
        ]


class Store(Protocol):
    """What the queue needs of the store: sources by tenant and id, units by tenant and reading, and vectors."""

    @property
    def sources(self) -> Mapping[str, Mapping[str, Source]]:
        """Sources."""

    @property
    def units(self) -> Mapping[str, Mapping[tuple[str, str], Mapping[str, Unit]]]:
        """Units."""

    @property
    def vectors(self) -> VectorRows:
        """Vectors."""


class Committed(Protocol):
    """Holds what is committed."""

    @property
    def store(self) -> Store:
        """As it is now."""


class MemoryVectorQueue:
    """See app.vector_ports.VectorQueue; every call takes effect at once."""

    def __init__(self, work: Committed, clock: Callable[[], float]) -> None:
        self._work = work
        self._clock = clock

    async def ready(self) -> bool:
        """Always."""
        return True

    async def tenants(self, spaces: Mapping[str, int]) -> Mapping[str, str]:
        """See app.vector_ports.VectorQueue.tenants."""
        have = {(held.made.space_id, held.made.source_id, held.made.extraction) for held in self._held()}
        found: dict[str, str] = {}
        for tenant_id, sources in sorted(self._work.store.sources.items()):
            space_id = spaces.get(tenant_id, -1)
            read = _read(sources.values())
            new = [one.created_by for one in read if (space_id, one.source_id, one.extraction) not in have]
            if new:
                found[tenant_id] = min(new)
        return found

    async def enqueue(self, tenant_id: str, model: EmbeddingModel) -> int:
        """See app.vector_ports.VectorQueue.enqueue."""
        rows = self._work.store.vectors
        space_id = rows.spaces.setdefault((tenant_id, model.name, model.dimensions), len(rows.spaces) + 1)
        have = {(held.made.space_id, held.made.source_id, held.made.extraction) for held in self._held()}
        for one in _read(self._work.store.sources[tenant_id].values()):
            if (space_id, one.source_id, one.extraction) not in have:
                set_id = len(rows.sets) + 1
                made = VectorSet(
                    set_id, space_id, tenant_id, one.source_id, one.extraction, one.created_by,
                    units=one.unit_count, embedded=0, last_place=-1, attempts=0,
                )  # fmt: skip
                rows.sets[set_id] = _Held(made)
        return space_id

    async def take(self, space_ids: Sequence[int], lease: str, seconds: float) -> VectorSet | None:
        """See app.vector_ports.VectorQueue.take."""
        now = self._clock()
        turns: dict[int, float] = {}
        for held in self._held():
            turns[held.made.space_id] = max(turns.get(held.made.space_id, -math.inf), held.served_at)
        present = {
            (one.source_id, one.extraction) for found in self._work.store.sources.values() for one in found.values()
        }
        waiting = [
            held
            for held in self._held()
            if held.made.space_id in space_ids and held.made.embedded < held.made.units and held.not_before <= now
            if (held.made.source_id, held.made.extraction) in present
        ]
        if not waiting:
            return None
        held = min(waiting, key=lambda one: (turns[one.made.space_id], one.made.space_id, one.made.set_id))
        made = replace(held.made, attempts=held.made.attempts + 1)
        self._keep(replace(held, made=made, lease=lease, not_before=now + seconds, served_at=now))
        return made

    async def units(self, taken: VectorSet, limit: int) -> Sequence[UnitText]:
        """See app.vector_ports.VectorQueue.units."""
        kept = self._work.store.units[taken.tenant_id][taken.source_id, taken.extraction]
        ordered = sorted(kept.values(), key=lambda unit: unit.order)
        return [_text(unit) for unit in ordered if unit.order > taken.last_place][:limit]

    async def store(
        self, taken: VectorSet, lease: str, units: Sequence[UnitText], vectors: Sequence[UnitVector]
    ) -> bool:
        """See app.vector_ports.VectorQueue.store."""
        rows = self._work.store.vectors
        held = rows.sets[taken.set_id]
        if held.lease != lease:
            return False
        made = replace(
            held.made,
            embedded=min(held.made.embedded + (len(units) or held.made.units), held.made.units),
            last_place=units[-1].place if units else held.made.last_place,
            attempts=0,
        )
        self._keep(replace(held, made=made, lease="", not_before=-math.inf, error_code=""))
        for vector in vectors:
            rows.parts.setdefault((taken.set_id, vector.unit_id, vector.part), _unit_length(vector.vector))
        return True

    async def put_back(self, taken: VectorSet, lease: str, error_code: str, seconds: float) -> None:
        """See app.vector_ports.VectorQueue.put_back."""
        held = self._work.store.vectors.sets[taken.set_id]
        if held.lease == lease:
            self._keep(replace(held, lease="", error_code=error_code, not_before=self._clock() + seconds))

    async def count(self) -> tuple[int, int]:
        """See app.vector_ports.VectorQueue.count."""
        return sum(held.made.units for held in self._held()), sum(held.made.embedded for held in self._held())

    async def index(self, tenant_id: str, space_id: int, units: int) -> bool:
        """There is none."""
        return False

    def _held(self) -> list[_Held]:
        return list(self._work.store.vectors.sets.values())

    def _keep(self, held: _Held) -> None:
        self._work.store.vectors.sets[held.made.set_id] = held


def _text(unit: Unit) -> UnitText:
    return UnitText(unit.unit_id, unit.order, unit.text, unit.heading_path, unit.spans)


def _read(sources: Iterable[Source]) -> list[Source]:
    return [source for source in sources if source.state is SourceState.READY and source.unit_count]


def _unit_length(vector: Vector[float]) -> Vector[float]:
    length = math.sqrt(math.fsum(number * number for number in vector)) or 1.0
    return array("f", [number / length for number in vector])


def _cosine(one: Vector[float], other: Vector[float]) -> float:
    return math.fsum(a * b for a, b in zip(_unit_length(one), other, strict=True))
