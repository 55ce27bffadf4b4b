"""Counters and leases of budgets in memory: the same port for tests and for trying things out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lace_llm_gateway.domain.budgets import NOTHING, UNLIMITED, Amount, BudgetLimits, Counter, CounterKey
from lace_llm_gateway.domain.leases import Lease, LeaseOrder, LeaseReply, exchange, expire


class MemoryBudgets:
    """See app.budgets.ports; `ledger` says what the calls of a lease used, `clock` tells the time of leases."""

    def __init__(self, clock: Callable[[], float], ledger: Callable[[str], Amount] = lambda lease_id: NOTHING) -> None:
        self._clock = clock
        self._ledger = ledger
        self._limits: dict[str, BudgetLimits] = {}
        self._expires: dict[str, float] = {}
        self.leases: dict[str, Lease] = {}
        self.rows: dict[CounterKey, Counter] = {}

    async def exchange(self, orders: Sequence[LeaseOrder], life_s: float) -> Sequence[LeaseReply]:
        """See app.budgets.ports.BudgetStore.exchange."""
        return [self._exchange(order, life_s) for order in orders]

    async def renew(self, process_id: str, life_s: float) -> frozenset[str]:
        """See app.budgets.ports.BudgetStore.renew."""
        own = frozenset(lease_id for lease_id, lease in self.leases.items() if lease.process_id == process_id)
        self._expires.update(dict.fromkeys(own, self._clock() + life_s))
        return own

    async def reconcile(self) -> int:
        """See app.budgets.ports.BudgetStore.reconcile."""
        over = [lease_id for lease_id in self.leases if self._clock() >= self._expires[lease_id]]
        for lease_id in over:
            expire(self.leases.pop(lease_id), self._ledger(lease_id), self.rows)
        return len(over)

    async def counters(self, tenant_id: str, keys: Sequence[CounterKey]) -> Mapping[CounterKey, Counter]:
        """See app.budgets.ports.BudgetReader.counters."""
        return {key: self.rows.get(key, Counter()) for key in keys if key.tenant_id == tenant_id}

    def _exchange(self, order: LeaseOrder, life_s: float) -> LeaseReply:
        lease = order.lease
        known = self._limits.get(lease.tenant_id, UNLIMITED)
        if order.limits.version > known.version:
            known = self._limits[lease.tenant_id] = order.limits
        for key in lease.keys:
            self.rows.setdefault(key, Counter())
        reply = exchange(order, self.leases.get(lease.lease_id), known, self.rows)
        if reply.lease is None or order.close:
            self.leases.pop(lease.lease_id, None)
        else:
            self.leases[lease.lease_id] = reply.lease
            self._expires[lease.lease_id] = self._clock() + life_s
        return reply
