"""Builds the gateway from its configuration; the only place that knows the adapters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from lace_core.settings import resolve
from lace_gateway.adapters.control_identities import ControlIdentities
from lace_gateway.adapters.run_events import RpcEventLog
from lace_gateway.adapters.service_health import ServiceHealth
from lace_gateway.adapters.source_uploads import RpcSources
from lace_gateway.adapters.system_settings import SystemSettings
from lace_gateway.api.application import Surroundings, create_application, guarded
from lace_gateway.api.server import HttpServer
from lace_gateway.app.authenticate import Authenticator
from lace_gateway.app.watch import RunFeeds
from lace_platform.config import ProcessConfig
from lace_platform.host import Platform
from lace_platform.rpc import Running

NAME = "gateway"
SERVICES = ("control", "runs", "ingest", "llm_gateway", "compiler", "provenance")


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """The gateway, listening at its configured address until the end of the block."""
    async with AsyncExitStack() as stack:
        channels = {name: platform.channel(name) for name in SERVICES}
        own = platform.channel("control", platform.service_identity(NAME, channels["control"]).token)
        for channel in (*channels.values(), own):
            stack.push_async_callback(channel.close)
        settings = SystemSettings(own, config.layers)
        stack.push_async_callback(_end, asyncio.create_task(settings.follow(), name="gateway-settings"))
        values = resolve(config.layers).values
        feeds = RunFeeds(RpcEventLog(channels["runs"]))
        platform.verifier.on_revoked = feeds.recheck
        surroundings = Surroundings(
            channels=channels,
            authenticator=Authenticator(ControlIdentities(channels["control"], platform.verifier)),
            feeds=feeds,
            sources=RpcSources(channels["ingest"], channels["runs"], int(values["ingest.max_bytes"])),
            blobs=platform.blobs,
            health=ServiceHealth(channels),
            settings=settings.current,
            allowed_origins=config.allowed_origins,
            open_documentation=config.docs_enabled,
        )
        app = create_application(surroundings)
        if config.otlp_endpoint:
            from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

            # One span for a request; one for each frame of a stream would be of no use to anyone.
            FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
        stalled_after_s = float(values["gateway.stalled_after_s"])
        server = HttpServer(guarded(app, surroundings), before_stop=feeds.drain, stalled_after_s=stalled_after_s)
        port = await server.start(config.gateway_host, config.gateway_port, or_any=config.any_gateway_port)
        stack.push_async_callback(server.stop)
        yield Running(NAME, port, server.stop)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
