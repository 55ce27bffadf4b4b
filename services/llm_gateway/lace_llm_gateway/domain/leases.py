"""Leases of a budget: how a process takes slices, tells what it spent and gives back what is left.

A lease belongs to one process, tenant, principal and day. What a process says of it are running totals, so that saying
it twice changes nothing, and what it holds is always `granted - used - returned`. A lease that its process no longer
renews is settled from the ledger: what its calls there used, at least what was reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from lace_llm_gateway.domain.budgets import (
    NOTHING,
    Amount,
    BudgetLimits,
    Counter,
    CounterKey,
    Granted,
    counter_keys,
    grant,
)


@dataclass(frozen=True)
class Lease:
    """What one process may spend of a budget; the amounts are totals since it was begun."""

    lease_id: str
    process_id: str
    tenant_id: str
    principal_id: str
    day: date
    granted: Amount = NOTHING
    used: Amount = NOTHING
    returned: Amount = NOTHING

    def spending(self, used: Amount) -> Lease:
        """With so much more of it used; every call does this, so nothing is looked up by name."""
        spent = self.used + used
        own = (self.lease_id, self.process_id, self.tenant_id, self.principal_id, self.day)
        return Lease(*own, self.granted, spent, self.returned)

    @property
    def outstanding(self) -> Amount:
        """What is still in the process's hands."""
        return (self.granted - self.used - self.returned).or_more(NOTHING)

    @property
    def keys(self) -> tuple[CounterKey, ...]:
        """The counters that it is taken from."""
        return counter_keys(self.tenant_id, self.principal_id, self.day)


@dataclass(frozen=True)
class LeaseOrder:
    """What a process tells of a lease, and what it wants of it.

    `lease` holds the totals as the process knows them; `need` is what waits, `wish` a slice. `begun` is set where the
    lease was written before, `close` where it ends with this.
    """

    lease: Lease
    limits: BudgetLimits
    need: Amount = NOTHING
    wish: Amount = NOTHING
    begun: bool = False
    close: bool = False


@dataclass(frozen=True)
class LeaseReply:
    """The lease as it is now, None where it was taken from the process; and what was found of room for its need."""

    lease: Lease | None
    limits: BudgetLimits
    granted: Granted | None = None


def exchange(
    order: LeaseOrder, kept: Lease | None, limits: BudgetLimits, counters: dict[CounterKey, Counter]
) -> LeaseReply:
    """Settles an order against the lease as it is kept, and changes the counters; a closed lease has nothing left.

    `limits` are the newest that any process was told.
    """
    if kept is None and order.begun:
        return LeaseReply(None, limits)
    kept = kept or replace(order.lease, granted=NOTHING, used=NOTHING, returned=NOTHING)
    told = replace(kept, used=kept.used.or_more(order.lease.used), returned=kept.returned.or_more(order.lease.returned))
    _count(counters, kept, told)
    # What was spent beyond the slice has been counted as spent: the lease begins anew from there.
    told = replace(told, granted=told.granted.or_more(told.used + told.returned))
    if order.close:
        closed = replace(told, returned=told.granted - told.used)
        _count(counters, told, closed)
        return LeaseReply(closed, limits)
    found = grant(limits, counters, told.keys, order.need, order.wish)
    more = replace(told, granted=told.granted + found.amount)
    _count(counters, told, more)
    return LeaseReply(more, limits, found)


def expire(lease: Lease, ledger: Amount, counters: dict[CounterKey, Counter]) -> None:
    """Ends the lease of a dead process; `ledger` is what its calls used, or may have used, as the ledger has it."""
    used = lease.used.or_more(ledger)
    _count(counters, lease, replace(lease, granted=used, used=used, returned=NOTHING))


def held(leases: Mapping[str, Lease], key: CounterKey) -> Amount:
    """What the leases hold of a counter: always what the counter says."""
    return sum((lease.outstanding for lease in leases.values() if key in lease.keys), NOTHING)


def _count(counters: dict[CounterKey, Counter], before: Lease, after: Lease) -> None:
    spent, leased = after.used - before.used, after.outstanding - before.outstanding
    for key in after.keys:
        counter = counters[key]
        counters[key] = Counter(counter.spent + spent, counter.leased + leased)
