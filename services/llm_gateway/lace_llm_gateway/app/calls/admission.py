"""Who may begin a call now, who waits, and who is turned away at once: a bulkhead per tenant, and load shedding.

A tenant has so many calls under way and so many that wait; the process has so many in all, and its free places go to
the tenants that wait in turn. A call that would wait longer than its caller does is refused before it waits: Little's
law gives the wait, as those ahead of it times the mean time of a call, over the places.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.ports import ResilienceEvents

# The weight of the newest call in the mean time of one.
_NEWEST = 0.1
_LEAST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


@dataclass(frozen=True)
class AdmissionLimits:
    """Calls under way of one tenant, its calls that wait, calls under way in all, and calls that wait in all."""

    tenant_concurrency: int = 256
    tenant_queue: int = 1024
    concurrency: int = 1024
    queue: int = 4096


@dataclass
class _Tenant:
    active: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Admission:
    """Admits calls; one for the process. Uncontended it costs some dictionary look-ups and no task switch."""

    def __init__(
        self, limits: AdmissionLimits, events: ResilienceEvents, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._events = events
        self._clock = clock
        self._tenants: dict[str, _Tenant] = {}
        self._turns: deque[str] = deque()  # tenants that wait, the next first
        self._hold_s = 0.0
        self.active = 0
        self.waiting = 0

    def enter(self, tenant_id: str, remaining_s: float | None = None) -> AbstractAsyncContextManager[None]:
        """Around one call; `remaining_s` is how long its caller waits, None for ever.

        Raises LaceError RATE_LIMITED where the tenant has as many calls as it may, OVERLOADED where the process has,
        or where the call's turn would come too late; both with the seconds after which it is worth to try again.
        """
        return _Admitted(self, tenant_id, remaining_s)

    async def take(self, tenant_id: str, remaining_s: float | None) -> None:
        """A place for a call of the tenant; raises as `enter` says."""
        tenant = self._tenants.setdefault(tenant_id, _Tenant())
        if self._is_free(tenant) and not tenant.waiting:
            self._occupy(tenant)
            return
        try:
            self._refuse_hopeless(tenant, remaining_s)
            await self._wait(tenant_id, tenant, remaining_s)
        finally:
            self._forget_idle(tenant_id, tenant)

    def give_back(self, tenant_id: str, held_s: float) -> None:
        """The call ended after so many seconds."""
        tenant = self._tenants[tenant_id]
        tenant.active -= 1
        self.active -= 1
        self._hold_s = held_s if not self._hold_s else (1 - _NEWEST) * self._hold_s + _NEWEST * held_s
        self._admit_next()
        self._forget_idle(tenant_id, tenant)

    def now(self) -> float:
        """The moment, in seconds."""
        return self._clock()

    def _is_free(self, tenant: _Tenant) -> bool:
        return self.active < self._limits.concurrency and tenant.active < self._limits.tenant_concurrency

    def _occupy(self, tenant: _Tenant) -> None:
        tenant.active += 1
        self.active += 1

    def _refuse_hopeless(self, tenant: _Tenant, remaining_s: float | None) -> None:
        limits = self._limits
        wait = max(
            self._hold_s * (len(tenant.waiting) + 1) / limits.tenant_concurrency,
            self._hold_s * (self.waiting + 1) / limits.concurrency,
        )
        if len(tenant.waiting) >= limits.tenant_queue:
            self._events.shed("tenant_full")
            raise _refusal(
                Reason.RATE_LIMITED,
                f"The tenant has {tenant.active} calls under way and {len(tenant.waiting)} waiting, as many as it may.",
                wait,
            )
        if self.waiting >= limits.queue:
            self._events.shed("overloaded")
            raise _refusal(Reason.OVERLOADED, f"The model gateway has {self.waiting} calls waiting.", wait)
        if remaining_s is not None and wait > remaining_s:
            self._events.shed("too_late")
            raise self._too_late(wait)

    async def _wait(self, tenant_id: str, tenant: _Tenant, remaining_s: float | None) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tenant.waiting.append(place)
        self.waiting += 1
        if tenant_id not in self._turns:
            self._turns.append(tenant_id)
        try:
            async with asyncio.timeout(remaining_s):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():  # the place came in the moment in which the wait ended
                self.give_back(tenant_id, self._hold_s)
            self._drop(tenant, place)
            if isinstance(error, TimeoutError):
                self._events.shed("too_late")
                raise self._too_late(remaining_s or 0.0) from None
            raise

    def _admit_next(self) -> None:
        """Give free places to the tenants that wait, one each in turn; who is at his own limit keeps waiting."""
        for _ in range(len(self._turns)):
            if self.active >= self._limits.concurrency:
                return
            tenant_id = self._turns.popleft()
            tenant = self._tenants[tenant_id]
            while tenant.waiting and tenant.waiting[0].done():  # its caller has gone
                self._drop(tenant, tenant.waiting[0])
            if tenant.waiting and self._is_free(tenant):
                place = tenant.waiting[0]
                self._occupy(tenant)
                self._drop(tenant, place)
                place.set_result(None)
            if tenant.waiting:
                self._turns.append(tenant_id)

    def _drop(self, tenant: _Tenant, place: asyncio.Future[None]) -> None:
        if place in tenant.waiting:
            tenant.waiting.remove(place)
            self.waiting -= 1

    def _forget_idle(self, tenant_id: str, tenant: _Tenant) -> None:
        if not tenant.active and not tenant.waiting:
            self._tenants.pop(tenant_id, None)
            if tenant_id in self._turns:
                self._turns.remove(tenant_id)

    def _too_late(self, wait_s: float) -> LaceError:
        text = f"The model gateway has {self.active} calls under way; this one's turn would come too late."
        return _refusal(Reason.OVERLOADED, text, wait_s)


class _Admitted:
    """A call's place, for as long as it takes."""

    def __init__(self, admission: Admission, tenant_id: str, remaining_s: float | None) -> None:
        self._admission = admission
        self._tenant_id = tenant_id
        self._remaining_s = remaining_s
        self._since = 0.0

    async def __aenter__(self) -> None:
        await self._admission.take(self._tenant_id, self._remaining_s)
        self._since = self._admission.now()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.give_back(self._tenant_id, self._admission.now() - self._since)


def _refusal(reason: Reason, message: str, wait_s: float) -> LaceError:
    wait = min(max(wait_s, _LEAST_WAIT_S), _LONGEST_WAIT_S)
    return LaceError(reason, f"{message} Try again in {wait:.0f} s.", retryable=True, retry_after=round(wait, 3))
