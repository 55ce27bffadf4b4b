"""What the use cases need of the outside world; every repository method names its tenant."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from lace_provenance.domain.impact import ImpactQuestion
from lace_provenance.domain.logs import EntityRef, TransformationLog

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Delivery:
    """A message of the bus, which may come more than once under the same event id."""

    event_id: str
    tenant_id: str
    topic: str


class LogRepository(Protocol):
    """Transformation logs with the entities and edges that they name; they only grow.

    `labels` are those that the reader holds: a log that has others is not there for him.
    """

    async def add(self, tenant_id: str, logs: Sequence[TransformationLog]) -> Set[str]:
        """Keep logs; the ids of those that were not kept before, the others change nothing."""

    async def of_run(
        self, tenant_id: str, run_id: str, labels: frozenset[str], limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[TransformationLog]:
        """Logs of a run in the order of their end and id, those after the given only."""

    async def touching(
        self,
        tenant_id: str,
        entity_id: str,
        direction: Literal["used", "generated"],
        labels: frozenset[str],
        limit: int,
    ) -> Sequence[TransformationLog]:
        """Logs that used or generated an entity, newest first."""


class EntityRepository(Protocol):
    """Entities as the logs name them."""

    async def contents(self, tenant_id: str, entity_id: str, labels: frozenset[str]) -> Sequence[EntityRef]:
        """The entity's contents that a visible log names, newest first."""

    async def ancestors(
        self, tenant_id: str, entity_id: str, labels: frozenset[str], steps: int, limit: int
    ) -> Sequence[EntityRef]:
        """What the entity was derived from in at most so many steps, nearest first, without itself."""


class UnitOfWork(Protocol):
    """One transaction in a tenant; leaving it without `commit` undoes everything."""

    @property
    def logs(self) -> LogRepository:
        """Transformation logs."""

    @property
    def entities(self) -> EntityRepository:
        """Entities."""

    async def claim(self, tenant_id: str, deliveries: Sequence[Delivery], handler: str, version: int) -> Set[str]:
        """Claim messages of one tenant for a handler; the event ids of those whose effect is not there already."""

    async def commit(self) -> None:
        """Make it durable."""


class Units(Protocol):
    """Opens units of work."""

    def of_tenant(self, tenant_id: str) -> AbstractAsyncContextManager[UnitOfWork]:
        """Within a tenant."""


class Impacts(Protocol[T_co]):
    """Knows sources and their versions, and who cites them."""

    async def assess(self, question: ImpactQuestion) -> T_co:
        """How citations stand, as far as the caller of the call under way may know."""
