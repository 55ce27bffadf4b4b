"""The ledger in memory: the same port for tests and for trying things out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from lace_llm_gateway.domain.calls import Call, CallKey, CallState, Settlement, replayable

_Rows = dict[tuple[str, str], Call]


class MemoryUnits:
    """Opens units of work on rows that live as long as this object."""

    def __init__(self) -> None:
        self._rows: _Rows = {}

    @asynccontextmanager
    async def of_tenant(self, tenant_id: str) -> AsyncIterator[MemoryUnitOfWork]:
        """Within a tenant; what is not committed is forgotten."""
        del tenant_id
        yield MemoryUnitOfWork(self._rows)


class MemoryUnitOfWork:
    """A copy of the rows that replaces them on commit."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows
        self._own = dict(rows)
        self.calls = MemoryCallRepository(self._own)

    async def commit(self) -> None:
        """Keep what changed."""
        self._rows.update(self._own)


class MemoryCallRepository:
    """Calls by tenant and id."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows

    async def add(self, tenant_id: str, call: Call) -> None:
        """Keep the intent of a call."""
        self._rows[tenant_id, call.call_id] = call

    async def settle(self, tenant_id: str, call_id: str, settlement: Settlement) -> None:
        """The outcome, once."""
        call = self._rows[tenant_id, call_id]
        if call.settlement is None or call.settlement.state is CallState.ABANDONED:
            self._rows[tenant_id, call_id] = replace(call, settlement=settlement)

    async def answered(self, tenant_id: str, key: CallKey) -> Call | None:
        """The newest call of the key with an outcome that holds."""
        found = [c for c in self._of(tenant_id) if c.key == key and replayable(c.settlement)]
        return max(found, key=lambda c: (c.started_at, c.call_id), default=None)

    async def abandon(self, tenant_id: str, key: CallKey, before: datetime) -> int:
        """Pending calls of the key that began before then."""
        stale = [c for c in self._of(tenant_id) if c.key == key and c.settlement is None and c.started_at < before]
        given_up = Settlement(
            CallState.ABANDONED,
            error_code="INTERNAL",
            error_message="The process that made this call ended before it was settled.",
        )
        for call in stale:
            self._rows[tenant_id, call.call_id] = replace(call, settlement=given_up)
        return len(stale)

    async def of_run(
        self, tenant_id: str, run_id: str, limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[Call]:
        """Oldest first, by time and id."""
        own = sorted(
            (c for c in self._of(tenant_id) if c.key.run_id == run_id), key=lambda c: (c.started_at, c.call_id)
        )
        return [c for c in own if after is None or (c.started_at, c.call_id) > after][:limit]

    def _of(self, tenant_id: str) -> list[Call]:
        return [call for (tenant, _), call in self._rows.items() if tenant == tenant_id]
