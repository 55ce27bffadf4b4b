"""The store of budgets, held by memory and by Postgres alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from lace_llm_gateway.adapters.memory_budgets import MemoryBudgets
from lace_llm_gateway.adapters.postgres_budgets import PostgresBudgets
from lace_llm_gateway.domain.budgets import NOTHING, UNLIMITED, Amount, BudgetLimits, Counter, counter_keys
from lace_llm_gateway.domain.leases import Lease, LeaseOrder
from lace_platform.ids import new_id

DAY = date(2026, 11, 20)
LIMITS = BudgetLimits(tokens_per_day=1000, micro_usd_per_month=50_000, version=1)


@dataclass
class Held:
    """A store, and a lease in it of a tenant that no other test has."""

    store: Any
    tenant_id: str
    lease: Lease

    async def order(self, lease: Lease | None = None, **more: Any) -> Any:
        life_s = more.pop("life_s", 60.0)
        order = LeaseOrder(lease or self.lease, more.pop("limits", LIMITS), **more)
        [reply] = await self.store.exchange([order], life_s)
        return reply

    async def counters(self, principal_id: str = "prn_1") -> list[Counter]:
        keys = counter_keys(self.tenant_id, principal_id, DAY)
        found = await self.store.counters(self.tenant_id, keys)
        return [found[key] for key in keys]


@pytest.fixture(params=["memory", "postgres"])
def held(request: pytest.FixtureRequest, tenant_id: str) -> Held:
    lease = Lease(new_id("lea"), new_id("prc"), tenant_id, "prn_1", DAY)
    if request.param == "memory":
        return Held(MemoryBudgets(lambda: 0.0), tenant_id, lease)
    database, system = request.getfixturevalue("database"), request.getfixturevalue("system_database")
    return Held(PostgresBudgets(database("llm_gateway"), system("llm_gateway")), tenant_id, lease)


async def test_a_slice_is_granted_and_held(held: Held) -> None:
    reply = await held.order(need=Amount(10, 20), wish=Amount(100, 2000))
    assert reply.lease.granted == Amount(100, 2000)
    assert reply.limits == LIMITS
    assert await held.counters() == [Counter(NOTHING, Amount(100, 2000))] * 4


async def test_what_is_spent_and_returned_leaves_the_slice(held: Held) -> None:
    first = await held.order(need=Amount(100, 1000))
    told = replace(first.lease, used=Amount(30, 300), returned=Amount(20, 0))
    await held.order(told, begun=True)
    assert await held.counters() == [Counter(Amount(30, 300), Amount(50, 700))] * 4
    again = await held.order(told, begun=True)
    assert again.lease.outstanding == Amount(50, 700)
    assert await held.counters() == [Counter(Amount(30, 300), Amount(50, 700))] * 4


async def test_a_closed_lease_holds_nothing_and_is_gone(held: Held) -> None:
    first = await held.order(need=Amount(100, 1000))
    await held.order(replace(first.lease, used=Amount(30, 0)), begun=True, close=True)
    assert await held.counters() == [Counter(Amount(30, 0), NOTHING)] * 4
    assert (await held.order(first.lease, begun=True)).lease is None
    assert await held.store.renew(held.lease.process_id, 60.0) == frozenset()


async def test_there_is_no_more_than_the_limit_over_all_leases(held: Held) -> None:
    await held.order(need=Amount(990, 0))
    other = replace(held.lease, lease_id=new_id("lea"), process_id=new_id("prc"), principal_id="prn_2")
    reply = await held.order(other, need=Amount(50, 0))
    assert reply.granted.amount == Amount(10, 0)
    assert (reply.granted.tokens.limit, reply.granted.tokens.left) == ("tokens_per_day", 10)


async def test_the_newest_limits_hold_for_all(held: Held) -> None:
    newer = replace(LIMITS, tokens_per_day=40, version=2)
    await held.order(limits=newer)
    reply = await held.order(begun=True, need=Amount(100, 0))
    assert reply.limits == newer
    assert reply.granted.amount == Amount(40, 0)
    assert (await held.order(begun=True, limits=UNLIMITED)).limits == newer


async def test_several_orders_of_a_process_are_one_exchange(held: Held) -> None:
    second = replace(held.lease, lease_id=new_id("lea"), principal_id="prn_2")
    replies = await held.store.exchange(
        [LeaseOrder(held.lease, LIMITS, Amount(600, 0)), LeaseOrder(second, LIMITS, Amount(600, 0))], 60.0
    )
    assert [reply.lease.granted for reply in replies] == [Amount(600, 0), Amount(400, 0)]
    assert (await held.counters())[0] == Counter(NOTHING, Amount(1000, 0))
    assert await held.store.renew(held.lease.process_id, 60.0) == {held.lease.lease_id, second.lease_id}


async def test_another_process_cannot_tell_anything_of_a_lease(held: Held) -> None:
    first = await held.order(need=Amount(100, 0))
    thief = replace(first.lease, process_id=new_id("prc"), used=Amount(50, 0))
    if isinstance(held.store, PostgresBudgets):
        assert (await held.order(thief, begun=True)).lease is None
        assert (await held.counters())[0] == Counter(NOTHING, Amount(100, 0))


async def test_what_nobody_renews_is_settled(held: Held) -> None:
    await held.order(need=Amount(100, 1000), life_s=0.0)
    while await held.store.reconcile():
        pass
    assert await held.counters() == [Counter(NOTHING, NOTHING)] * 4


async def test_counters_of_long_ago_are_deleted_but_for_what_is_still_held(
    database: Any, system_database: Any, tenant_id: str
) -> None:
    store = PostgresBudgets(database("llm_gateway"), system_database("llm_gateway"))
    held = Held(store, tenant_id, Lease(new_id("lea"), new_id("prc"), tenant_id, "prn_1", date(2020, 2, 3)))
    keys = counter_keys(tenant_id, "prn_1", held.lease.day)

    async def counters() -> set[Counter]:
        return set((await store.counters(tenant_id, keys)).values())

    begun = await held.order(need=Amount(100, 1000))
    await store.expire(datetime(2020, 6, 1, tzinfo=UTC))
    assert await counters() == {Counter(NOTHING, Amount(100, 1000))}
    await held.order(replace(begun.lease, used=Amount(40, 400)), begun=True, close=True)
    assert await counters() == {Counter(Amount(40, 400), NOTHING)}
    assert await store.expire(datetime(2020, 2, 1, tzinfo=UTC)) == 0
    assert await store.expire(datetime(2020, 6, 1, tzinfo=UTC)) == 4
    assert await counters() == {Counter()}
