"""What the use cases need of vectors: those of a tenant for a search, and the work that is left for all tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from lace_ingest.domain.retrieval.hits import Candidate
from lace_ingest.domain.retrieval.query import Scope, VectorSearch
from lace_ingest.domain.vectors import EmbeddingModel, UnitText, UnitVector, Vector, VectorSet


@dataclass(frozen=True)
class Coverage:
    """How many units are in scope, and how many of them have vectors, by `provider/model` and dimensions."""

    units: int = 0
    embedded: Mapping[tuple[str, int], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far the vectors of a source are, of one model: `embedded` of `units`; why they wait, or empty."""

    model: str
    dimensions: int
    units: int
    embedded: int
    error_code: str


@dataclass(frozen=True)
class Nearest:
    """The nearest units for each query, best first, and how they were found."""

    candidates: Sequence[Sequence[Candidate]]
    search: VectorSearch


class VectorIndex(Protocol):
    """Finds a tenant's units by their vectors; a score is the cosine of the unit's nearest piece."""

    async def coverage(self, tenant_id: str, scope: Scope) -> Coverage:
        """Of the units in scope."""

    async def candidates(
        self,
        tenant_id: str,
        scope: Scope,
        model: EmbeddingModel,
        vectors: Sequence[Vector[float]],
        depth: int,
        exact_units: int,
    ) -> Nearest:
        """The `depth` nearest units in scope for each vector; all are compared up to `exact_units` units in scope."""

    async def cosines(
        self,
        tenant_id: str,
        scope: Scope,
        model: EmbeddingModel,
        vectors: Sequence[Vector[float]],
        unit_ids: Sequence[Sequence[str]],
    ) -> Sequence[Mapping[str, Decimal]]:
        """For each vector the cosine of those of its units that are in scope and have vectors."""

    async def progress(self, tenant_id: str, source_ids: Sequence[str]) -> Mapping[str, Sequence[Progress]]:
        """How far the vectors of the present readings are, by source, sorted by model."""


class VectorQueue(Protocol):
    """The units that are without vectors, across tenants; each set is one worker's at a time, by a lease that ends."""

    async def ready(self) -> bool:
        """Whether the database can keep vectors."""

    async def tenants(self, spaces: Mapping[str, int]) -> Mapping[str, str]:
        """Tenants with readings that have no set in the space named for them, or for which none is named; each with
        one of those who gave them.
        """

    async def enqueue(self, tenant_id: str, model: EmbeddingModel) -> int:
        """The tenant's space of that model, with a set for each present reading."""

    async def take(self, space_ids: Sequence[int], lease: str, seconds: float) -> VectorSet | None:
        """An unfinished set of these spaces that is nobody's, of the tenant that waited longest."""

    async def units(self, taken: VectorSet, limit: int) -> Sequence[UnitText]:
        """The set's next units without vectors, in reading order."""

    async def store(
        self, taken: VectorSet, lease: str, units: Sequence[UnitText], vectors: Sequence[UnitVector]
    ) -> bool:
        """Keep the vectors of these units and give the set back; False where it is no longer this lease's."""

    async def put_back(self, taken: VectorSet, lease: str, error_code: str, seconds: float) -> None:
        """Give the set back, for nobody to take for so long."""

    async def count(self) -> tuple[int, int]:
        """Units in the unfinished and finished sets of all tenants, and those of them that have vectors."""

    async def index(self, tenant_id: str, space_id: int, units: int) -> bool:
        """Make the space's index where it has none and holds at least so many units; whether one was made."""


class StoredSettings(Protocol):
    """Settings as control stores them."""

    async def of(self, tenant_id: str, principal_id: str = "") -> Mapping[str, Any]:
        """What holds for a principal, or for the tenant where none is named, over this process's own.

        Raises LaceError SERVICE_UNAVAILABLE.
        """

    def changed(self) -> int:
        """A number that is another one after each change of which control told."""
