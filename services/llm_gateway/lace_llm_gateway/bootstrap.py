"""Puts the model gateway together: settings in, a running service out; the only builder of its adapters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from lace.llm_gateway.v1 import llm_gateway_pb2_grpc
from lace_core.settings import resolve
from lace_llm_gateway.adapters.blob_payloads import BlobPayloads
from lace_llm_gateway.adapters.extractive.provider import ExtractiveProvider
from lace_llm_gateway.adapters.genai_spans import SpanObserver
from lace_llm_gateway.adapters.openai_provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.adapters.postgres_calls import PostgresUnits
from lace_llm_gateway.adapters.token_counter import BpeTokenCounter
from lace_llm_gateway.api.pages import CallPages
from lace_llm_gateway.api.servicer import GenerationServicer, ProviderServicer
from lace_llm_gateway.app.gateway import Gateway
from lace_platform.clock import utc_now
from lace_platform.config import ProcessConfig
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.paging import PageTokens
from lace_platform.rpc import RpcServer, Running

NAME = "llm_gateway"


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """Listens at the configured address until the end of the block."""
    async with AsyncExitStack() as stack:
        gateway = _gateway(config, platform, stack)
        server = RpcServer(NAME, verifier=platform.verifier)
        pages = CallPages(PageTokens(config.url_signing_secret))
        server.add(llm_gateway_pb2_grpc.add_GenerationServiceServicer_to_server, GenerationServicer(gateway, pages))
        server.add(llm_gateway_pb2_grpc.add_ProviderServiceServicer_to_server, ProviderServicer(gateway))
        port = await server.start(config.addresses[NAME])
        stack.push_async_callback(server.stop)
        yield Running(NAME, port, server.stop)


def _gateway(config: ProcessConfig, platform: Platform, stack: AsyncExitStack) -> Gateway:
    database = platform.database(NAME)
    stack.push_async_callback(database.close)
    providers = (ExtractiveProvider(), OpenAIProvider(OpenAISettings.of(config.environ)))
    for provider in providers:
        stack.push_async_callback(provider.close)
    defaults = resolve(config.layers).subset("llm.", "events.")
    return Gateway(
        providers={provider.name: provider for provider in providers},
        units=PostgresUnits(database),
        counter=BpeTokenCounter(),
        observer=SpanObserver(),
        payloads=BlobPayloads(platform.blobs),
        now=utc_now,
        defaults=lambda: defaults,
        new_id=new_id,
        chance=random.random,
        sleep=asyncio.sleep,
    )
