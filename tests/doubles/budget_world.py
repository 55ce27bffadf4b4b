"""Processes that spend from the same budgets, on a clock that moves when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.memory_budgets import MemoryBudgets
from lace_llm_gateway.app.budgets.leasing import Budgets, Reservation, SlicePolicy
from lace_llm_gateway.domain.breaker import BreakerState
from lace_llm_gateway.domain.budgets import NOTHING, UNLIMITED, Amount, BudgetLimits, Counter, Period

T = TypeVar("T")
START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Noted:
    """Keeps what it is told; see app.ports.ResilienceEvents."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def breaker_changed(self, provider: str, model: str, state: BreakerState) -> None:
        self.told.append(("breaker", provider, model, state.value))

    def retried(self, provider: str, model: str, reason: str, *, allowed: bool) -> None:
        self.told.append(("retried", provider, reason, allowed))

    def failed_over(self, source: str, target: str, reason: str) -> None:
        self.told.append(("failed_over", source, target, reason))

    def hedged(self, provider: str, model: str, *, won: bool) -> None:
        self.told.append(("hedged", provider, won))

    def shed(self, reason: str) -> None:
        self.told.append(("shed", reason))

    def budget_refused(self, limit: str) -> None:
        self.told.append(("budget_refused", limit))

    def budget_leased(self, tokens: int, micro_usd: int) -> None:
        self.told.append(("budget_leased", tokens, micro_usd))

    def leases_reconciled(self, count: int) -> None:
        self.told.append(("leases_reconciled", count))


@dataclass
class Told:
    """What control says; the same for every tenant."""

    limits: BudgetLimits = UNLIMITED

    def known(self, tenant_id: str) -> BudgetLimits | None:
        return self.limits

    async def of(self, tenant_id: str) -> BudgetLimits:
        return self.limits

    def put(self, **limits: int) -> None:
        self.limits = BudgetLimits(**limits, version=self.limits.version + 1)


class World:
    """`now` is 1000 s at START; `away` takes the store away, and it answers nobody while `gate` is not set."""

    def __init__(self, slice_tokens: int = 100, lease_s: float = 30.0, **limits: int) -> None:
        self.now = 1000.0
        self.ledger: dict[str, Amount] = defaultdict(lambda: NOTHING)
        self.quotas = Told()
        if limits:
            self.quotas.put(**limits)
        self.store = MemoryBudgets(lambda: self.now, lambda lease_id: self.ledger[lease_id])
        self.events = Noted()
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.policy = SlicePolicy(Amount(slice_tokens, slice_tokens * 10), lease_s)
        self._ids = 0

    def process(self) -> Process:
        self._ids += 1
        budgets = Budgets(
            self, self.quotas, self.events, self.policy,
            process_id=f"prc_{self._ids}", now=self.moment, clock=lambda: self.now, new_id=self._new_id,
        )  # fmt: skip
        return Process(self, budgets)

    def moment(self) -> datetime:
        return START + timedelta(seconds=self.now - 1000.0)

    def spent(self, principal_id: str = "") -> Amount:
        """What the day's counter says was spent."""
        return sum((row.spent for row in self._today(principal_id)), NOTHING)

    def held(self) -> Amount:
        """What processes hold of the tenant's day."""
        return sum((row.leased for row in self._today("")), NOTHING)

    def _today(self, principal_id: str) -> list[Counter]:
        mine = (principal_id, self.moment().date(), Period.DAY)
        rows = self.store.rows.items()
        return [row for key, row in rows if (key.principal_id, key.starts_on, key.period) == mine]

    async def exchange(self, orders: Any, life_s: float) -> Any:
        self._here()
        await self.gate.wait()
        return await self.store.exchange(orders, life_s)

    async def renew(self, process_id: str, life_s: float) -> frozenset[str]:
        self._here()
        return await self.store.renew(process_id, life_s)

    async def reconcile(self) -> int:
        self._here()
        return await self.store.reconcile()

    def _here(self) -> None:
        if self.away:
            raise LaceError(Reason.SERVICE_UNAVAILABLE, "away", retryable=True)

    def _new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}_{self._ids}"


@dataclass
class Process:
    """One process; its rounds are made when they are asked for, not in the background."""

    world: World
    budgets: Budgets

    async def reserve(self, tokens: int, micro_usd: int = 0, principal_id: str = "prn_1") -> Reservation:
        return await self.waits(self.budgets.reserve("ten_1", principal_id, "m", tokens, micro_usd))

    async def refused(self, tokens: int, micro_usd: int = 0, principal_id: str = "prn_1") -> LaceError:
        try:
            held = await self.reserve(tokens, micro_usd, principal_id)
        except LaceError as error:
            return error
        raise AssertionError(f"{held.tokens} were granted")

    async def waits(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of it, with rounds for as long as it waits for one."""
        task = asyncio.ensure_future(work)
        for _ in range(20):
            for _ in range(3):
                await asyncio.sleep(0)
            if task.done():
                break
            with contextlib.suppress(LaceError):
                await self.budgets.turn()
        assert task.done()
        return task.result()

    async def tell(self) -> None:
        """A round in which everything is told."""
        self.world.now += 1.0
        await self.budgets.turn()


def spend(world: World, held: Reservation, tokens: int, micro_usd: int = 0) -> None:
    """The call ends, and its row is in the ledger."""
    lease_id = held.lease_id
    world.ledger[lease_id] = world.ledger[lease_id] + Amount(tokens, micro_usd)
    held.settle(tokens, micro_usd)
