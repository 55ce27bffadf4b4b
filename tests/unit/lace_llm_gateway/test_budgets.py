"""Budgets in slices: what is granted, refused, told, given back, and what a crash leaves behind."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.budgets.leasing import IDLE_S
from lace_llm_gateway.domain.budgets import NOTHING, Amount, CounterKey, Period, counter_keys
from tests.doubles.budget_world import World, spend


async def test_a_slice_is_leased_once_and_spent_without_asking_again() -> None:
    world = World(slice_tokens=100, tokens_per_day=1000)
    process = world.process()
    first = await process.reserve(10)
    assert world.held() == Amount(100, 0)
    world.away = True  # nothing is asked of the store any more
    second = await asyncio.wait_for(process.budgets.reserve("ten_1", "prn_1", "m", 60, 0), 30)
    assert (first.tokens, second.tokens) == (10, 60)
    assert first.lease_id == second.lease_id


async def test_what_was_spent_is_told_and_the_rest_is_free_again() -> None:
    world = World(slice_tokens=100, tokens_per_day=1000)
    process = world.process()
    held = await process.reserve(70)
    spend(world, held, 30)
    held.settle(50, 0)  # a second time changes nothing
    await process.reserve(40)
    await process.tell()
    assert world.spent() == Amount(30, 0)
    assert world.held() == Amount(70, 0)


async def test_a_slice_is_filled_up_before_it_is_empty() -> None:
    world = World(slice_tokens=100, tokens_per_day=1000)
    process = world.process()
    await process.reserve(80)
    await process.budgets.turn()
    world.away = True
    assert (await asyncio.wait_for(process.budgets.reserve("ten_1", "prn_1", "m", 100, 0), 30)).tokens == 100


async def test_a_limit_is_kept_and_its_refusal_says_which_and_until_when() -> None:
    world = World(slice_tokens=50, tokens_per_day=100, tokens_per_month=10_000)
    process = world.process()
    spend(world, await process.reserve(80), 80)
    await process.tell()
    error = await process.refused(21)
    assert error.reason is Reason.QUOTA_EXCEEDED
    assert not error.retryable
    assert error.retry_after == pytest.approx(12 * 3600 - 1)
    said = {detail.field: detail.description for detail in error.details}
    assert said == {"limit": "tokens_per_day", "of": "100", "spent": "80", "resets_at": "2026-11-21T00:00:00Z"}
    assert ("budget_refused", "tokens_per_day") in world.events.told
    assert (await process.reserve(20)).tokens == 20


async def test_what_calls_under_way_hold_is_refused_as_something_that_passes() -> None:
    world = World(slice_tokens=50, tokens_per_day=100)
    process = world.process()
    held = await process.reserve(80)
    error = await process.refused(50)
    assert error.retryable
    assert error.retry_after == 2.0
    spend(world, held, 5)
    assert (await process.reserve(50)).tokens == 50


@pytest.mark.parametrize(
    ("limit", "money"),
    [
        ("tokens_per_day", False), ("tokens_per_month", False), ("principal_tokens_per_day", False),
        ("principal_tokens_per_month", False), ("micro_usd_per_day", True), ("micro_usd_per_month", True),
        ("principal_micro_usd_per_day", True), ("principal_micro_usd_per_month", True),
    ],
)  # fmt: skip
async def test_every_limit_binds_and_only_what_it_is_of(limit: str, money: bool) -> None:
    world = World(slice_tokens=10, **{limit: 100})
    process = world.process()
    amount = (1_000_000, 60) if money else (60, 1_000_000)
    spend(world, await process.reserve(*amount), *amount)
    await process.tell()
    error = await process.refused(*amount)
    assert error.details[0].description == limit
    if limit.startswith("principal"):
        assert (await process.reserve(*amount, principal_id="prn_2")).lease_id


async def test_without_limits_nothing_is_refused_and_all_of_it_is_counted() -> None:
    world = World()
    process = world.process()
    spend(world, await process.reserve(10**12, 10**12), 7, 9)
    await process.tell()
    assert world.spent() == world.spent("prn_1") == Amount(7, 9)
    assert world.held() == NOTHING


async def test_processes_share_what_is_left_of_a_budget() -> None:
    world = World(slice_tokens=1000, tokens_per_day=1000)
    first, second = world.process(), world.process()
    spend(world, await first.reserve(100), 100)
    spend(world, await second.reserve(100), 100)
    for process in (first, second):
        await process.tell()
    assert world.spent() == Amount(200, 0)
    # What neither holds, and what each has in hand, is there for both; beyond it nothing is.
    granted = 0
    for process in (first, second) * 100:
        try:
            spend(world, await process.reserve(10), 10)
        except LaceError:
            continue
        granted += 10
    assert 200 + granted <= 1000
    for process in (first, second):
        await process.budgets.close()
    assert world.spent() == Amount(200 + granted, 0)
    assert world.held() == NOTHING


async def test_more_than_was_reserved_is_counted_and_the_next_call_is_refused() -> None:
    world = World(slice_tokens=10, tokens_per_day=100)
    process = world.process()
    spend(world, await process.reserve(50), 130)
    await process.tell()
    assert world.spent() == Amount(130, 0)
    assert (await process.refused(1)).reason is Reason.QUOTA_EXCEEDED


async def test_a_further_try_is_covered_or_refused() -> None:
    world = World(slice_tokens=10, tokens_per_day=100)
    process = world.process()
    held = await process.reserve(40)
    await process.waits(held.cover(80, 0))
    assert held.tokens == 80
    await process.waits(held.cover(60, 0))  # held already
    with pytest.raises(LaceError) as refused:
        await process.waits(held.cover(120, 0))
    assert refused.value.reason is Reason.QUOTA_EXCEEDED
    assert held.tokens == 80
    spend(world, held, 80)
    await process.tell()
    assert world.spent() == Amount(80, 0)


async def test_a_new_limit_holds_for_slices_that_were_leased_before_it() -> None:
    world = World(slice_tokens=1000)
    process = world.process()
    spend(world, await process.reserve(500), 500)
    world.quotas.put(tokens_per_day=600)
    assert (await process.refused(101)).details[0].description == "tokens_per_day"
    world.now += 1  # the same is refused again without asking for half a second
    assert (await process.reserve(100)).tokens == 100
    world.quotas.put(tokens_per_day=5000)
    assert (await process.reserve(4000)).tokens == 4000


async def test_a_lower_limit_takes_back_what_is_free() -> None:
    world = World(slice_tokens=1000, tokens_per_day=100_000)
    process = world.process()
    spend(world, await process.reserve(10), 10)
    assert world.held() == Amount(1000, 0)
    world.quotas.put(tokens_per_day=50)
    await process.tell()
    assert world.held() == NOTHING
    assert (await process.refused(41)).reason is Reason.QUOTA_EXCEEDED


async def test_another_process_that_was_told_of_a_limit_tells_this_one() -> None:
    world = World(slice_tokens=1000)
    told, untold = world.process(), world.process()
    untold_quotas = type(world.quotas)()
    untold.budgets._quotas = untold_quotas
    world.quotas.put(tokens_per_day=100)
    await told.reserve(60)
    assert (await untold.refused(60)).reason is Reason.QUOTA_EXCEEDED


async def test_an_idle_lease_is_given_back() -> None:
    world = World(slice_tokens=100, tokens_per_day=1000)
    process = world.process()
    spend(world, await process.reserve(10), 10)
    world.now += IDLE_S
    await process.budgets.turn()
    assert world.held() == NOTHING
    assert world.store.leases == {}
    assert (await process.reserve(10)).tokens == 10


async def test_a_call_that_comes_while_its_lease_is_given_back_gets_another() -> None:
    world = World(slice_tokens=100, tokens_per_day=1000)
    process = world.process()
    spend(world, await process.reserve(10), 10)
    world.now += IDLE_S
    world.gate.clear()
    closing = asyncio.ensure_future(process.budgets.turn())
    coming = asyncio.ensure_future(process.budgets.reserve("ten_1", "prn_1", "m", 20, 0))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not coming.done()
    world.gate.set()
    await closing
    await process.budgets.turn()
    held = await coming
    assert world.store.leases[held.lease_id].outstanding.tokens >= 20
    spend(world, held, 20)
    await process.tell()
    assert world.spent() == Amount(30, 0)


async def test_a_crashed_process_s_slice_counts_until_it_is_settled_from_the_ledger() -> None:
    world = World(slice_tokens=400, lease_s=30, tokens_per_day=500)
    dead, alive = world.process(), world.process()
    spend(world, await dead.reserve(100), 100)
    held = await dead.reserve(20)  # under way when it died: the ledger has its reservation
    world.ledger[held.lease_id] += Amount(20, 0)
    error = await alive.refused(400)
    assert error.retryable
    world.now += 30
    await alive.tell()
    assert ("leases_reconciled", 1) in world.events.told
    assert world.spent() == Amount(120, 0)
    assert world.held() == NOTHING
    assert (await alive.reserve(380)).tokens == 380


async def test_a_process_that_slept_too_long_spends_nothing_of_what_it_lost() -> None:
    world = World(slice_tokens=400, lease_s=30, tokens_per_day=500)
    slept, other = world.process(), world.process()
    held = await slept.reserve(100)
    world.ledger[held.lease_id] += Amount(100, 0)
    world.now += 31
    await other.tell()
    await other.reserve(400)
    error = await slept.refused(1)  # its slice of 400 is gone
    assert error.reason is Reason.QUOTA_EXCEEDED
    held.settle(100, 0)  # counted twice rather than not at all
    await slept.tell()
    assert world.spent() == Amount(200, 0)


async def test_what_a_sleeper_spent_and_did_not_tell_is_told_by_its_next_lease() -> None:
    world = World(slice_tokens=400, lease_s=30, tokens_per_day=500)
    slept, other = world.process(), world.process()
    held = await slept.reserve(100)
    held.settle(60, 0)  # its row in the ledger was not written before the lease was settled
    world.now += 31
    await other.tell()
    assert world.spent() == NOTHING
    await slept.tell()
    await slept.tell()
    assert world.spent() == Amount(60, 0)


async def test_a_lease_that_is_renewed_is_not_taken() -> None:
    world = World(slice_tokens=100, lease_s=30, tokens_per_day=500)
    busy, other = world.process(), world.process()
    held = await busy.reserve(50)
    for _ in range(10):
        world.now += 10
        await busy.budgets.turn()
        await other.budgets.turn()
    spend(world, held, 50)
    await busy.tell()
    assert not [told for told in world.events.told if told[0] == "leases_reconciled"]
    assert world.spent() == Amount(50, 0)


async def test_a_new_day_has_a_new_budget_and_the_month_goes_on() -> None:
    world = World(slice_tokens=10, tokens_per_day=100, tokens_per_month=150)
    process = world.process()
    held = await process.reserve(90)
    world.now += 12 * 3600
    await process.budgets.turn()
    spend(world, held, 90)
    await process.tell()
    yesterday = CounterKey("ten_1", "", Period.DAY, date(2026, 11, 20))
    assert world.store.rows[yesterday].spent == Amount(90, 0)
    assert (await process.reserve(60)).tokens == 60
    assert (await process.refused(5)).details[0].description == "tokens_per_month"


async def test_a_store_that_is_away_is_told_to_those_who_wait_and_what_was_spent_is_told_later() -> None:
    world = World(slice_tokens=10, tokens_per_day=100)
    process = world.process()
    held = await process.reserve(5)
    world.away = True
    assert (await process.refused(50)).reason is Reason.SERVICE_UNAVAILABLE
    spend(world, held, 5)
    world.away = False
    await process.tell()
    assert world.spent() == Amount(5, 0)


async def test_who_leaves_as_its_reservation_comes_holds_nothing() -> None:
    world = World(slice_tokens=10, tokens_per_day=100)
    process = world.process()
    world.gate.clear()
    leaving = asyncio.ensure_future(process.budgets.reserve("ten_1", "prn_1", "m", 90, 0))
    await asyncio.sleep(0)
    turn = asyncio.ensure_future(process.budgets.turn())
    for _ in range(3):
        await asyncio.sleep(0)
    world.gate.set()
    await asyncio.sleep(0)  # it is granted, and its caller has not woken
    assert turn.done()
    assert not leaving.done()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert leaving.cancelled()
    assert (await process.reserve(90)).tokens == 90


async def test_who_leaves_while_waiting_wants_nothing_more() -> None:
    world = World(slice_tokens=10, tokens_per_day=100)
    process = world.process()
    leaving = asyncio.ensure_future(process.budgets.reserve("ten_1", "prn_1", "m", 90, 0))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await process.budgets.turn()
    assert world.held() == NOTHING


async def test_who_was_refused_is_refused_again_without_asking() -> None:
    world = World(slice_tokens=10, tokens_per_day=100)
    process = world.process()
    spend(world, await process.reserve(95), 95)
    await process.tell()
    first = await process.refused(10)
    world.away = True
    with pytest.raises(LaceError) as again:
        await process.budgets.reserve("ten_1", "prn_1", "m", 10, 0)
    assert again.value is first
    assert len([told for told in world.events.told if told[0] == "budget_refused"]) == 2


async def test_the_background_rounds_serve_and_close_gives_back() -> None:
    world = World(slice_tokens=100, tokens_per_day=1000)
    budgets = world.process().budgets
    await budgets.start()
    held = await asyncio.gather(*(budgets.reserve("ten_1", "prn_1", "m", 60, 0) for _ in range(10)))
    for each in held:
        spend(world, each, 50)
    await budgets.close()
    assert world.spent() == Amount(500, 0)
    assert world.held() == NOTHING


def test_counters_are_of_the_tenant_and_the_principal() -> None:
    keys = counter_keys("ten_1", "prn_1", date(2026, 12, 31))
    assert [(key.principal_id, key.period, key.starts_on) for key in keys] == [
        ("", Period.DAY, date(2026, 12, 31)),
        ("", Period.MONTH, date(2026, 12, 1)),
        ("prn_1", Period.DAY, date(2026, 12, 31)),
        ("prn_1", Period.MONTH, date(2026, 12, 1)),
    ]
    assert {key.resets_at for key in keys} == {datetime(2027, 1, 1, tzinfo=UTC)}
    assert len(counter_keys("ten_1", "", date(2026, 1, 1))) == 2
