"""Budgets over processes and crashes: slices leased in Postgres, settled from the ledger where a process died."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.postgres_budgets import PostgresBudgets
from lace_llm_gateway.adapters.postgres_ledger import PostgresLedger
from lace_llm_gateway.app.budgets.leasing import Budgets, Reservation, SlicePolicy
from lace_llm_gateway.domain.budgets import NOTHING, Amount, Counter, counter_keys
from lace_llm_gateway.domain.calls import Call, CallKey, CallState, Held, Settlement
from lace_platform.clock import utc_now
from lace_platform.ids import new_id
from tests.doubles.budget_world import Noted, Told

LIMIT, SLICE = 20_000, 2_000


class Replica:
    """A process's budgets on Postgres, in this process."""

    def __init__(self, budgets: Budgets, quotas: Told, events: Noted) -> None:
        self.budgets = budgets
        self.quotas = quotas
        self.events = events

    async def spends(self, tenant_id: str, tokens: int, *, patient: bool = True) -> int:
        """Calls until it is refused; what they used."""
        spent = 0
        while True:
            try:
                held = await self.budgets.reserve(tenant_id, "prn_1", "m", tokens, 0)
            except LaceError as error:
                if error.reason is not Reason.QUOTA_EXCEEDED:
                    raise
                if not (error.retryable and patient):
                    return spent
                await asyncio.sleep(0.05)  # another one holds what is left, and tells within a second
                continue
            held.settle(tokens, 0)
            spent += tokens


@pytest.fixture
async def replica(
    database: Callable[[str], Any], system_database: Callable[[str], Any]
) -> AsyncIterator[Callable[..., Any]]:
    opened: list[Budgets] = []

    async def start(lease_s: float = 30.0, **limits: int) -> Replica:
        quotas, events = Told(), Noted()
        quotas.put(**limits)
        budgets = Budgets(
            PostgresBudgets(database("llm_gateway"), system_database("llm_gateway")), quotas, events,
            SlicePolicy(Amount(SLICE, SLICE), lease_s),
            process_id=new_id("prc"), now=utc_now, clock=time.monotonic, new_id=new_id,
        )  # fmt: skip
        await budgets.start()
        opened.append(budgets)
        return Replica(budgets, quotas, events)

    yield start
    for budgets in opened:
        await budgets.close()


async def _today(database: Any, tenant_id: str) -> Counter:
    key = counter_keys(tenant_id, "", utc_now().date())[0]
    return (await PostgresBudgets(database("llm_gateway"), None).counters(tenant_id, [key]))[key]  # type: ignore[arg-type]


async def test_replicas_that_spend_together_spend_no_more_than_the_limit(
    replica: Callable[..., Any], database: Callable[[str], Any], tenant_id: str
) -> None:
    replicas = [await replica(tokens_per_day=LIMIT) for _ in range(3)]
    spent = await asyncio.gather(*(each.spends(tenant_id, 50) for each in replicas for _ in range(4)))
    for each in replicas:
        await each.budgets.close()
    assert sum(spent) == LIMIT
    assert await _today(database, tenant_id) == Counter(Amount(LIMIT, 0), NOTHING)


async def test_many_calls_share_few_transactions(
    replica: Callable[..., Any], database: Callable[[str], Any], tenant_id: str
) -> None:
    one = await replica(tokens_per_day=10_000_000)
    for _ in range(20):
        held = await asyncio.gather(*(one.budgets.reserve(tenant_id, f"prn_{at}", "m", 10, 0) for at in range(50)))
        for each in held:
            each.settle(10, 0)
    leased = [told for told in one.events.told if told[0] == "budget_leased"]
    assert len(leased) == 50  # a slice for each principal, and none for the 950 calls after the first of each


async def test_what_a_dead_process_held_is_settled_from_the_ledger(
    replica: Callable[..., Any], database: Callable[[str], Any], system_database: Callable[[str], Any], tenant_id: str
) -> None:
    dead = await replica(lease_s=0.6, tokens_per_day=LIMIT)
    ledger = PostgresLedger(database("llm_gateway"), system_database("llm_gateway"))
    done, pending = [await dead.budgets.reserve(tenant_id, "prn_1", "m", 300, 0) for _ in range(2)]
    await ledger.record(tenant_id, _call(done, Settlement(CallState.FAILED, input_tokens=120, error_code="INTERNAL")))
    await ledger.begin(tenant_id, _call(pending, None))
    await ledger.close()
    dead.budgets._task.cancel()  # its last sign of life
    alive = await replica(lease_s=0.6, tokens_per_day=LIMIT)
    async with asyncio.timeout(30):
        while not any(told[0] == "leases_reconciled" for told in alive.events.told):
            await asyncio.sleep(0.05)
    assert await _today(database, tenant_id) == Counter(Amount(120 + 300, 0), NOTHING)


async def test_a_killed_process_overruns_nothing(
    postgres: Any, replica: Callable[..., Any], database: Callable[[str], Any], tenant_id: str
) -> None:
    root = Path(__file__).parents[3]
    environ = {**os.environ, "DSN": postgres.admin_dsn, "ROLE_SECRET": postgres.role_secret, "TENANT": tenant_id}
    environ |= {"LIMIT": str(LIMIT), "SLICE": str(SLICE), "STOP": str(3 * SLICE + 100)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.doubles.budget_process", env=environ, cwd=root, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    spent = int(await process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    await process.wait()
    counted = await _today(database, tenant_id)
    # What it spent is counted as spent or as held; what it held and did not spend is less than a slice and its fill.
    assert spent == 3 * SLICE + 100
    assert spent <= counted.spent.tokens + counted.leased.tokens <= spent + 2 * SLICE
    alive = await replica(tokens_per_day=LIMIT)
    left = await alive.spends(tenant_id, 100, patient=False)
    assert LIMIT - 2 * SLICE <= spent + left <= LIMIT


def _call(held: Reservation, settlement: Settlement | None) -> Call:
    key = CallKey("run_1" if settlement is None else "", "llm", 1, "", "openai", "gpt-4o", 0, "a" * 64)
    return Call(
        new_id("cal"), key, "", "", utc_now() + timedelta(0), settlement,
        held=Held(held.lease_id, held.tokens, held.micro_usd),
    )  # fmt: skip
