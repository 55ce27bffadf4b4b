"""Builds the service from its configuration; the only place that knows the adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from lace.provenance.v1 import provenance_pb2_grpc
from lace_platform.config import ProcessConfig
from lace_platform.host import Platform
from lace_platform.paging import PageTokens
from lace_platform.rpc import RpcServer, Running
from lace_provenance.adapters.ingest_impacts import IngestImpacts
from lace_provenance.adapters.postgres_units import PostgresUnits
from lace_provenance.api.consumers import LogConsumer
from lace_provenance.api.servicer import ProvenanceServicer

NAME = "provenance"


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """The service, listening at its configured address and consuming until the end of the block."""
    async with AsyncExitStack() as stack:
        database = platform.database(NAME)
        stack.push_async_callback(database.close)
        units = PostgresUnits(database)
        server = RpcServer(NAME, verifier=platform.verifier)
        ingest = platform.channel("ingest")
        stack.push_async_callback(ingest.close)
        servicer = ProvenanceServicer(units, PageTokens(config.url_signing_secret), IngestImpacts(ingest))
        server.add(provenance_pb2_grpc.add_ProvenanceServiceServicer_to_server, servicer)
        port = await server.start(config.addresses[NAME])
        stack.push_async_callback(server.stop)
        consumer = LogConsumer(units)
        stack.push_async_callback(consumer.stop)
        await consumer.subscribe(platform.bus)
        yield Running(NAME, port, server.stop)
