"""A lease of a budget in the hands of one process: what calls hold of it, who waits for more, what is still to tell."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from lace_core.errors import LaceError
from lace_llm_gateway.domain.budgets import NOTHING, Amount, BudgetLimits, Granted, refusal, shortage
from lace_llm_gateway.domain.leases import Lease, LeaseOrder

# A slice of which less than this part is left is filled up before somebody has to wait.
_LOW = 4
# What was refused just now is refused again without asking, so that who asks without end costs nothing.
_SAME_ANSWER_S = 0.5


@dataclass(frozen=True)
class Waiter:
    """A call that waits for its reservation."""

    amount: Amount
    ready: asyncio.Future[Account]


@dataclass(frozen=True)
class _Refused:
    limit: str
    amount: Amount
    error: LaceError
    until: float


class Account:
    """The lease of one tenant, principal and day. Moments are seconds on the process's own clock.

    `wish` is a slice; `refused` is told the name of the limit with every refusal.
    """

    def __init__(
        self, lease: Lease, limits: BudgetLimits, wish: Amount, now: float, refused: Callable[[str], None]
    ) -> None:
        self.lease = lease
        self.limits = limits
        self._bounds = (limits.bounds_tokens, limits.bounds_money)
        self.reserved = NOTHING
        self.waiting: deque[Waiter] = deque()
        self.begun = False
        self.closing = False
        self.ended = False
        self.touched_at = now
        self._wish = wish
        self._tell_refused = refused
        self._told = (NOTHING, NOTHING)
        self._generous = False
        self._refused: _Refused | None = None

    @property
    def free(self) -> Amount:
        """What no call holds; below nothing where calls hold more than was leased."""
        lease, reserved = self.lease, self.reserved
        granted, used, returned = lease.granted, lease.used, lease.returned
        return Amount(
            granted.tokens - used.tokens - returned.tokens - reserved.tokens,
            granted.micro_usd - used.micro_usd - returned.micro_usd - reserved.micro_usd,
        )

    @property
    def untold(self) -> Amount:
        """What was spent and never told to the store."""
        return self.lease.used - self._told[0]

    @property
    def is_idle(self) -> bool:
        """Whether no call holds or wants anything of it."""
        return not self.waiting and self.reserved == NOTHING

    @property
    def is_low(self) -> bool:
        """Whether it should be filled up: little is left, and the last time there was plenty to be had."""
        if not self.begun or not self._generous:
            return False
        free, wish = self.free, self.bounded(self._wish)
        return free.tokens * _LOW < wish.tokens or free.micro_usd * _LOW < wish.micro_usd

    def bounded(self, amount: Amount) -> Amount:
        """The amount in so far as any limit bounds it."""
        tokens, money = self._bounds
        return Amount(amount.tokens if tokens else 0, amount.micro_usd if money else 0)

    def missing(self, amount: Amount) -> Amount:
        """What is missing for a call that may take so much."""
        if not any(self._bounds):
            return NOTHING
        return self.bounded(amount - self.free).or_more(NOTHING)

    def take(self, amount: Amount, now: float) -> bool:
        """Hold it where it is free; raises what a call like it was told just before."""
        self.touched_at = now
        if not self.begun or self.closing or self.waiting:
            return False
        if self.missing(amount) != NOTHING:
            self._refuse_again(amount, now)
            return False
        self.reserved += amount
        return True

    def settle(self, reserved: Amount, used: Amount, now: float) -> None:
        """A call ended: what it held is free, what it used is spent."""
        self.touched_at = now
        self.reserved -= reserved
        self.lease = self.lease.spending(used)
        self._refused = None

    def relimit(self, limits: BudgetLimits) -> bool:
        """Other limits hold: what is free was leased under the old ones and goes back. Whether they are newer."""
        if limits.version <= self.limits.version:
            return False
        self.limits = limits
        self._bounds = (limits.bounds_tokens, limits.bounds_money)
        self.lease = replace(self.lease, returned=self.lease.returned + self.free.or_more(NOTHING))
        self._refused, self._generous = None, False
        return True

    def order(self, *, tell: bool, close: bool) -> LeaseOrder | None:
        """What there is to say to the store, None for nothing; `tell` says what was spent also where nobody waits."""
        self.closing = close
        self.waiting = deque(waiter for waiter in self.waiting if not waiter.ready.done())
        news = (self.lease.used, self.lease.returned) != self._told
        if not (close or self.waiting or self.is_low or (tell and news)):
            return None
        need = NOTHING
        if self.waiting:
            need = self.missing(sum((waiter.amount for waiter in self.waiting), NOTHING))
        wish = self.bounded(self._wish) if self.waiting or self.is_low else NOTHING
        return LeaseOrder(self.lease, self.limits, need, wish, self.begun, close)

    def take_in(self, order: LeaseOrder, lease: Lease, granted: Granted | None, now: float, moment: datetime) -> None:
        """What the store answered; those who wait get what fits, in turn, and the others are told why not."""
        self.begun = True
        self._told = (order.lease.used, order.lease.returned)
        self.lease = replace(self.lease, granted=lease.granted)
        if granted is None:
            return
        if order.wish != NOTHING:
            got, wish = granted.amount, order.wish
            self._generous = got.tokens * 2 >= wish.tokens and got.micro_usd * 2 >= wish.micro_usd
        later: deque[Waiter] = deque()
        for waiter in self.waiting:
            if waiter.ready.done():
                continue
            missing = self.missing(waiter.amount)
            room = shortage(granted, missing)
            if missing == NOTHING:
                self.reserved += waiter.amount
                waiter.ready.set_result(self)
            elif room is None:  # it came while the store was asked
                later.append(waiter)
            else:
                error = refusal(room, self.limits, waiter.amount, moment)
                self._refused = _Refused(room.limit, waiter.amount, error, now + _SAME_ANSWER_S)
                self._tell_refused(room.limit)
                waiter.ready.set_exception(error)
        self.waiting = later

    def refuse_all(self, error: LaceError) -> None:
        """Nobody who waits gets anything."""
        for waiter in self.waiting:
            if not waiter.ready.done():
                waiter.ready.set_exception(error)
        self.waiting.clear()

    def _refuse_again(self, amount: Amount, now: float) -> None:
        refused = self._refused
        if refused is not None and now < refused.until and amount.or_more(refused.amount) == amount:
            self._tell_refused(refused.limit)
            raise refused.error
