"""What the use cases of versions and extractions need of the outside world; every method names its tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from lace_ingest.domain.extractions import Extraction
from lace_ingest.domain.sources import Source


class SeriesRepository(Protocol):
    """Sources of a tenant as versions of documents."""

    async def hold(self, tenant_id: str, series_id: str) -> Source | None:
        """The newest version; until the end of the unit of work nobody else adds one."""

    async def versions(
        self, tenant_id: str, labels: frozenset[str], series_id: str, limit: int, before: int | None
    ) -> Sequence[Source]:
        """Versions whose labels are all among these, newest first, those before the given number only."""

    async def newest_ready(
        self, tenant_id: str, labels: frozenset[str], series_ids: Sequence[str]
    ) -> Mapping[str, Source]:
        """Of each document the newest version that is ready and whose labels are all among these, by series."""


class ExtractionRepository(Protocol):
    """The extractions of a tenant's sources; one that was recorded never changes and never goes."""

    async def add(self, tenant_id: str, extraction: Extraction) -> None:
        """Record a reading; one that is there stays as it is."""

    async def get(self, tenant_id: str, source_id: str, extraction: str) -> Extraction | None:
        """The record of a reading, if the source was ever read like that."""

    async def of_source(
        self, tenant_id: str, source_id: str, limit: int, before: tuple[datetime, str] | None
    ) -> Sequence[Extraction]:
        """The source's extractions, newest first, those before the given time and name only."""

    async def of_unit(self, tenant_id: str, unit_id: str) -> str | None:
        """The name of the extraction that made a unit, if there is such a unit."""
