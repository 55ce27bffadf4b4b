"""The ledger's port, held by memory and by Postgres alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_llm_gateway.adapters.memory_calls import MemoryUnits
from lace_llm_gateway.adapters.postgres_calls import PostgresUnits
from lace_llm_gateway.app.ports import Units
from lace_llm_gateway.domain.calls import Call, CallKey, CallState, CountMethod, Settlement
from lace_llm_gateway.domain.exchange import FinishReason
from lace_platform.ids import new_id

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = CallKey("run_1", "llm:nod_1", 1, "lace.write.v1", "openai", "gpt-4o", 250, "a" * 64)
DONE = Settlement(
    state=CallState.SUCCEEDED,
    output='{"x":1}',
    output_hash="b" * 64,
    output_sample='{"x":1}',
    finish_reason=FinishReason.STOP,
    resolved_model="gpt-4o",
    answered_model="gpt-4o-2024-08-06",
    fingerprint="fp_1",
    input_tokens=1200,
    output_tokens=80,
    count_method=CountMethod.PROVIDER,
    cost_micro_usd=3800,
    tries=2,
    repairs=1,
    duration_ms=900,
)
LOST = Settlement(CallState.FAILED, error_code="PROVIDER_UNAVAILABLE", error_message="gone", tries=3)
BROKEN = Settlement(CallState.FAILED, error_code="PROVIDER_OUTPUT_INVALID", error_message="breaks", tries=1)


@pytest.fixture(params=["memory", "postgres"])
def units(request: pytest.FixtureRequest) -> Units:
    if request.param == "memory":
        return MemoryUnits()
    database: Callable[[str], Any] = request.getfixturevalue("database")
    return PostgresUnits(database("llm_gateway"))


def call(key: CallKey = KEY, after_s: float = 0.0) -> Call:
    return Call(new_id("cal"), key, "c" * 64, "a prompt", START + timedelta(seconds=after_s))


async def kept(units: Units, tenant_id: str, *calls: Call) -> None:
    async with units.of_tenant(tenant_id) as unit:
        for each in calls:
            await unit.calls.add(tenant_id, each)
            if each.settlement:
                await unit.calls.settle(tenant_id, each.call_id, each.settlement)
        await unit.commit()


async def listed(
    units: Units, tenant_id: str, run_id: str = "run_1", limit: int = 100, after: Any = None
) -> list[Call]:
    async with units.of_tenant(tenant_id) as unit:
        return list(await unit.calls.of_run(tenant_id, run_id, limit, after))


async def answered(units: Units, tenant_id: str, key: CallKey) -> Call | None:
    async with units.of_tenant(tenant_id) as unit:
        return await unit.calls.answered(tenant_id, key)


async def test_a_call_comes_back_as_it_was_kept(units: Units, tenant_id: str) -> None:
    pending, settled = call(), replace(call(after_s=1), settlement=DONE)
    await kept(units, tenant_id, pending, settled)
    assert await listed(units, tenant_id) == [pending, settled]


@pytest.mark.parametrize("settlement", [DONE, LOST, BROKEN, replace(LOST, state=CallState.CANCELLED)])
async def test_every_outcome_comes_back(units: Units, tenant_id: str, settlement: Settlement) -> None:
    await kept(units, tenant_id, replace(call(), settlement=settlement))
    [found] = await listed(units, tenant_id)
    assert found.settlement == settlement


async def test_what_is_not_committed_is_not_kept(units: Units, tenant_id: str) -> None:
    async with units.of_tenant(tenant_id) as unit:
        await unit.calls.add(tenant_id, call())
    assert await listed(units, tenant_id) == []


async def test_a_call_is_settled_once(units: Units, tenant_id: str) -> None:
    own = replace(call(), settlement=DONE)
    await kept(units, tenant_id, own)
    async with units.of_tenant(tenant_id) as unit:
        await unit.calls.settle(tenant_id, own.call_id, LOST)
        await unit.commit()
    assert await listed(units, tenant_id) == [own]


async def test_an_answer_is_found_by_all_of_its_key(units: Units, tenant_id: str) -> None:
    own = replace(call(), settlement=DONE)
    await kept(units, tenant_id, own)
    assert await answered(units, tenant_id, KEY) == own
    for other in (
        replace(KEY, run_id="run_2"),
        replace(KEY, step_id="llm:nod_2"),
        replace(KEY, attempt=2),
        replace(KEY, contract="lace.judge.v1"),
        replace(KEY, provider="extractive"),
        replace(KEY, model="gpt-4o-mini"),
        replace(KEY, temperature_milli=0),
        replace(KEY, input_hash="d" * 64),
    ):
        assert await answered(units, tenant_id, other) is None


async def test_only_outcomes_that_hold_are_answers(units: Units, tenant_id: str) -> None:
    await kept(units, tenant_id, call(), replace(call(after_s=1), settlement=LOST))
    assert await answered(units, tenant_id, KEY) is None
    broken = replace(call(after_s=2), settlement=BROKEN)
    await kept(units, tenant_id, broken)
    assert await answered(units, tenant_id, KEY) == broken


async def test_a_dead_process_call_is_abandoned_and_may_still_be_settled(units: Units, tenant_id: str) -> None:
    stale, fresh = call(), call(after_s=10)
    await kept(units, tenant_id, stale, fresh)
    async with units.of_tenant(tenant_id) as unit:
        assert await unit.calls.abandon(tenant_id, KEY, START + timedelta(seconds=5)) == 1
        await unit.commit()
    first, second = await listed(units, tenant_id)
    assert first.settlement is not None
    assert first.settlement.state is CallState.ABANDONED
    assert second.settlement is None
    async with units.of_tenant(tenant_id) as unit:
        await unit.calls.settle(tenant_id, stale.call_id, DONE)
        await unit.commit()
    assert (await listed(units, tenant_id))[0].settlement == DONE


async def test_pages_follow_one_another_without_gap(units: Units, tenant_id: str) -> None:
    # Two began at the same moment: the id decides.
    calls = sorted((call(after_s=at // 2) for at in range(7)), key=lambda c: (c.started_at, c.call_id))
    await kept(units, tenant_id, *calls)
    found: list[Call] = []
    after = None
    while page := await listed(units, tenant_id, limit=3, after=after):
        found += page
        after = (page[-1].started_at, page[-1].call_id)
    assert found == calls


async def test_tenants_do_not_see_one_another(units: Units, tenant_id: str) -> None:
    await kept(units, tenant_id, replace(call(), settlement=DONE))
    other = new_id("ten")
    assert await listed(units, other) == []
    assert await answered(units, other, KEY) is None
