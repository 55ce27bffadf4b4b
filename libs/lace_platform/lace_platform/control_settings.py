"""The settings of tenants and their people as control stores them, remembered until it says that some have changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import structlog

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_platform.rpc import reach
from lace_proto import json as wire_json

# Settings have times from which on they hold, and a notification can be lost with its connection.
_GOOD_FOR_S = 3.0
_AGAIN_AFTER_S = 1.0
# What is known already will do where the answer takes long; of whom nothing is known can but wait or be refused.
_TIMEOUT_S = 1.0
_FIRST_TIMEOUT_S = 10.0
_MOST = 10_000

log = structlog.get_logger(__name__)


class Changes(Protocol):
    """Tells whether control changed settings since it was last asked."""

    def take(self) -> bool:
        """Whether it did."""
        ...


@dataclass(frozen=True)
class _Known:
    values: Mapping[str, Any]
    until: float


class ControlSettings:
    """`channel` carries the service's own identity; `changes` is woken, on SETTINGS_CHANGED, after each change.

    `own` is what holds where nothing is stored; of what is stored, keys that begin with one of `groups` count.

    While control cannot be asked, what it told last holds. Of whom it never told anything, nothing is known: what a
    tenant keeps from models is among the settings.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        changes: Changes,
        *,
        own: Mapping[str, Any] | None = None,
        groups: tuple[str, ...] = ("",),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._stub = control_pb2_grpc.SettingsServiceStub(channel)
        self._changes = changes
        self._own = dict(own or {})
        self._groups = groups
        self._clock = clock
        self._round = 0
        self._away_until = float("-inf")
        self._known: dict[tuple[str, str], _Known] = {}

    async def of(self, tenant_id: str, principal_id: str = "") -> Mapping[str, Any]:
        """Values by key, the tenant's alone where no principal is named. Raises LaceError SERVICE_UNAVAILABLE."""
        self._forget_changed()
        known = self._known.get((tenant_id, principal_id))
        now = self._clock()
        if known is not None and now < known.until:
            return known.values
        if now >= self._away_until:
            try:
                async with asyncio.timeout(_FIRST_TIMEOUT_S if known is None else _TIMEOUT_S):
                    return await self._ask(tenant_id, principal_id, now)
            except (LaceError, TimeoutError) as error:
                log.warning("settings_not_read", tenant_id=tenant_id, error=str(error) or "no answer in time")
                # A search waits for this: while control is away, not every one.
                self._away_until = self._clock() + _AGAIN_AFTER_S
        if known is None:
            words = "The settings cannot be read just now; try again."
            raise LaceError(Reason.SERVICE_UNAVAILABLE, words, retryable=True, retry_after=1.0)
        return known.values

    def changed(self) -> int:
        """A number that grows with each change that was told."""
        self._forget_changed()
        return self._round

    async def _ask(self, tenant_id: str, principal_id: str, now: float) -> Mapping[str, Any]:
        asked_in = self._round
        request = control_pb2.ReadSettingsRequest(tenant_id=tenant_id, principal_id=principal_id)
        # Whoever asks waits for this: not for a control that refuses connections.
        await reach(self._channel, "control")
        answer = await self._stub.ReadSettings(request)
        stored = wire_json.to_python(answer).get("values", {})
        values = {**self._own, **{key: value for key, value in stored.items() if key.startswith(self._groups)}}
        self._forget_changed()
        # What was read may be from before a change that came meanwhile.
        until = now + _GOOD_FOR_S if asked_in == self._round else now
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[tenant_id, principal_id] = _Known(values, until)
        return values

    def _forget_changed(self) -> None:
        if self._changes.take():
            self._round += 1
            self._known = {whose: _Known(known.values, float("-inf")) for whose, known in self._known.items()}
