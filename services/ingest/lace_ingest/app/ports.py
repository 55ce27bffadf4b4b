"""What the use cases need of the outside world.

Every repository method names its tenant, and a unit of work is opened for one tenant, so that row level security
holds where a query forgets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lace_ingest.domain.documents import ExtractedDocument, Unit
from lace_ingest.domain.jobs import ReadJob, Readout
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.outlines import Section
from lace_ingest.domain.retrieval import Hit, Query
from lace_ingest.domain.sources import Source, SourceState


@dataclass(frozen=True)
class Caller:
    """Who calls: the tenant, the principal, and the security labels that it may see."""

    tenant_id: str
    principal_id: str
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Received:
    """A file that came in whole: where it lies for now, its size in bytes and the SHA-256 of its content."""

    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Stored:
    """A kept file: where it is and the SHA-256 of its content."""

    uri: str
    sha256: str


class SourceRepository(Protocol):
    """The sources of a tenant."""

    async def add(self, tenant_id: str, source: Source) -> Source:
        """Keep a new source; gives the one that is kept under its id, where one was before."""

    async def get(self, tenant_id: str, source_id: str) -> Source | None:
        """The source, if the tenant has it."""

    async def newest(
        self,
        tenant_id: str,
        labels: frozenset[str],
        state: SourceState | None,
        limit: int,
        before: tuple[datetime, str] | None,
    ) -> Sequence[Source]:
        """Sources whose labels are all among these, newest first, those before the given time and id only."""

    async def ready(self, tenant_id: str, labels: frozenset[str], source_ids: Sequence[str]) -> Sequence[Source]:
        """The sources that are ready among these (all where empty), sorted by file name and id."""

    async def settle(self, tenant_id: str, source: Source) -> None:
        """Keep what came of a reading."""


class UnitRepository(Protocol):
    """The units of a tenant's sources; one that was stored never changes and never goes."""

    async def add(self, tenant_id: str, source: Source, units: Sequence[Unit]) -> None:
        """Keep the units of a reading and make them findable; those that are there stay as they are."""

    async def page(self, tenant_id: str, source: Source, limit: int, after: int) -> Sequence[Unit]:
        """Units of the source's present extraction in reading order, those behind the given place only."""

    async def sections(self, tenant_id: str, sources: Sequence[Source]) -> Mapping[str, Sequence[Section]]:
        """What each source speaks of, by source id, in reading order."""

    async def search(
        self, tenant_id: str, sources: Sequence[Source], queries: Sequence[Query]
    ) -> Sequence[Sequence[Hit]]:
        """The best units of these sources for each query; ties by file name, then place."""

    async def get(self, tenant_id: str, unit_ids: Sequence[str]) -> Sequence[tuple[str, Unit]]:
        """(source id, unit) for each id that is there, in the order of the ids."""


@dataclass(frozen=True)
class Mutation:
    """A request that takes effect once: its route and its canonical JSON."""

    route: str
    request: bytes


class UnitOfWork(Protocol):
    """One transaction in a tenant; leaving it without `commit` undoes everything."""

    @property
    def sources(self) -> SourceRepository:
        """Sources."""

    @property
    def units(self) -> UnitRepository:
        """Units."""

    async def once(self, mutation: Mutation, effect: Callable[[], Awaitable[Source]]) -> Source:
        """The effect's answer, or the stored one of the same request. Raises IDEMPOTENCY_*."""

    async def claim(self, job: ReadJob) -> bool:
        """False where this delivery of the job has had its effect already."""

    async def report(self, readout: Readout) -> None:
        """Tell the waiting run and the provenance what came of a reading, after the commit."""

    async def commit(self) -> None:
        """Make everything durable."""


UnitsOfWork = Callable[[str], AbstractAsyncContextManager[UnitOfWork]]
"""Opens a unit of work in a tenant."""


class Intake(Protocol):
    """Takes in a stream of bytes."""

    def receive(self, chunks: AsyncIterator[bytes], max_bytes: int) -> AbstractAsyncContextManager[Received | None]:
        """The received file for the length of the block, None when more than `max_bytes` came; gone afterwards."""


class Files(Protocol):
    """Keeps raw documents and what was read out of them."""

    async def keep_raw(self, key: str, received: Received, media_type: str) -> Stored:
        """Keep a received file."""

    async def keep_units(self, key: Callable[[str], str], document: ExtractedDocument) -> Stored:
        """Keep a document as canonical JSON, under the key made from its hash."""

    async def raw(self, source: Source) -> bytes:
        """The raw bytes. Raises BLOB_NOT_FOUND, BLOB_CORRUPT."""


class Reader(Protocol):
    """Reads a document within limits, where it cannot harm anyone."""

    async def read(self, source: Source, data: bytes, limits: ExtractionLimits) -> ExtractedDocument:
        """What the document says. Raises SOURCE_*."""


@dataclass(frozen=True)
class Ingest:
    """The outside world as the use cases see it. `max_bytes` bounds an upload."""

    units_of_work: UnitsOfWork
    intake: Intake
    files: Files
    reader: Reader
    now: Callable[[], datetime]
    max_bytes: int
