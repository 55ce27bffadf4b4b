"""Whether the services behind the gateway answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lace_core.errors import LaceError

_WITHIN_S = 1.0
_KEPT_S = 0.5


class ServiceHealth:
    """Asks each service's own health check; an answer is kept half a second, since anyone may ask."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._stubs = {name: health_pb2_grpc.HealthStub(channel) for name, channel in channels.items()}
        self._found: dict[str, str] = {}
        self._found_at = float("-inf")
        self._lock = asyncio.Lock()

    async def states(self) -> dict[str, str]:
        """`serving`, `not_serving` or `unreachable`, by name of the service."""
        async with self._lock:
            if time.monotonic() - self._found_at > _KEPT_S:
                answers = await asyncio.gather(*(_state(stub) for stub in self._stubs.values()))
                self._found = dict(zip(self._stubs, answers, strict=True))
                self._found_at = time.monotonic()
            return self._found


async def _state(stub: health_pb2_grpc.HealthStub) -> str:
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_WITHIN_S)
    except LaceError:
        return "unreachable"
    return "serving" if answer.status == health_pb2.HealthCheckResponse.SERVING else "not_serving"
