"""Budgets of tenants and principals: calls reserve out of slices in memory, which are leased and settled durably.

A process leases a slice for a tenant, principal and day in a transaction that it shares with all its other leases;
reservations come out of it without any I/O. Nothing is spent beyond a limit but what calls cost above what they
reserved, and a crash cannot lose, or hide, more than a slice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import structlog

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.budgets.accounts import Account, Waiter
from lace_llm_gateway.app.budgets.ports import BudgetStore, Quotas
from lace_llm_gateway.app.ports import Clock, ResilienceEvents
from lace_llm_gateway.domain.budgets import NOTHING, Amount, BudgetLimits
from lace_llm_gateway.domain.leases import Lease, LeaseOrder, LeaseReply

# What was spent is told so often; a lease without calls for so long is given back.
TELL_EVERY_S = 1.0
IDLE_S = 5.0
# Leases are renewed when a third of their life has passed. When much of it has, none is spent from before it was
# renewed: another process may settle it from then on.
_RENEW_PART, _SAFE_PART = 1 / 3, 0.7
# A lease that is found lost when it is given back leaves what was not told of it to another, which must be told too.
_FAREWELLS = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SlicePolicy:
    """How large a slice is at most, and after how many seconds of silence a process has lost its leases."""

    slice: Amount = field(default_factory=lambda: Amount(200_000, 1_000_000))
    lease_s: float = 30.0


class Reservation:
    """What a call holds of a budget; settle it once, however the call ended. `lease_id` goes into its ledger row."""

    def __init__(self, budgets: Budgets, account: Account, amount: Amount) -> None:
        self._budgets = budgets
        self._account = account
        self._amount = amount
        self._settled = False

    @property
    def lease_id(self) -> str:
        """The lease that it is taken from."""
        return self._account.lease.lease_id

    @property
    def tokens(self) -> int:
        """Tokens held."""
        return self._amount.tokens

    @property
    def micro_usd(self) -> int:
        """Money held, in millionths of a US dollar."""
        return self._amount.micro_usd

    async def cover(self, tokens: int, micro_usd: int) -> None:
        """Hold at least so much in all: before a further paid try, a repair or a dearer model.

        Raises LaceError QUOTA_EXCEEDED; what was held before is held on.
        """
        if tokens > self._amount.tokens or micro_usd > self._amount.micro_usd:
            more = (Amount(tokens, micro_usd) - self._amount).or_more(NOTHING)
            self._account = await self._budgets.hold(self._account, more, held=self._amount)
            self._amount += more

    def settle(self, tokens: int, micro_usd: int) -> None:
        """What the call used in truth, over all its tries; the rest is free again. A second time changes nothing."""
        if not self._settled:
            self._settled = True
            self._budgets.settle(self._account, self._amount, Amount(tokens, micro_usd))


class Budgets:
    """The budgets as this process sees them; one for the process, started and closed with it."""

    def __init__(
        self,
        store: BudgetStore,
        quotas: Quotas,
        events: ResilienceEvents,
        policy: SlicePolicy,
        *,
        process_id: str,
        now: Clock,
        clock: Callable[[], float],
        new_id: Callable[[str], str],
    ) -> None:
        self._store = store
        self._quotas = quotas
        self._events = events
        self._policy = policy
        self._process_id = process_id
        self._now = now
        self._clock = clock
        self._new_id = new_id
        self._accounts: dict[tuple[str, str, date], Account] = {}
        self._demand = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._renewed_at = clock()
        self._reconciled_at = clock()
        self._told_at = clock()

    async def start(self) -> None:
        """Begin to lease and settle in the background."""
        self._task = asyncio.create_task(self._run(), name="budgets")

    async def close(self) -> None:
        """Tell what was spent and give back the rest; what cannot be told is settled from the ledger by others."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for account in self._accounts.values():
            account.refuse_all(_away())
        try:
            for _ in range(_FAREWELLS):
                if self._accounts:
                    await self.turn(closing=True)
        except LaceError as error:
            log.warning("budgets_not_given_back", error=str(error))

    async def reserve(self, tenant_id: str, principal_id: str, model: str, tokens: int, micro_usd: int) -> Reservation:
        """Hold so much for a call of that model: its tokens in and the most it may answer, and what they cost.

        In memory where the slice has it; else it waits for the next lease, which is some milliseconds. Raises LaceError
        QUOTA_EXCEEDED with the limit and when it begins anew, SERVICE_UNAVAILABLE where nothing can be leased.
        """
        del model  # budgets are of tenants and principals; the ledger sums by model
        limits = self._quotas.known(tenant_id) or await self._quotas.of(tenant_id)
        amount = Amount(tokens, micro_usd)
        account = self._account(tenant_id, principal_id, limits)
        return Reservation(self, await self._hold(account, amount), amount)

    async def hold(self, account: Account, more: Amount, held: Amount) -> Account:
        """Hold more for a call that is under way; the account that holds all of it from now on. Raises like reserve."""
        live = self._live(account)
        holding = await self._hold(live, more)
        if holding is not account:  # its lease was lost meanwhile: what it held there is held here
            holding.reserved += held
        return holding

    def settle(self, account: Account, reserved: Amount, used: Amount) -> None:
        """A call ended: what it held is free, what it used is spent, by the lease that lives now."""
        if not account.ended:
            account.settle(reserved, used, self._clock())
        elif used != NOTHING:
            self._live(account).settle(NOTHING, used, self._clock())

    async def turn(self, *, closing: bool = False) -> None:
        """One round: renew, settle what others left behind, tell what was spent, lease what is wanted.

        Raises LaceError SERVICE_UNAVAILABLE; who waits is told the same.
        """
        try:
            await self._keep()
            due = self._due(closing=closing)
            if due:
                replies = await self._store.exchange([order for _, order in due], self._policy.lease_s)
                for (account, order), reply in zip(due, replies, strict=True):
                    self._take_in(account, order, reply)
        except Exception as error:
            told = error if isinstance(error, LaceError) else _away()
            for account in list(self._accounts.values()):
                account.closing = False
                account.refuse_all(told)
            raise

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_EVERY_S):
                    await self._demand.wait()
            self._demand.clear()
            try:
                await self.turn()
            except LaceError as error:
                log.warning("budgets_not_exchanged", error=str(error))
            except Exception:  # the next round may be better, and without rounds every call would wait
                log.exception("budgets_round_failed")

    async def _hold(self, account: Account, amount: Amount) -> Account:
        now = self._clock()
        if self._is_safe(now) and account.take(amount, now):
            if account.is_low:
                self._demand.set()
            return account
        waiter = Waiter(amount, asyncio.get_running_loop().create_future())
        account.waiting.append(waiter)
        self._demand.set()
        try:
            return await waiter.ready
        except asyncio.CancelledError:
            ready = waiter.ready
            if ready.done() and not ready.cancelled() and ready.exception() is None:
                self.settle(ready.result(), amount, NOTHING)  # it came in the moment in which its caller left
            raise

    async def _keep(self) -> None:
        """Renew what this process holds, and settle what dead ones did, each when its time has come."""
        now, life = self._clock(), self._policy.lease_s
        if self._accounts and now - self._renewed_at >= life * _RENEW_PART:
            kept = await self._store.renew(self._process_id, life)
            self._renewed_at = now
            for account in list(self._accounts.values()):
                if account.begun and account.lease.lease_id not in kept:
                    self._lose(account)
        elif not self._accounts:
            self._renewed_at = now
        if now - self._reconciled_at >= life * _RENEW_PART:
            self._reconciled_at = now
            if count := await self._store.reconcile():
                self._events.leases_reconciled(count)

    def _due(self, *, closing: bool) -> list[tuple[Account, LeaseOrder]]:
        now, today = self._clock(), self._now().date()
        tell = closing or now - self._told_at >= TELL_EVERY_S
        if tell:
            self._told_at = now
        due: list[tuple[Account, LeaseOrder]] = []
        for account in list(self._accounts.values()):
            limits = self._quotas.known(account.lease.tenant_id)
            newer = limits is not None and account.relimit(limits)
            over = closing or account.lease.day < today or now - account.touched_at >= IDLE_S
            order = account.order(tell=tell or newer, close=over and account.is_idle)
            if order is not None:
                due.append((account, order))
        return due

    def _take_in(self, account: Account, order: LeaseOrder, reply: LeaseReply) -> None:
        if reply.lease is None:
            self._lose(account)
            return
        if order.close:
            self._end(account)
            return
        account.relimit(reply.limits)
        account.take_in(order, reply.lease, reply.granted, self._clock(), self._now())
        if account.waiting:
            self._demand.set()
        if reply.granted is not None and reply.granted.amount != NOTHING:
            self._events.budget_leased(reply.granted.amount.tokens, reply.granted.amount.micro_usd)

    def _lose(self, account: Account) -> None:
        """Another process has settled the lease; what was not told of it yet is told by the next one.

        The ledger may have told it already: rather twice than not at all.
        """
        self._end(account)
        self.settle(account, NOTHING, account.untold)

    def _end(self, account: Account) -> None:
        """The lease is over; who waits does so at the next one."""
        account.ended = True
        lease = account.lease
        self._accounts.pop((lease.tenant_id, lease.principal_id, lease.day), None)
        if account.waiting:
            self._live(account).waiting.extend(account.waiting)
            account.waiting.clear()
            self._demand.set()

    def _live(self, account: Account) -> Account:
        """The account, or the one in its place where its lease is over."""
        if not account.ended:
            return account
        return self._account(account.lease.tenant_id, account.lease.principal_id, account.limits)

    def _account(self, tenant_id: str, principal_id: str, limits: BudgetLimits) -> Account:
        key = (tenant_id, principal_id, self._now().date())
        account = self._accounts.get(key)
        if account is None:
            lease = Lease(self._new_id("lea"), self._process_id, *key)
            account = self._accounts[key] = Account(
                lease, limits, self._policy.slice, self._clock(), self._events.budget_refused
            )
        elif account.relimit(limits):
            self._demand.set()
        return account

    def _is_safe(self, now: float) -> bool:
        return now - self._renewed_at < self._policy.lease_s * _SAFE_PART


def _away() -> LaceError:
    return LaceError(
        Reason.SERVICE_UNAVAILABLE, "The budgets cannot be read; try again.", retryable=True, retry_after=1.0
    )
