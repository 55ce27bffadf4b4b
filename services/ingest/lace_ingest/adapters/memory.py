"""Sources and units in memory, behind the same ports as Postgres and under the same contract suite."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.memory_bundles import MemoryBundles
from lace_ingest.adapters.memory_facts import MemoryFacts
from lace_ingest.adapters.memory_intake import MemoryIntake
from lace_ingest.adapters.memory_versions import MemoryExtractions, MemorySeries
from lace_ingest.adapters.retrieval.memory_lexical import MemoryLexicalIndex
from lace_ingest.adapters.retrieval.memory_vectors import MemoryVectorIndex, VectorRows
from lace_ingest.app.ports import Mutation, UnitOfWork
from lace_ingest.domain.bundles import Bundle, BundleVersion
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.extractions import Extraction
from lace_ingest.domain.facts import Fact
from lace_ingest.domain.intake import ImportOutcome, ImportRecord, ReadFault
from lace_ingest.domain.jobs import HANDLER, ReadJob, Readout
from lace_ingest.domain.outlines import Section, sections_of
from lace_ingest.domain.retrieval.query import Scope
from lace_ingest.domain.retrieval.scoping import passes
from lace_ingest.domain.sources import Source, SourceState, may_see

T = TypeVar("T")


@dataclass
class Store:
    """Everything that is committed, by tenant: sources by id, units by (source, extraction), and the rest."""

    sources: dict[str, dict[str, Source]] = field(default_factory=dict)
    units: dict[str, dict[tuple[str, str], dict[str, Unit]]] = field(default_factory=dict)
    extractions: dict[tuple[str, str, str], Extraction] = field(default_factory=dict)
    bundles: dict[tuple[str, str], Bundle] = field(default_factory=dict)
    bundle_versions: dict[tuple[str, str, int], BundleVersion] = field(default_factory=dict)
    facts: dict[tuple[str, str], Fact] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[bytes, Any]] = field(default_factory=dict)
    claimed: set[tuple[str, str, str]] = field(default_factory=set)
    reported: list[Readout] = field(default_factory=list)
    told: list[ReadFault | ImportOutcome] = field(default_factory=list)
    imported: dict[tuple[str, str], ImportRecord] = field(default_factory=dict)
    cancelled: dict[tuple[str, str], datetime] = field(default_factory=dict)
    vectors: VectorRows = field(default_factory=VectorRows)


class MemoryWork:
    """Opens units of work on one store; see app.ports.UnitsOfWork."""

    def __init__(self) -> None:
        self.store = Store()

    def __call__(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """A copy of the store that takes its place at the commit."""
        return self._open(tenant_id)

    @asynccontextmanager
    async def _open(self, tenant_id: str) -> AsyncIterator[UnitOfWork]:
        yield MemoryUnitOfWork(self, tenant_id)


class MemoryUnitOfWork:
    """One change of the store; see app.ports.UnitOfWork."""

    def __init__(self, work: MemoryWork, tenant_id: str) -> None:
        self._work = work
        self._tenant_id = tenant_id
        self._draft = copy.deepcopy(work.store)
        self.sources = MemorySources(self._draft)
        self.units = MemoryUnits(self._draft)
        self.series = MemorySeries(self._draft.sources)
        self.bundles = MemoryBundles(self._draft.bundles, self._draft.bundle_versions, self._draft.sources)
        self.facts = MemoryFacts(self._draft.facts)
        self.extractions = MemoryExtractions(self._draft.extractions, self._draft.units)
        self.intake = MemoryIntake(self._draft.sources, self._draft.imported, self._draft.cancelled)
        self.lexical = MemoryLexicalIndex(self.sources, self.units)
        self.vectors = MemoryVectorIndex(self._draft.vectors, self.sources, self.units)

    async def once(self, mutation: Mutation, effect: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """By route alone: calls in memory carry no key of their own."""
        key = (self._tenant_id, mutation.route)
        stored = self._draft.answers.get(key)
        if stored is not None:
            if stored[0] != mutation.request:
                raise LaceError(Reason.IDEMPOTENCY_KEY_REUSED, "This Idempotency-Key was used with another request.")
            kept: T = stored[1]
            return kept
        made = await effect()
        self._draft.answers[key] = (mutation.request, made)
        return made

    async def claim(self, job: ReadJob) -> bool:
        """False where this delivery has had its effect."""
        return await self.claim_for(HANDLER, job.tenant_id, job.event_id)

    async def claim_for(self, handler: str, tenant_id: str, event_id: str) -> bool:
        """False where this message has had its effect by that handler."""
        key = (handler, tenant_id, event_id)
        if key in self._draft.claimed:
            return False
        self._draft.claimed.add(key)
        return True

    async def report(self, news: Readout | ReadFault | ImportOutcome) -> None:
        """Keep the news."""
        if isinstance(news, Readout):
            self._draft.reported.append(news)
        else:
            self._draft.told.append(news)

    async def commit(self) -> None:
        """Make it the store."""
        self._work.store = self._draft


class MemorySources:
    """See app.ports.SourceRepository."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, tenant_id: str, source: Source) -> Source:
        """Keep a new source; gives the one that is kept, with the labels of both."""
        kept = self._of(tenant_id).setdefault(source.source_id, source)
        merged = replace(kept, labels=tuple(sorted({*kept.labels, *source.labels})))
        self._of(tenant_id)[source.source_id] = merged
        return merged

    async def get(self, tenant_id: str, source_id: str) -> Source | None:
        """The source, if the tenant has it."""
        return self._of(tenant_id).get(source_id)

    async def newest(
        self,
        tenant_id: str,
        labels: frozenset[str],
        state: SourceState | None,
        limit: int,
        before: tuple[datetime, str] | None,
    ) -> Sequence[Source]:
        """Newest first, within the labels held."""
        found = [
            source
            for source in self._of(tenant_id).values()
            if may_see(source.labels, labels)
            and state in (None, source.state)
            and (before is None or (source.created_at, source.source_id) < before)
        ]
        return sorted(found, key=lambda source: (source.created_at, source.source_id), reverse=True)[:limit]

    async def ready(self, tenant_id: str, labels: frozenset[str], source_ids: Sequence[str]) -> Sequence[Source]:
        """Those that are ready, by file name: those named, or the newest version of each document."""
        return self._ready(tenant_id, labels, source_ids)

    def _ready(self, tenant_id: str, labels: frozenset[str], source_ids: Collection[str]) -> list[Source]:
        found = [
            source
            for source in self._of(tenant_id).values()
            if source.state is SourceState.READY
            and may_see(source.labels, labels)
            and (not source_ids or source.source_id in source_ids)
        ]
        if not source_ids:
            newest = {source.series_id: source for source in sorted(found, key=lambda source: source.version)}
            found = list(newest.values())
        return sorted(found, key=lambda source: (source.filename, source.source_id))

    def in_scope(self, tenant_id: str, scope: Scope) -> Sequence[Source]:
        """The sources that a search may see."""
        found = self._ready(tenant_id, scope.held, scope.filters.source_ids)
        return [source for source in found if passes(source, scope.filters)]

    async def settle(self, tenant_id: str, source: Source) -> None:
        """Keep what came of a reading."""
        if source.source_id in self._of(tenant_id):
            self._of(tenant_id)[source.source_id] = source

    def _of(self, tenant_id: str) -> dict[str, Source]:
        return self._store.sources.setdefault(tenant_id, {})


