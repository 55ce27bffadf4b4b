"""The limits of tenants as control tells them, remembered until it says that some have changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import grpc
import structlog

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.domain.budgets import LIMITS, UNLIMITED, BudgetLimits
from lace_platform.db.listener import Subscription
from lace_platform.rpc import reach

# A notification of a change can be lost with its connection: what was told longer ago than this is asked for again.
_GOOD_FOR_S = 3.0
_AGAIN_AFTER_S = 1.0
_TIMEOUT_S = 2.0
_MOST = 10_000

log = structlog.get_logger(__name__)


class StoredLimits(Protocol):
    """Limits as control told them before, to any process."""

    async def limits(self, tenant_id: str) -> BudgetLimits | None:
        """The newest; None where none were told."""
        ...


@dataclass(frozen=True)
class _Known:
    limits: BudgetLimits
    until: float
    round: int


class ControlQuotas:
    """See app.budgets.ports.Quotas. `channel` carries the service's own identity.

    While control cannot be asked, what it told last holds, also to another process. A tenant of which it never told
    anything is not kept from its calls then: they are counted, and held to limits once these are known. Raises
    LaceError TENANT_NOT_FOUND where control says so.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        store: StoredLimits,
        changes: Subscription,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._stub = control_pb2_grpc.TenantServiceStub(channel)
        self._store = store
        self._changes = changes
        self._clock = clock
        self._round = 0
        self._away = False
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[BudgetLimits]] = {}

    def known(self, tenant_id: str) -> BudgetLimits | None:
        """See app.budgets.ports.Quotas.known; what may be a little old is asked for meanwhile."""
        if self._changes.take():
            self._round += 1
        known = self._known.get(tenant_id)
        if known is None or known.round != self._round or self._clock() >= known.until + _GOOD_FOR_S:
            return None
        if self._clock() >= known.until:
            self._ask(tenant_id)
        return known.limits

    async def of(self, tenant_id: str) -> BudgetLimits:
        """See app.budgets.ports.Quotas.of."""
        return await asyncio.shield(self._ask(tenant_id))

    async def close(self) -> None:
        """Stop asking."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _ask(self, tenant_id: str) -> asyncio.Task[BudgetLimits]:
        task = self._asking.get(tenant_id)
        if task is None:
            task = self._asking[tenant_id] = asyncio.create_task(self._refresh(tenant_id))
            task.add_done_callback(lambda done: self._asked(tenant_id, done))
        return task

    def _asked(self, tenant_id: str, done: asyncio.Task[BudgetLimits]) -> None:
        self._asking.pop(tenant_id, None)
        if not done.cancelled():
            done.exception()  # told to who waits; where nobody does, it is no news

    async def _refresh(self, tenant_id: str) -> BudgetLimits:
        asked_at, asked_in = self._clock(), self._round
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                limits = await self._read(tenant_id)
            until = asked_at + _GOOD_FOR_S
            self._away = False
        except (LaceError, TimeoutError) as error:
            if isinstance(error, LaceError) and error.reason is Reason.TENANT_NOT_FOUND:
                raise  # an answer, not a control that is away
            if not self._away:  # once, however many tenants are asked for meanwhile
                log.warning("quotas_not_read", tenant_id=tenant_id, error=str(error) or "no answer in time")
            self._away = True
            limits, until = await self._before(tenant_id), self._clock() + _AGAIN_AFTER_S
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[tenant_id] = _Known(limits, until, asked_in)
        return limits

    async def _read(self, tenant_id: str) -> BudgetLimits:
        await reach(self._channel, "control")  # a call is waiting: not for a control that refuses connections
        told = await self._stub.ReadQuotas(control_pb2.ReadQuotasRequest(tenant_id=tenant_id))
        return BudgetLimits(**{name: getattr(told, name) for name in LIMITS}, version=told.version)

    async def _before(self, tenant_id: str) -> BudgetLimits:
        known = self._known.get(tenant_id)
        if known is not None:
            return known.limits
        try:
            return await self._store.limits(tenant_id) or UNLIMITED
        except LaceError as error:
            log.warning("limits_not_read", tenant_id=tenant_id, error=str(error))
            return UNLIMITED
