"""The ledger in memory: the same port for tests and for trying things out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lace_llm_gateway.domain.calls import Call, CallKey, CallState, Settlement, replayable
from lace_llm_gateway.domain.usage import Usage, UsageBy, UsageQuery

_GIVEN_UP = Settlement(
    CallState.ABANDONED,
    error_code="INTERNAL",
    error_message="The process that made this call ended before it was settled.",
)
_FAILED = (CallState.FAILED, CallState.CANCELLED, CallState.ABANDONED)


class MemoryLedger:
    """See app.calls.ledger.Ledger; rows live as long as this object."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Call] = {}

    async def begin(self, tenant_id: str, call: Call) -> Call | None:
        """See app.calls.ledger.Ledger.begin."""
        for other in self._of(tenant_id):
            if other.key == call.key and other.settlement is None and other.started_at < call.started_at:
                self._rows[tenant_id, other.call_id] = replace(other, settlement=_GIVEN_UP)
        known = await self.answered(tenant_id, call.key)
        if known is None:
            self._rows[tenant_id, call.call_id] = call
        return known

    async def answered(self, tenant_id: str, key: CallKey) -> Call | None:
        """See app.calls.ledger.Ledger.answered."""
        known = [other for other in self._of(tenant_id) if other.key == key and replayable(other.settlement)]
        return max(known, key=lambda c: (c.started_at, c.call_id), default=None)

    async def settle(self, tenant_id: str, call_id: str, settlement: Settlement) -> None:
        """See app.calls.ledger.Ledger.settle."""
        call = self._rows[tenant_id, call_id]
        if call.settlement is None or call.settlement.state is CallState.ABANDONED:
            self._rows[tenant_id, call_id] = replace(call, settlement=settlement)

    async def record(self, tenant_id: str, call: Call) -> None:
        """See app.calls.ledger.Ledger.record."""
        assert call.settlement is not None
        kept = replace(call, settlement=replace(call.settlement, output=""))
        self._rows.setdefault((tenant_id, call.call_id), kept)

    async def flush(self) -> None:
        """Nothing waits."""

    async def close(self) -> None:
        """Nothing waits."""

    async def of_run(
        self, tenant_id: str, run_id: str, limit: int, after: tuple[datetime, str] | None
    ) -> Sequence[Call]:
        """See app.calls.ledger.Ledger.of_run."""
        own = sorted(
            (c for c in self._of(tenant_id) if c.key.run_id == run_id), key=lambda c: (c.started_at, c.call_id)
        )
        return [c for c in own if after is None or (c.started_at, c.call_id) > after][:limit]

    async def usage(
        self, tenant_id: str, query: UsageQuery, limit: int, after: tuple[str, str] | None
    ) -> Sequence[Usage]:
        """See app.calls.ledger.Ledger.usage."""
        newest_first = query.by is UsageBy.DAY
        summed: dict[tuple[str, str], list[Call]] = {}
        for call in self._of(tenant_id):
            if query.start <= call.started_at < query.end:
                summed.setdefault(_key(call, query.by), []).append(call)
        keys = sorted(summed, reverse=newest_first)
        left = [key for key in keys if after is None or (key < after if newest_first else key > after)]
        return [_sum(key, summed[key]) for key in left[:limit]]

    def _of(self, tenant_id: str) -> list[Call]:
        return [call for (tenant, _), call in self._rows.items() if tenant == tenant_id]


def _key(call: Call, by: UsageBy) -> tuple[str, str]:
    match by:
        case UsageBy.DAY:
            return call.started_at.astimezone(UTC).strftime("%Y-%m-%d"), ""
        case UsageBy.MODEL:
            return call.key.provider, call.key.model
        case UsageBy.PRINCIPAL:
            return call.principal_id, ""
        case UsageBy.RUN:
            return call.key.run_id, ""


def _sum(key: tuple[str, str], calls: Sequence[Call]) -> Usage:
    ended = [call.settlement for call in calls if call.settlement is not None]
    return Usage(
        key,
        len(calls),
        sum(each.state in _FAILED for each in ended),
        sum(each.input_tokens for each in ended),
        sum(each.output_tokens for each in ended),
        sum(each.cost_micro_usd for each in ended),
    )
