"""What the use cases need of the outside world.

Every repository method names its tenant, and a unit of work is opened for one tenant, so that row level security
holds where a query forgets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from lace_ingest.app.bundle_ports import BundleRepository
from lace_ingest.app.fact_ports import FactRepository
from lace_ingest.app.intake_ports import IntakeRepository
from lace_ingest.app.model_ports import Models
from lace_ingest.app.turns import Turns
from lace_ingest.app.vector_ports import VectorIndex
from lace_ingest.app.version_ports import ExtractionRepository, SeriesRepository
from lace_ingest.domain.documents import ExtractedDocument, Unit
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.intake import ImportOutcome, ReadFault
from lace_ingest.domain.jobs import ReadJob, Readout
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.outlines import Section
from lace_ingest.domain.retrieval.hits import Candidate
from lace_ingest.domain.retrieval.query import Query, Scope
from lace_ingest.domain.sources import Source, SourceState

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Who calls: the tenant, the principal, and the security labels that it may see."""

    tenant_id: str
    principal_id: str
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Received:
    """A file that came in whole: where it lies for now, its size in bytes, the SHA-256 of its content, and its first
    bytes, from which its kind is seen.
    """

    path: Path
    size_bytes: int
    sha256: str
    head: bytes = b""


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
        """The sources that are ready among these, sorted by file name and id; where none is named, of each document
        the newest version among those that are ready and carry none but these labels.
        """

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

    async def get(self, tenant_id: str, unit_ids: Sequence[str]) -> Sequence[tuple[str, Unit]]:
        """(source id, unit) for each id that is there, in the order of the ids."""


class LexicalIndex(Protocol):
    """Finds a tenant's units by their words."""

    async def candidates(
        self, tenant_id: str, scope: Scope, queries: Sequence[Query], depth: int
    ) -> Sequence[Sequence[Candidate]]:
        """The `depth` best units in scope for each query, by the score of domain.retrieval.bm25."""

    async def lexemes(self, tenant_id: str, language: str, texts: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The lexemes of each text, as units in this language (BCP 47, may be empty) are found by them."""


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

    @property
    def series(self) -> SeriesRepository:
        """Sources as versions of documents."""

    @property
    def bundles(self) -> BundleRepository:
        """Bundles."""

    @property
    def extractions(self) -> ExtractionRepository:
        """Readings of sources."""

    @property
    def intake(self) -> IntakeRepository:
        """Sources by the hundred, what was imported, and cancelled runs."""

    @property
    def lexical(self) -> LexicalIndex:
        """Units by their words."""

    @property
    def vectors(self) -> VectorIndex:
        """Units by their vectors."""

    @property
    def facts(self) -> FactRepository:
        """Facts of sources."""

    async def once(self, mutation: Mutation, effect: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """The effect's answer of this kind, or the stored one of the same request. Raises IDEMPOTENCY_*."""

    async def claim(self, job: ReadJob) -> bool:
        """False where this delivery of the job has had its effect already."""

    async def claim_for(self, handler: str, tenant_id: str, event_id: str) -> bool:
        """False where this message has had its effect by that handler already."""

    async def report(self, news: Readout | ReadFault | ImportOutcome) -> None:
        """Tell the waiting run what came of a job, and the provenance what came of a reading, after the commit."""

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

    def raw(self, source: Source) -> AbstractAsyncContextManager[Path]:
        """A file with the raw bytes for the length of the block. Raises BLOB_NOT_FOUND, BLOB_CORRUPT."""


class Reader(Protocol):
    """Reads a document within limits, where it cannot harm anyone."""

    def extraction(self, source_format: SourceFormat, limits: ExtractionLimits) -> str:
        """The name of the extraction that `read` would make: what read it before gives the same units again."""

    async def read(self, source: Source, raw: Path, limits: ExtractionLimits) -> ExtractedDocument:
        """What the document in this file says. Raises SOURCE_*."""


@dataclass(frozen=True)
class Ingest:
    """The outside world as the use cases see it.

    `max_bytes` bounds an upload; without `models` units are found by their words alone.
    """

    units_of_work: UnitsOfWork
    intake: Intake
    files: Files
    reader: Reader
    now: Callable[[], datetime]
    max_bytes: int
    turns: Turns = field(default_factory=Turns)
    models: Models | None = None
