"""Use case: what a tenant's calls used and cost, summed, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from lace_llm_gateway.app.calls.ledger import Ledger
from lace_llm_gateway.domain.usage import Usage, UsageQuery

Key = tuple[str, str]


@dataclass(frozen=True)
class UsagePage:
    """Sums in order; `after` is the key after which the next page begins, None at the end."""

    usage: tuple[Usage, ...]
    after: Key | None


async def list_usage(ledger: Ledger, tenant_id: str, query: UsageQuery, limit: int, after: Key | None) -> UsagePage:
    """The page; a tenant without calls gets an empty one."""
    found = await ledger.usage(tenant_id, query, limit + 1, after)
    shown = tuple(found[:limit])
    return UsagePage(shown, shown[-1].key if len(found) > limit else None)
