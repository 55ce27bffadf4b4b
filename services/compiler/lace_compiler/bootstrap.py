"""Puts the compiler together: settings in, a running service out; the only builder of its adapters."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from lace.compiler.v1 import compiler_pb2_grpc
from lace_compiler.adapters.blob_files import BlobFiles
from lace_compiler.adapters.child_worker import ChildWorker
from lace_compiler.adapters.postgres_units import Payloads, PostgresUnits
from lace_compiler.adapters.tables import INFRASTRUCTURE, SCHEMA
from lace_compiler.api.consumers import CompileConsumer
from lace_compiler.api.convert import completed_payload, transformation_payload
from lace_compiler.api.pages import CompiledPages
from lace_compiler.api.servicer import CompileServicer
from lace_compiler.app.compile_target import Compiling
from lace_core.settings import resolve
from lace_platform.clock import utc_now
from lace_platform.config import ProcessConfig
from lace_platform.host import Platform
from lace_platform.outbox import OutboxRelay
from lace_platform.paging import PageTokens
from lace_platform.rpc import RpcServer, Running

NAME = "compiler"


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """Listens at the configured address, consumes orders and relays the outbox, until the end of the block."""
    async with AsyncExitStack() as stack:
        units = await _units(stack, platform)
        files = BlobFiles(platform.blobs, resolve(config.layers).values["gateway.download_ttl_s"])
        await _relay(stack, platform)
        # A target is one child process that keeps a core busy.
        worker = ChildWorker(concurrency=max(1, os.cpu_count() or 1))
        consumer = CompileConsumer(Compiling(units, files, worker, utc_now))
        server = RpcServer(NAME, verifier=platform.verifier)
        servicer = CompileServicer(units, files, CompiledPages(PageTokens(config.url_signing_secret)))
        server.add(compiler_pb2_grpc.add_CompileServiceServicer_to_server, servicer)
        port = await server.start(config.addresses[NAME])
        stack.push_async_callback(server.stop)
        consumption = await consumer.subscribe(platform.bus)
        stack.push_async_callback(consumption.close)
        yield Running(NAME, port, server.stop)


async def _units(stack: AsyncExitStack, platform: Platform) -> PostgresUnits:
    database = platform.database(SCHEMA)
    stack.push_async_callback(database.close)
    return PostgresUnits(database, Payloads(completed_payload, transformation_payload))


async def _relay(stack: AsyncExitStack, platform: Platform) -> None:
    system = platform.system_database(SCHEMA)
    stack.push_async_callback(system.close)
    listener = platform.listener(SCHEMA)
    await listener.start()
    stack.push_async_callback(listener.close)
    relay = asyncio.create_task(
        OutboxRelay(system, INFRASTRUCTURE, platform.bus, listener).run(), name="compiler-outbox"
    )
    stack.push_async_callback(_end, relay)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
