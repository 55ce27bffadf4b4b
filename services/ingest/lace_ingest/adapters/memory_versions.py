"""Versions and extractions in memory, behind the same ports as Postgres."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime

from lace_ingest.domain.documents import Unit
from lace_ingest.domain.extractions import Extraction
from lace_ingest.domain.sources import Source, SourceState, may_see


class MemorySeries:
    """See app.version_ports.SeriesRepository; `sources` are those of each tenant by id."""

    def __init__(self, sources: Mapping[str, Mapping[str, Source]]) -> None:
        self._sources = sources

    async def hold(self, tenant_id: str, series_id: str) -> Source | None:
        """The newest version."""
        found = self._of(tenant_id, series_id)
        return found[0] if found else None

    async def versions(
        self, tenant_id: str, labels: frozenset[str], series_id: str, limit: int, before: int | None
    ) -> Sequence[Source]:
        """Newest first, within the labels held."""
        found = [source for source in self._of(tenant_id, series_id) if may_see(source.labels, labels)]
        return [source for source in found if before is None or source.version < before][:limit]

    async def newest_ready(
        self, tenant_id: str, labels: frozenset[str], series_ids: Sequence[str]
    ) -> Mapping[str, Source]:
        """By series."""
        newest: dict[str, Source] = {}
        for series_id in series_ids:
            for source in self._of(tenant_id, series_id):
                if source.state is SourceState.READY and may_see(source.labels, labels):
                    newest.setdefault(series_id, source)
        return newest

    def _of(self, tenant_id: str, series_id: str) -> list[Source]:
        found = [source for source in self._sources.get(tenant_id, {}).values() if source.series_id == series_id]
        return sorted(found, key=lambda source: -source.version)


class MemoryExtractions:
    """See app.version_ports.ExtractionRepository; `kept` are by tenant, source and name, `units` as the store's."""

    def __init__(
        self,
        kept: MutableMapping[tuple[str, str, str], Extraction],
        units: Mapping[str, Mapping[tuple[str, str], Mapping[str, Unit]]],
    ) -> None:
        self._kept = kept
        self._units = units

    async def add(self, tenant_id: str, extraction: Extraction) -> None:
        """Record a reading."""
        self._kept.setdefault((tenant_id, extraction.source_id, extraction.extraction), extraction)

    async def get(self, tenant_id: str, source_id: str, extraction: str) -> Extraction | None:
        """One reading."""
        return self._kept.get((tenant_id, source_id, extraction))

    async def of_source(
        self, tenant_id: str, source_id: str, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[Extraction]:
        """Newest first."""
        own = [one for (tenant, source, _), one in self._kept.items() if (tenant, source) == (tenant_id, source_id)]
        found = [one for one in own if before is None or (one.created_at, one.extraction) < before]
        return sorted(found, key=lambda one: (one.created_at, one.extraction), reverse=True)[:limit]

    async def of_unit(self, tenant_id: str, unit_id: str) -> str | None:
        """By the units of all extractions."""
        kept = self._units.get(tenant_id, {})
        return next((name for (_, name), units in kept.items() if unit_id in units), None)
