"""Admission: bulkheads per tenant, turns between tenants, and refusals before a wait that would be in vain."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.calls.admission import Admission, AdmissionLimits
from tests.doubles.budget_world import Noted


class World:
    """An admission whose clock is moved by hand."""

    def __init__(self, *limits: int) -> None:
        self.now = 0.0
        self.events = Noted()
        self.admission = Admission(AdmissionLimits(*limits), self.events, lambda: self.now)

    async def call(self, tenant: str, hold: asyncio.Event, begun: list[str], remaining_s: float | None = None) -> None:
        async with self.admission.enter(tenant, remaining_s):
            begun.append(tenant)
            await hold.wait()

    async def served(self, seconds: float) -> None:
        """One call that takes so long."""
        async with self.admission.enter("ten_x"):
            self.now += seconds


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_tenant_has_its_own_places_and_its_own_queue() -> None:
    world, hold, begun = World(2, 1, 10, 10), asyncio.Event(), list[str]()
    tasks = [asyncio.create_task(world.call("ten_a", hold, begun)) for _ in range(3)]
    await _settle()
    assert begun == ["ten_a"] * 2
    with pytest.raises(LaceError) as refused:
        await world.call("ten_a", hold, begun)
    assert refused.value.reason is Reason.RATE_LIMITED
    assert refused.value.retryable
    assert refused.value.retry_after == 1.0
    tasks.append(asyncio.create_task(world.call("ten_b", hold, begun)))
    await _settle()
    assert begun == ["ten_a", "ten_a", "ten_b"]
    hold.set()
    await asyncio.gather(*tasks)
    assert (world.admission.active, world.admission.waiting) == (0, 0)
    assert world.events.told == [("shed", "tenant_full")]


async def test_free_places_go_to_the_tenants_in_turn() -> None:
    world, begun = World(10, 10, 1, 100), list[str]()
    hold = asyncio.Event()
    first = asyncio.create_task(world.call("ten_a", hold, begun))
    await _settle()
    done = asyncio.Event()
    done.set()
    waiting = [asyncio.create_task(world.call(tenant, done, begun)) for tenant in ("ten_a",) * 3 + ("ten_b", "ten_c")]
    await _settle()
    hold.set()
    await asyncio.gather(first, *waiting)
    assert begun[1:4] == ["ten_a", "ten_b", "ten_c"]


async def test_a_process_that_is_full_sheds() -> None:
    world, hold, begun = World(10, 10, 1, 1), asyncio.Event(), list[str]()
    tasks = [asyncio.create_task(world.call(tenant, hold, begun)) for tenant in ("ten_a", "ten_b")]
    await _settle()
    with pytest.raises(LaceError) as refused:
        await world.call("ten_c", hold, begun)
    assert refused.value.reason is Reason.OVERLOADED
    assert world.events.told == [("shed", "overloaded")]
    await _end(*tasks)
    assert (world.admission.active, world.admission.waiting) == (0, 0)


async def test_who_would_wait_longer_than_he_has_is_refused_at_once() -> None:
    world, hold, begun = World(10, 10, 1, 10), asyncio.Event(), list[str]()
    await world.served(10.0)
    task = asyncio.create_task(world.call("ten_a", hold, begun))
    await _settle()
    with pytest.raises(LaceError) as refused:
        await world.call("ten_b", hold, begun, remaining_s=9.0)
    assert refused.value.reason is Reason.OVERLOADED
    assert refused.value.retry_after == 10.0
    patient = asyncio.create_task(world.call("ten_b", hold, begun, remaining_s=60.0))
    await _settle()
    assert world.admission.waiting == 1
    await _end(task, patient)


async def test_who_waited_as_long_as_he_has_is_refused() -> None:
    world, hold, begun = World(1, 10, 10, 10), asyncio.Event(), list[str]()
    task = asyncio.create_task(world.call("ten_a", hold, begun))
    await _settle()
    with pytest.raises(LaceError) as refused:
        await world.call("ten_a", hold, begun, remaining_s=0.01)
    assert refused.value.reason is Reason.OVERLOADED
    assert world.admission.waiting == 0
    hold.set()
    await task


async def test_who_leaves_the_queue_leaves_no_gap() -> None:
    world, hold, begun = World(1, 10, 10, 10), asyncio.Event(), list[str]()
    first, left, last = (asyncio.create_task(world.call("ten_a", hold, begun)) for _ in range(3))
    await _settle()
    left.cancel()
    hold.set()
    await asyncio.gather(first, last)
    assert len(begun) == 2
    assert (world.admission.active, world.admission.waiting) == (0, 0)
    await _end(left)


async def test_a_place_that_comes_as_its_caller_leaves_goes_to_the_next() -> None:
    world, begun = World(1, 10, 10, 10), list[str]()
    done = asyncio.Event()
    done.set()
    async with AsyncExitStack() as place:
        await place.enter_async_context(world.admission.enter("ten_a"))
        left, last = (asyncio.create_task(world.call("ten_a", done, begun)) for _ in range(2))
        await _settle()
    left.cancel()  # it has its place, and has not woken yet
    await asyncio.gather(left, last, return_exceptions=True)
    assert begun == ["ten_a"]
    assert (world.admission.active, world.admission.waiting) == (0, 0)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ten_a", "ten_b", "ten_c"]), st.integers(0, 5), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
async def test_no_limit_is_exceeded_and_all_who_may_are_served(calls: list[tuple[str, int, bool]]) -> None:
    world = World(2, 100, 3, 100)
    under_way: Counter[str] = Counter()
    served = 0

    async def call(tenant: str, turns: int) -> None:
        nonlocal served
        async with world.admission.enter(tenant):
            under_way[tenant] += 1
            try:
                assert under_way[tenant] <= 2
                assert under_way.total() <= 3
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                under_way[tenant] -= 1
        served += 1

    tasks = [(asyncio.create_task(call(tenant, turns)), leaves) for tenant, turns, leaves in calls]
    for _ in range(3):
        await asyncio.sleep(0)
    for task, leaves in tasks:
        if leaves:
            task.cancel()
    for _ in range(400):
        await asyncio.sleep(0)
    patient = [task for task, leaves in tasks if not leaves]
    assert all(task.done() and task.exception() is None for task in patient)
    assert (world.admission.active, world.admission.waiting) == (0, 0)
    await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)
