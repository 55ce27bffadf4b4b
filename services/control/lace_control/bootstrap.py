"""Builds the service from its configuration; the only place that knows the adapters."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from lace.control.v1 import control_pb2_grpc, dead_letters_pb2_grpc
from lace_control.adapters.postgres_dead_letters import expand
from lace_control.adapters.postgres_units import PostgresUnits
from lace_control.adapters.revocation_feed import RevocationFeed
from lace_control.adapters.signing_keys import open_signer
from lace_control.adapters.snapshot_blobs import BlobSnapshotStore
from lace_control.adapters.tables import INFRASTRUCTURE
from lace_control.api.consumers import consume_audit, consume_dead_letters
from lace_control.api.dead_letters import DeadLetterServicer
from lace_control.api.servicer import AuditServicer, AuthServicer, SettingsServicer, TenantServicer
from lace_control.app.ports import Control
from lace_platform.clock import utc_now
from lace_platform.config import ProcessConfig
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.outbox import OutboxRelay
from lace_platform.paging import PageTokens
from lace_platform.rpc import RpcServer, Running

NAME = "control"


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """The service, listening at its configured address until the end of the block."""
    async with AsyncExitStack() as stack:
        database, system = platform.database(NAME), platform.system_database(NAME)
        stack.push_async_callback(database.close)
        stack.push_async_callback(system.close)
        listener = platform.listener(NAME)
        await listener.start()
        stack.push_async_callback(listener.close)
        control = Control(
            units=PostgresUnits(database, system),
            signer=await open_signer(system, config.service_secret),
            snapshots=BlobSnapshotStore(platform.blobs),
            layers=config.layers,
            service_secret=config.service_secret,
            now=utc_now,
            new_id=new_id,
            random_bytes=os.urandom,
        )
        feed = RevocationFeed(control.units, listener, control.now)
        await feed.refresh()
        stack.push_async_callback(_end, asyncio.create_task(feed.run(), name="revocation-feed"))
        relay = OutboxRelay(system, INFRASTRUCTURE, platform.bus, listener, expand)
        stack.push_async_callback(_end, asyncio.create_task(relay.run(), name="control-outbox"))
        for consume in (consume_dead_letters, consume_audit):
            consumption = await consume(platform.bus, control)
            stack.push_async_callback(consumption.close)
        server = _server(platform, control, feed, PageTokens(config.url_signing_secret))
        port = await server.start(config.addresses[NAME])
        stack.push_async_callback(server.stop)
        yield Running(NAME, port, server.stop)


def _server(platform: Platform, control: Control, feed: RevocationFeed, pages: PageTokens) -> RpcServer:
    server = RpcServer(NAME, verifier=platform.verifier)
    auth = AuthServicer(control, pages, feed, server.draining)
    server.add(control_pb2_grpc.add_AuthServiceServicer_to_server, auth)
    server.add(control_pb2_grpc.add_SettingsServiceServicer_to_server, SettingsServicer(control))
    server.add(control_pb2_grpc.add_TenantServiceServicer_to_server, TenantServicer(control))
    server.add(control_pb2_grpc.add_AuditServiceServicer_to_server, AuditServicer(control, pages))
    letters = DeadLetterServicer(control, pages)
    server.add(dead_letters_pb2_grpc.add_DeadLetterServiceServicer_to_server, letters)
    return server


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
