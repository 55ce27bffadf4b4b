"""Builds the service out of its parts, the only place that knows the adapters, and serves it for a while."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from lace.ingest.v1 import ingest_pb2_grpc as services
from lace_core.settings import resolve
from lace_ingest.adapters.blob_files import BlobFiles
from lace_ingest.adapters.child_reader import ChildReader
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.adapters.spool import Spool
from lace_ingest.adapters.tables import INFRASTRUCTURE, SCHEMA
from lace_ingest.api.consumers import consume
from lace_ingest.api.events import envelopes_of
from lace_ingest.api.servicer import RetrievalServicer, SourceServicer
from lace_ingest.app.ports import Ingest
from lace_platform.clock import utc_now
from lace_platform.config import ProcessConfig
from lace_platform.db.database import Database
from lace_platform.host import Platform
from lace_platform.outbox import OutboxRelay
from lace_platform.paging import PageTokens
from lace_platform.rpc import RpcServer, Running


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """The service listens, reads what runs ask for and relays its outbox until the end of the block."""
    async with AsyncExitStack() as stack:
        database = platform.database(SCHEMA)
        stack.push_async_callback(database.close)
        ingest = build(config, platform, database)
        await _start_relay(platform, stack)
        server = RpcServer(SCHEMA, verifier=platform.verifier)
        servicer = SourceServicer(ingest, PageTokens(config.url_signing_secret))
        server.add(services.add_SourceServiceServicer_to_server, servicer)
        server.add(services.add_RetrievalServiceServicer_to_server, RetrievalServicer(ingest))
        port = await server.start(config.addresses[SCHEMA])
        stack.push_async_callback(server.stop)
        consumption = await consume(platform.bus, ingest)
        stack.push_async_callback(consumption.close)
        yield Running(SCHEMA, port, server.stop)


def build(config: ProcessConfig, platform: Platform, database: Database) -> Ingest:
    """The use cases' outside world."""
    settings = resolve(config.layers).values
    return Ingest(
        units_of_work=PostgresWork(database, envelopes_of),
        intake=Spool(),
        files=BlobFiles(platform.blobs),
        reader=ChildReader(settings["ingest.concurrency"]),
        now=utc_now,
        max_bytes=settings["ingest.max_bytes"],
    )


async def _start_relay(platform: Platform, stack: AsyncExitStack) -> None:
    system = platform.system_database(SCHEMA)
    stack.push_async_callback(system.close)
    listener = platform.listener(SCHEMA)
    await listener.start()
    stack.push_async_callback(listener.close)
    relay = asyncio.create_task(OutboxRelay(system, INFRASTRUCTURE, platform.bus, listener).run(), name="ingest-relay")
    stack.push_async_callback(_end, relay)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
