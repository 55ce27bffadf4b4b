"""What every service of a process shares: configuration, blobs, bus, identities, ways to databases and neighbours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc

from lace_platform.auth import IdentityVerifier
from lace_platform.blobs import BlobStore, open_blob_store
from lace_platform.bus import Bus
from lace_platform.bus.factory import open_bus
from lace_platform.config import ProcessConfig
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.listener import Listener
from lace_platform.db.roles import role_password, service_roles
from lace_platform.rpc import ServiceIdentity, open_channel
from lace_platform.rpc.client import IdentitySupplier
from lace_platform.trust import follow_control


@dataclass(frozen=True)
class Platform:
    """The shared part of a process. What its methods make belongs to the caller, who closes it."""

    config: ProcessConfig
    blobs: BlobStore
    bus: Bus
    verifier: IdentityVerifier

    def database(self, service: str, *, pool_size: int = 8) -> Database:
        """The service's own database role, held to one tenant per transaction."""
        role, _ = service_roles(service)
        return Database(self.config.dsn, schema=service, role=role, password=self._password(role), pool_size=pool_size)

    def system_database(self, service: str, *, pool_size: int = 4) -> SystemDatabase:
        """The service's role for cross-tenant machinery."""
        _, role = service_roles(service)
        return SystemDatabase(
            self.config.dsn, schema=service, role=role, password=self._password(role), pool_size=pool_size
        )

    def listener(self, service: str) -> Listener:
        """Listens under the service's system role; not started yet."""
        _, role = service_roles(service)
        return Listener(self.config.dsn, role, self._password(role))

    def channel(self, service: str, identity: IdentitySupplier | None = None) -> grpc.aio.Channel:
        """A channel to the service at its configured address; see lace_platform.rpc.open_channel."""
        return open_channel(self.config.addresses[service], identity=identity)

    def service_identity(self, service: str, control: grpc.aio.Channel | None = None) -> ServiceIdentity:
        """The identity of the service itself, by the installation's secret."""
        return ServiceIdentity(control or self.channel("control"), service, self.config.service_secret)

    def _password(self, role: str) -> str:
        return role_password(self.config.db_role_secret, role)


@asynccontextmanager
async def open_platform(config: ProcessConfig) -> AsyncIterator[Platform]:
    """Opens what the process shares and follows control's keys and revocations until the end of the block."""
    async with AsyncExitStack() as stack:
        blobs = await open_blob_store(config)
        stack.push_async_callback(blobs.close)
        bus = open_bus(config)
        await bus.start()
        stack.push_async_callback(bus.close)
        platform = Platform(config, blobs, bus, IdentityVerifier())
        control = platform.channel("control")
        stack.push_async_callback(control.close)
        follower = asyncio.create_task(follow_control(control, platform.verifier), name="follow-control")
        stack.push_async_callback(_end, follower)
        yield platform


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
