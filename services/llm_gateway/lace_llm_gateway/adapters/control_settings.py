"""The stored settings of tenants and their people, remembered until control says that some have changed."""

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
from lace_proto import json as wire_json

# Settings have times from which on they hold, and a notification can be lost with its connection.
_GOOD_FOR_S = 3.0
_TIMEOUT_S = 2.0
_MOST = 10_000
_GROUPS = ("llm.", "events.")

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
    """See app.ports.StoredSettings. `channel` carries the service's own identity.

    While control cannot be asked, what it told last holds. For those of whom it never told anything no call is made:
    what a tenant keeps from providers is among the settings.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        changes: Changes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = control_pb2_grpc.SettingsServiceStub(channel)
        self._changes = changes
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}

    async def of(self, tenant_id: str, principal_id: str) -> Mapping[str, Any]:
        """See app.ports.StoredSettings.of."""
        self._forget_changed()
        known = self._known.get((tenant_id, principal_id))
        if known is not None and self._clock() < known.until:
            return known.values
        asked_at = self._clock()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                values = await self._read(tenant_id, principal_id)
        except (LaceError, TimeoutError) as error:
            log.warning("settings_not_read", tenant_id=tenant_id, error=str(error) or "no answer in time")
            if known is None:
                words = "The settings cannot be read just now; try again."
                raise LaceError(Reason.SERVICE_UNAVAILABLE, words, retryable=True, retry_after=1.0) from None
            return known.values
        # What was read may be from before a change that came meanwhile.
        until = asked_at if self._forget_changed() else asked_at + _GOOD_FOR_S
        self._known[tenant_id, principal_id] = _Known(values, until)
        return values

    def _forget_changed(self) -> bool:
        if changed := self._changes.take():
            self._known = {whose: _Known(known.values, 0.0) for whose, known in self._known.items()}
        elif len(self._known) >= _MOST:
            self._known.clear()
        return changed

    async def _read(self, tenant_id: str, principal_id: str) -> Mapping[str, Any]:
        request = control_pb2.ReadSettingsRequest(tenant_id=tenant_id, principal_id=principal_id)
        values: Mapping[str, Any] = wire_json.to_python(await self._stub.ReadSettings(request)).get("values", {})
        return {name: value for name, value in values.items() if name.startswith(_GROUPS)}
