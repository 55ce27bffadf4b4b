"""The gRPC server of a service: its servicers behind one gate, with health, reflection and an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from lace_platform.auth import IdentityVerifier
from lace_platform.rpc.handlers import Surroundings, guard

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
_STREAM_GRACE_S = 0.3
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, not half of the traffic
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Running:
    """A service that listens; `stop` ends it and returns when it has ended."""

    name: str
    port: int
    stop: Callable[[], Awaitable[None]]


class RpcServer:
    """Serves async servicers; made and started in a running event loop.

    Each method is guarded by what the contract says of it (`lace.api.v1.rest`: open, internal, scope);
    `public_methods` are further full method paths that are open. `draining` is set as soon as `stop` begins:
    servicers that stream may end at a good place; those that do not are ended with a retryable error.
    """

    def __init__(
        self, service_name: str, *, verifier: IdentityVerifier, public_methods: frozenset[str] = frozenset()
    ) -> None:
        self.service_name = service_name
        self._surroundings = Surroundings(verifier, public_methods)
        self.draining = self._surroundings.draining
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        self._services: list[str] = []

    def add(self, add_servicer: Callable[[Any, Any], None], servicer: Any) -> None:
        """Adds a servicer by its generated `add_…Servicer_to_server`; before `start`."""
        recorder = _Recorder()
        add_servicer(servicer, recorder)
        for service, handlers in recorder.services.items():
            guarded = {
                name: guard(f"/{service}/{name}", handler, self._surroundings) for name, handler in handlers.items()
            }
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))
            self._services.append(service)

    async def start(self, address: str) -> int:
        """Listens on host:port (port 0 takes a free one), returns the port; raises RuntimeError where it is taken."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        port = self._server.add_insecure_port(address)
        await self._server.start()
        for name in ("", *self._services):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        _log.info("rpc_server_started", service=self.service_name, port=port)
        return port

    async def stop(self, grace: float = 5.0) -> None:
        """Not serving any more; streams are ended, other calls have `grace` seconds to finish."""
        if self.draining.is_set():
            return
        self.draining.set()
        await self._health.enter_graceful_shutdown()
        await self._end_streams(min(grace, _STREAM_GRACE_S))
        await self._server.stop(grace)
        _log.info("rpc_server_stopped", service=self.service_name)

    async def wait(self) -> None:
        """Returns when the server has ended."""
        await self._server.wait_for_termination()

    async def _end_streams(self, grace: float) -> None:
        streams = set(self._surroundings.streams)
        if streams:
            await asyncio.wait(streams, timeout=grace)
        for task in set(self._surroundings.streams):
            if not task.done():
                task.cancel()


class _Recorder:
    """Stands in for the server while a generated function adds its handlers, to get hold of them."""

    def __init__(self) -> None:
        self.services: dict[str, Mapping[str, Any]] = {}

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """The same handlers come by `add_registered_method_handlers`, with their names."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Keeps the handlers by service."""
        self.services[service] = handlers
