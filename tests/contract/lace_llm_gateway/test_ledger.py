"""The ledger's port, held by memory and by Postgres alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_llm_gateway.adapters.memory_ledger import MemoryLedger
from lace_llm_gateway.adapters.postgres_ledger import PostgresLedger
from lace_llm_gateway.app.calls.ledger import Ledger
from lace_llm_gateway.domain.calls import Call, CallKey, CallState, CountMethod, Settlement
from lace_llm_gateway.domain.exchange import FinishReason
from lace_llm_gateway.domain.routing import Result, Tried
from lace_llm_gateway.domain.usage import Usage, UsageBy, UsageQuery
from lace_platform.ids import new_id

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = CallKey("run_1", "llm:nod_1", 1, "lace.write.v1", "openai", "gpt-4o", 250, "a" * 64)
OUTSIDE = replace(KEY, run_id="", step_id="", attempt=0)
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
    response_api="chat_completions",
    trail=(
        Tried("openai", "gpt-4o", Result.FAILED, "PROVIDER_UNAVAILABLE", duration_ms=100),
        Tried("openai", "gpt-4o", Result.ANSWERED, hedge=True, duration_ms=800),
    ),
    hedged=True,
)
LOST = Settlement(CallState.FAILED, error_code="PROVIDER_UNAVAILABLE", error_message="gone", tries=3)
BROKEN = Settlement(CallState.FAILED, error_code="PROVIDER_OUTPUT_INVALID", error_message="breaks", tries=1)


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    database: Callable[[str], Any] = request.getfixturevalue("database")
    system: Callable[[str], Any] = request.getfixturevalue("system_database")
    return PostgresLedger(database("llm_gateway"), system("llm_gateway"))


def call(key: CallKey = KEY, after_s: float = 0.0, **more: Any) -> Call:
    return Call(
        new_id("cal"), key, "c" * 64, "a prompt", START + timedelta(seconds=after_s), principal_id="prn_1",
        trace_id="0af7651916cd43dd8448eb211c80319c", **more,
    )  # fmt: skip


async def made(ledger: Ledger, tenant_id: str, *calls: Call) -> None:
    """As if each had been made in turn: the intent, then the outcome where there is one."""
    for each in calls:
        await ledger.begin(tenant_id, each)
        if each.settlement:
            await ledger.settle(tenant_id, each.call_id, each.settlement)


async def listed(ledger: Ledger, tenant_id: str, run_id: str = "run_1", limit: int = 100, after: Any = None) -> Any:
    return list(await ledger.of_run(tenant_id, run_id, limit, after))


async def test_a_call_comes_back_as_it_was_kept(ledger: Ledger, tenant_id: str) -> None:
    pending = call(template_id="tpl_1")
    other = replace(call(replace(KEY, attempt=2), after_s=1), settlement=DONE)
    await made(ledger, tenant_id, pending, other)
    assert await listed(ledger, tenant_id) == [pending, other]


@pytest.mark.parametrize("settlement", [DONE, LOST, BROKEN, replace(LOST, state=CallState.CANCELLED)])
async def test_every_outcome_comes_back(ledger: Ledger, tenant_id: str, settlement: Settlement) -> None:
    await made(ledger, tenant_id, replace(call(), settlement=settlement))
    [found] = await listed(ledger, tenant_id)
    assert found.settlement == settlement


async def test_a_call_is_settled_once(ledger: Ledger, tenant_id: str) -> None:
    own = replace(call(), settlement=DONE)
    await made(ledger, tenant_id, own)
    await ledger.settle(tenant_id, own.call_id, LOST)
    assert await listed(ledger, tenant_id) == [own]


async def test_an_answer_is_found_by_all_of_its_key_and_nothing_is_begun(ledger: Ledger, tenant_id: str) -> None:
    own = replace(call(), settlement=DONE)
    await made(ledger, tenant_id, own)
    assert await ledger.begin(tenant_id, call(after_s=5)) == own
    assert await ledger.answered(tenant_id, KEY) == own
    assert await ledger.answered("ten_other", KEY) is None
    assert await listed(ledger, tenant_id) == [own]
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
        assert await ledger.answered(tenant_id, other) is None
        assert await ledger.begin(tenant_id, call(other, after_s=5)) is None


async def test_only_outcomes_that_hold_are_answers(ledger: Ledger, tenant_id: str) -> None:
    await made(ledger, tenant_id, replace(call(), settlement=LOST))
    broken = replace(call(after_s=2), settlement=BROKEN)
    assert await ledger.begin(tenant_id, broken) is None
    await ledger.settle(tenant_id, broken.call_id, BROKEN)
    assert await ledger.begin(tenant_id, call(after_s=3)) == broken


async def test_a_dead_process_call_is_abandoned_and_may_still_be_settled(ledger: Ledger, tenant_id: str) -> None:
    stale, fresh = call(), call(after_s=10)
    await made(ledger, tenant_id, stale)
    assert await ledger.begin(tenant_id, fresh) is None
    first, second = await listed(ledger, tenant_id)
    assert first.settlement is not None
    assert first.settlement.state is CallState.ABANDONED
    assert second == fresh
    await ledger.settle(tenant_id, stale.call_id, DONE)
    assert (await listed(ledger, tenant_id))[0].settlement == DONE


async def test_a_recorded_call_is_there_after_a_flush_without_its_text(ledger: Ledger, tenant_id: str) -> None:
    refused = replace(call(), settlement=replace(LOST, tries=0, error_message="a \0 in it"))
    answered = replace(call(OUTSIDE, after_s=1), settlement=DONE)
    for each in (refused, answered):
        await ledger.record(tenant_id, each)
    await ledger.flush()
    [found] = await listed(ledger, tenant_id)
    assert (found.call_id, found.settlement.error_code) == (refused.call_id, "PROVIDER_UNAVAILABLE")
    [outside] = await listed(ledger, tenant_id, run_id="")
    assert outside.settlement == replace(DONE, output="")


async def test_many_at_once_are_each_answered_for_themselves(ledger: Ledger, tenant_id: str) -> None:
    old = [replace(call(replace(KEY, step_id=f"old:{at}")), settlement=DONE) for at in range(20)]
    await asyncio.gather(*(made(ledger, tenant_id, each) for each in old))
    again = [call(each.key, after_s=1) for each in old]
    fresh = [call(replace(KEY, step_id=f"new:{at}")) for at in range(20)]
    found = await asyncio.gather(*(ledger.begin(tenant_id, each) for each in [*again, *fresh]))
    assert found == [*old, *[None] * 20]
    assert len(await listed(ledger, tenant_id)) == 40


async def test_who_is_cancelled_while_it_is_settled_leaves_it_settled(ledger: Ledger, tenant_id: str) -> None:
    own = call()
    await made(ledger, tenant_id, own)
    settling = asyncio.create_task(ledger.settle(tenant_id, own.call_id, DONE))
    await asyncio.sleep(0)
    settling.cancel()
    await asyncio.gather(settling, return_exceptions=True)
    await ledger.flush()
    [found] = await listed(ledger, tenant_id)
    assert found.settlement == DONE


async def test_pages_follow_one_another_without_gap(ledger: Ledger, tenant_id: str) -> None:
    # Two began at the same moment: the id decides.
    calls = sorted(
        (call(replace(KEY, step_id=f"s{at}"), after_s=at // 2) for at in range(7)),
        key=lambda c: (c.started_at, c.call_id),
    )
    await made(ledger, tenant_id, *calls)
    found: list[Call] = []
    after = None
    while page := await listed(ledger, tenant_id, limit=3, after=after):
        found += page
        after = (page[-1].started_at, page[-1].call_id)
    assert found == calls


async def test_tenants_do_not_see_one_another(ledger: Ledger, tenant_id: str) -> None:
    await made(ledger, tenant_id, replace(call(), settlement=DONE))
    other = new_id("ten")
    assert await listed(ledger, other) == []
    assert await usage(ledger, other, UsageBy.RUN) == []
    assert await ledger.begin(other, call()) is None


async def usage(ledger: Ledger, tenant_id: str, by: UsageBy, limit: int = 100, after: Any = None) -> list[Usage]:
    query = UsageQuery(by, START - timedelta(days=1), START + timedelta(days=2))
    return list(await ledger.usage(tenant_id, query, limit, after))


@pytest.fixture
async def used(ledger: Ledger, tenant_id: str) -> Ledger:
    """Two calls of a run today, one of which failed; one outside runs tomorrow; one that is too old to count."""
    other = replace(OUTSIDE, model="gpt-4o-mini")
    await made(ledger, tenant_id, replace(call(), settlement=DONE))
    await made(ledger, tenant_id, replace(call(replace(KEY, attempt=2), after_s=9), settlement=LOST))
    await ledger.record(tenant_id, replace(call(other, after_s=86_400), settlement=DONE, principal_id="prn_2"))
    await ledger.record(tenant_id, replace(call(OUTSIDE, after_s=-10 * 86_400), settlement=DONE))
    return ledger


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (UsageBy.DAY, [(("2026-11-02", ""), 1, 0), (("2026-11-01", ""), 2, 1)]),
        (UsageBy.MODEL, [(("openai", "gpt-4o"), 2, 1), (("openai", "gpt-4o-mini"), 1, 0)]),
        (UsageBy.PRINCIPAL, [(("prn_1", ""), 2, 1), (("prn_2", ""), 1, 0)]),
        (UsageBy.RUN, [(("", ""), 1, 0), (("run_1", ""), 2, 1)]),
    ],
)
async def test_usage_is_summed(used: Ledger, tenant_id: str, by: UsageBy, expected: list[Any]) -> None:
    found = await usage(used, tenant_id, by)
    assert [(each.key, each.calls, each.failed_calls) for each in found] == expected
    assert {(each.input_tokens, each.output_tokens, each.cost_micro_usd) for each in found} == {(1200, 80, 3800)}
    [first] = await usage(used, tenant_id, by, limit=1)
    assert await usage(used, tenant_id, by, after=first.key) == found[1:]
