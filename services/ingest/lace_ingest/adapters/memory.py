"""Sources and units in memory, behind the same ports as Postgres and under the same contract suite."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from lace_core.errors import LaceError, Reason
from lace_ingest.app.ports import Mutation, UnitOfWork
from lace_ingest.domain.documents import Unit
from lace_ingest.domain.jobs import ReadJob, Readout
from lace_ingest.domain.outlines import Section, sections_of
from lace_ingest.domain.retrieval import HEADING_WEIGHT, K1, TITLE_WEIGHT, B, Hit, Query
from lace_ingest.domain.sources import Source, SourceState, may_see

_WORD = re.compile(r"\w+")
_STOP = frozenset("a an and are as at be by for in is it of on or that the this to was were with".split())


@dataclass
class Store:
    """Everything that is committed, by tenant: sources by id, units by (source, extraction), and the rest."""

    sources: dict[str, dict[str, Source]] = field(default_factory=dict)
    units: dict[str, dict[tuple[str, str], dict[str, Unit]]] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[bytes, Source]] = field(default_factory=dict)
    claimed: set[tuple[str, str]] = field(default_factory=set)
    reported: list[Readout] = field(default_factory=list)


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

    async def once(self, mutation: Mutation, effect: Callable[[], Awaitable[Source]]) -> Source:
        """By route alone: calls in memory carry no key of their own."""
        key = (self._tenant_id, mutation.route)
        stored = self._draft.answers.get(key)
        if stored is not None:
            if stored[0] != mutation.request:
                raise LaceError(Reason.IDEMPOTENCY_KEY_REUSED, "This Idempotency-Key was used with another request.")
            return stored[1]
        made = await effect()
        self._draft.answers[key] = (mutation.request, made)
        return made

    async def claim(self, job: ReadJob) -> bool:
        """False where this delivery has had its effect."""
        key = (job.tenant_id, job.event_id)
        if key in self._draft.claimed:
            return False
        self._draft.claimed.add(key)
        return True

    async def report(self, readout: Readout) -> None:
        """Keep the news."""
        self._draft.reported.append(readout)

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
        """Those that are ready, by file name."""
        found = [
            source
            for source in self._of(tenant_id).values()
            if source.state is SourceState.READY
            and may_see(source.labels, labels)
            and (not source_ids or source.source_id in source_ids)
        ]
        return sorted(found, key=lambda source: (source.filename, source.source_id))

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
        return [unit for unit in self._present(tenant_id, source) if unit.order > after][:limit]

    async def sections(self, tenant_id: str, sources: Sequence[Source]) -> Mapping[str, Sequence[Section]]:
        """Sections by source, in reading order."""
        return {source.source_id: sections_of(tuple(self._present(tenant_id, source))) for source in sources}

    async def search(
        self, tenant_id: str, sources: Sequence[Source], queries: Sequence[Query]
    ) -> Sequence[Sequence[Hit]]:
        """BM25 over all units of the sources."""
        units = [(source, unit) for source in sources for unit in self._present(tenant_id, source)]
        weights = [_weights(source, unit) for source, unit in units]
        lengths = [sum(1 for word in _words_of(source, unit)) for source, unit in units]
        mean = max(sum(lengths) / max(len(lengths), 1), 1.0)
        results: list[list[Hit]] = []
        for query in queries:
            scores = _scores(set(_words(query.text)), weights, lengths, mean)
            ranked = sorted(
                (at for at, score in enumerate(scores) if score > 0),
                key=lambda at: (-scores[at], units[at][0].filename, units[at][1].order, units[at][1].unit_id),
            )
            results.append([Hit(units[at][1].unit_id, format(scores[at], "f")) for at in ranked[: query.limit]])
        return results

    async def get(self, tenant_id: str, unit_ids: Sequence[str]) -> Sequence[tuple[str, Unit]]:
        """Units by id, in the order of the ids."""
        known = {
            unit.unit_id: (source_id, unit)
            for (source_id, _), units in self._of(tenant_id).items()
            for unit in units.values()
        }
        return [known[unit_id] for unit_id in unit_ids if unit_id in known]

    def _present(self, tenant_id: str, source: Source) -> list[Unit]:
        kept = self._of(tenant_id).get((source.source_id, source.extraction), {})
        return sorted(kept.values(), key=lambda unit: unit.order)

    def _of(self, tenant_id: str) -> dict[tuple[str, str], dict[str, Unit]]:
        return self._store.units.setdefault(tenant_id, {})


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in _STOP]


def _headings(unit: Unit) -> str:
    return " ".join((*unit.heading_path, unit.table.caption if unit.table else ""))


def _words_of(source: Source, unit: Unit) -> list[str]:
    return [*_words(unit.text), *_words(_headings(unit)), *_words(source.title)]


def _weights(source: Source, unit: Unit) -> dict[str, float]:
    weights: dict[str, float] = {}
    for text, weight in ((unit.text, 1.0), (_headings(unit), HEADING_WEIGHT), (source.title, TITLE_WEIGHT)):
        for word in _words(text):
            weights[word] = weights.get(word, 0.0) + weight
    return weights


def _scores(
    words: set[str], weights: Sequence[Mapping[str, float]], lengths: Sequence[int], mean: float
) -> list[Decimal]:
    """The rounded score of each unit."""
    totals = [0.0] * len(weights)
    for word in sorted(words):
        holding = [at for at, found in enumerate(weights) if word in found]
        rarity = math.log(1 + (len(weights) - len(holding) + 0.5) / (len(holding) + 0.5))
        for at in holding:
            weight = weights[at][word]
            totals[at] += rarity * weight * (K1 + 1) / (weight + K1 * (1 - B + B * lengths[at] / mean))
    return [Decimal(repr(total)).quantize(Decimal("0.000001"), ROUND_HALF_UP) for total in totals]
