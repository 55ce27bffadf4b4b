"""Use case: the calls of a run, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lace_llm_gateway.app.calls.ledger import Ledger
from lace_llm_gateway.domain.calls import Call

Place = tuple[datetime, str]


@dataclass(frozen=True)
class Page:
    """Calls, oldest first; `after` is the place where the next page begins, None at the end."""

    calls: tuple[Call, ...]
    after: Place | None


async def list_calls(ledger: Ledger, tenant_id: str, run_id: str, limit: int, after: Place | None) -> Page:
    """The page; a run without calls gives an empty one."""
    found = await ledger.of_run(tenant_id, run_id, limit + 1, after)
    shown = tuple(found[:limit])
    return Page(shown, (shown[-1].started_at, shown[-1].call_id) if len(found) > limit else None)
