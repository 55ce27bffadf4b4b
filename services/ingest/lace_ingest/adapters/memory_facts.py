"""Facts in memory, behind the same port as Postgres."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace

from lace_ingest.domain.facts import Fact, FactFilter, FactPlace, in_order


class MemoryFacts:
    """See app.fact_ports.FactRepository; `kept` are by tenant and id."""

    def __init__(self, kept: MutableMapping[tuple[str, str], Fact]) -> None:
        self._kept = kept

    async def add(self, tenant_id: str, facts: Sequence[Fact]) -> int:
        """Keep facts."""
        before = len(self._kept)
        for fact in facts:
            self._kept.setdefault((tenant_id, fact.fact_id), fact)
        return len(self._kept) - before

    async def get(self, tenant_id: str, fact_id: str) -> Fact | None:
        """The fact."""
        return self._kept.get((tenant_id, fact_id))

    async def many(self, tenant_id: str, fact_ids: Sequence[str]) -> Sequence[Fact]:
        """Those of these facts that there are."""
        return [self._kept[tenant_id, each] for each in fact_ids if (tenant_id, each) in self._kept]

    async def page(
        self, tenant_id: str, source_id: str, wanted: FactFilter, limit: int, after: FactPlace | None
    ) -> Sequence[Fact]:
        """In the order of their places."""
        own = [fact for (tenant, _), fact in self._kept.items() if tenant == tenant_id and fact.source_id == source_id]
        return in_order([fact for fact in own if wanted.admits(fact)], after)[:limit]

    async def settle(self, tenant_id: str, fact: Fact) -> None:
        """Keep its state."""
        kept = self._kept[tenant_id, fact.fact_id]
        self._kept[tenant_id, fact.fact_id] = replace(
            kept, state=fact.state, retired_by=fact.retired_by, retired_at=fact.retired_at
        )
