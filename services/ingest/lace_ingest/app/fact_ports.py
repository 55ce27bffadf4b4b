"""What the use cases of facts need of the outside world; every method names its tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lace_ingest.domain.facts import Fact, FactFilter, FactPlace


class FactRepository(Protocol):
    """The facts of a tenant's sources; one that was kept never goes."""

    async def add(self, tenant_id: str, facts: Sequence[Fact]) -> int:
        """Keep facts; those that are there stay as they are. Gives how many are new."""

    async def get(self, tenant_id: str, fact_id: str) -> Fact | None:
        """The fact, if the tenant has it."""

    async def many(self, tenant_id: str, fact_ids: Sequence[str]) -> Sequence[Fact]:
        """Those of these facts that the tenant has, in the order of the ids."""

    async def page(
        self, tenant_id: str, source_id: str, wanted: FactFilter, limit: int, after: FactPlace | None
    ) -> Sequence[Fact]:
        """Facts of a source in the order of their places, those behind the given one only."""

    async def settle(self, tenant_id: str, fact: Fact) -> None:
        """Keep the fact's state and who retired it when."""
