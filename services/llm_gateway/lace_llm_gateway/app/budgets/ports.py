"""What budgets need of the outside world: a store for counters and leases, and the limits that control sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from lace_llm_gateway.domain.budgets import BudgetLimits, Counter, CounterKey
from lace_llm_gateway.domain.leases import LeaseOrder, LeaseReply


class BudgetStore(Protocol):
    """Keeps counters and leases for all processes; it tells the time of leases by one clock, its own."""

    async def exchange(self, orders: Sequence[LeaseOrder], life_s: float) -> Sequence[LeaseReply]:
        """Settles the orders of one process in one transaction, in the order given; the leases live so long from now.

        Doing it again after an answer that was lost changes nothing but that more may be granted, which the reply
        tells. Raises LaceError SERVICE_UNAVAILABLE.
        """
        ...

    async def renew(self, process_id: str, life_s: float) -> frozenset[str]:
        """Lets the process's leases live so long from now; ids of those that it still has. Raises like `exchange`."""
        ...

    async def reconcile(self) -> int:
        """Settles the leases whose life is over from the ledger; how many. Raises like `exchange`."""
        ...


class BudgetReader(Protocol):
    """Reads counters within a tenant."""

    async def counters(self, tenant_id: str, keys: Sequence[CounterKey]) -> Mapping[CounterKey, Counter]:
        """What they are; nothing spent where nothing was."""
        ...


class Quotas(Protocol):
    """The limits of tenants as control tells them; news arrive within seconds of a change."""

    def known(self, tenant_id: str) -> BudgetLimits | None:
        """The newest that is known, without waiting; None where nothing is."""
        ...

    async def of(self, tenant_id: str) -> BudgetLimits:
        """The newest that is known, asking where nothing is. Raises TENANT_NOT_FOUND."""
        ...