class MemoryUnits:
    """See app.ports.UnitRepository; words are compared as they stand, without stemming."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, tenant_id: str, source: Source, units: Sequence[Unit]) -> None:
        """Keep units."""
        kept = self._of(tenant_id).setdefault((source.source_id, source.extraction), {})
        for unit in units:
            kept.setdefault(unit.unit_id, unit)

    async def page(self, tenant_id: str, source: Source, limit: int, after: int) -> Sequence[Unit]:
        """Units of the present extraction in reading order."""
        return [unit for unit in self.present(tenant_id, source) if unit.order > after][:limit]

    async def sections(self, tenant_id: str, sources: Sequence[Source]) -> Mapping[str, Sequence[Section]]:
        """Sections by source, in reading order."""
        return {source.source_id: sections_of(tuple(self.present(tenant_id, source))) for source in sources}

    async def get(self, tenant_id: str, unit_ids: Sequence[str]) -> Sequence[tuple[str, Unit]]:
        """Units by id, in the order of the ids."""
        known = {
            unit.unit_id: (source_id, unit)
            for (source_id, _), units in self._of(tenant_id).items()
            for unit in units.values()
        }
        return [known[unit_id] for unit_id in unit_ids if unit_id in known]

    def present(self, tenant_id: str, source: Source) -> list[Unit]:
        kept = self._of(tenant_id).get((source.source_id, source.extraction), {})
        return sorted(kept.values(), key=lambda unit: unit.order)

    def _of(self, tenant_id: str) -> dict[tuple[str, str], dict[str, Unit]]:
        return self._store.units.setdefault(tenant_id, {})
