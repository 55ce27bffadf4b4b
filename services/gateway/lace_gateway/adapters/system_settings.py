"""The gateway's tunables as control has them, followed while the process runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_core.errors import LaceError
from lace_core.settings import Layer, resolve
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.telemetry import get_logger
from lace_proto.json import to_python

_EVERY_S = 10.0
_FIRST_TRIES_EVERY_S = 0.5

_log = get_logger(__name__)


class SystemSettings:
    """Holds what was last known; begins with the process's own layers, so that it never has nothing.

    The channel must act under the gateway's service identity: a service is told what holds for the system.
    """

    def __init__(self, channel: grpc.aio.Channel, layers: Sequence[Layer]) -> None:
        self._stub = control_pb2_grpc.SettingsServiceStub(channel)
        self._current = GatewaySettings.of(resolve(layers).values)
        self._known = False

    def current(self) -> GatewaySettings:
        """The settings as they are now."""
        return self._current

    async def follow(self) -> None:
        """Asks again and again until cancelled; a control that is away leaves things as they are."""
        while True:
            try:
                self._current = GatewaySettings.of(await self._ask())
                self._known = True
            except LaceError as error:
                _log.debug("settings_not_followed", error=str(error))
            await asyncio.sleep(_EVERY_S if self._known else _FIRST_TRIES_EVERY_S)

    async def _ask(self) -> Mapping[str, Any]:
        answer = await self._stub.ResolveSettings(control_pb2.ResolveSettingsRequest())
        values: Mapping[str, Any] = to_python(answer)["values"]
        return {key: int(value) for key, value in values.items() if key.startswith("gateway.")}
