"""Builds the service out of its parts, the only place that knows the adapters, and serves it for a while."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from lace.ingest.v1 import bundles_pb2_grpc, diffs_pb2_grpc, facts_pb2_grpc, intake_pb2_grpc, retrieval_pb2_grpc
from lace.ingest.v1 import ingest_pb2_grpc as services
from lace_core.settings import resolve
from lace_ingest.adapters.blob_files import BlobFiles
from lace_ingest.adapters.blob_inbox import BlobInbox
from lace_ingest.adapters.diffs.child_differ import ChildDiffer
from lace_ingest.adapters.diffs.kept_diffs import KeptDiffs
from lace_ingest.adapters.diffs.run_citations import RunCitations
from lace_ingest.adapters.models.embedding_models import GatewayEmbeddingModels
from lace_ingest.adapters.models.model_gateway import ModelGateway
from lace_ingest.adapters.models.model_grants import ModelGrants
from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.adapters.reading.child_reader import ChildReader
from lace_ingest.adapters.retrieval.postgres_vector_queue import PostgresVectorQueue
from lace_ingest.adapters.retrieval.postgres_vectors import UNITS_CHANGED
from lace_ingest.adapters.retrieval.vector_metrics import PrometheusVectorMetrics
from lace_ingest.adapters.spool import Spool
from lace_ingest.adapters.tables import INFRASTRUCTURE, SCHEMA
from lace_ingest.api.bundles import BundleServicer
from lace_ingest.api.consumers import consume
from lace_ingest.api.diffs import DiffServicer
from lace_ingest.api.events import envelopes_of
from lace_ingest.api.facts import FactServicer
from lace_ingest.api.intake import IntakeServicer
from lace_ingest.api.retrieval import RetrievalServicer
from lace_ingest.api.sources import SourceServicer
from lace_ingest.app.diffs.ports import Diffs
from lace_ingest.app.model_ports import Models
from lace_ingest.app.ports import Ingest
from lace_ingest.app.retrieval.query_vectors import QueryVectors
from lace_ingest.app.vectors import Embedding, Outside
from lace_platform.children import child_environment
from lace_platform.clock import utc_now
from lace_platform.config import ProcessConfig
from lace_platform.control_settings import ControlSettings
from lace_platform.db.database import Database, SystemDatabase
from lace_platform.db.listener import SETTINGS_CHANGED, Listener
from lace_platform.host import Platform
from lace_platform.ids import new_id
from lace_platform.outbox import OutboxRelay
from lace_platform.paging import PageTokens
from lace_platform.rpc import RpcServer, Running
from lace_platform.zygote import Zygote

READERS = "lace_ingest.adapters.reading.extraction_zygote:warm"
"""What the process does once from which the readers of documents are forked."""


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """The service listens, reads what runs ask for and relays its outbox until the end of the block."""
    async with AsyncExitStack() as stack:
        database = platform.database(SCHEMA)
        stack.push_async_callback(database.close)
        background = await _start_relay(platform, stack)
        zygote = stack.enter_context(contextlib.closing(Zygote([READERS], child_environment())))
        ingest = build(config, platform, database, _models(config, platform, stack, background), zygote)
        server = RpcServer(SCHEMA, verifier=platform.verifier)
        tokens = PageTokens(config.url_signing_secret)
        servicer = SourceServicer(ingest, tokens)
        server.add(services.add_SourceServiceServicer_to_server, servicer)
        server.add(bundles_pb2_grpc.add_BundleServiceServicer_to_server, BundleServicer(ingest, tokens))
        server.add(facts_pb2_grpc.add_FactServiceServicer_to_server, FactServicer(ingest, tokens))
        inbox = BlobInbox(platform.blobs)
        server.add(intake_pb2_grpc.add_IntakeServiceServicer_to_server, IntakeServicer(ingest, inbox, tokens))
        diffs = _diffs(config, platform, stack, ingest)
        server.add(diffs_pb2_grpc.add_DiffServiceServicer_to_server, DiffServicer(ingest, diffs, tokens))
        server.add(retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server, RetrievalServicer(ingest))
        port = await server.start(config.addresses[SCHEMA])
        stack.push_async_callback(server.stop)
        for consumption in await consume(platform.bus, ingest, inbox):
            stack.push_async_callback(consumption.close)
        yield Running(SCHEMA, port, server.stop)


def build(
    config: ProcessConfig,
    platform: Platform,
    database: Database,
    models: Models | None = None,
    zygote: Zygote | None = None,
) -> Ingest:
    """The use cases' outside world."""
    settings = resolve(config.layers).values
    return Ingest(
        units_of_work=PostgresWork(database, envelopes_of),
        intake=Spool(),
        files=BlobFiles(platform.blobs),
        reader=ChildReader(settings["ingest.concurrency"], zygote),
        now=utc_now,
        max_bytes=settings["ingest.max_bytes"],
        models=models,
    )


@dataclass(frozen=True)
class _Background:
    """What works without being asked: on the database across tenants, woken by notifications."""

    system: SystemDatabase
    listener: Listener


def _models(config: ProcessConfig, platform: Platform, stack: AsyncExitStack, background: _Background) -> Models:
    """The way to models, and the worker that gives units their vectors."""
    identity = platform.service_identity(SCHEMA)
    control, own = platform.channel("control"), platform.channel("control", identity.token)
    gateway, own_gateway = platform.channel("llm_gateway"), platform.channel("llm_gateway", identity.token)
    for opened in (identity, control, own, gateway, own_gateway):
        stack.push_async_callback(opened.close)
    defaults = resolve(config.layers).values
    models = ModelGateway(gateway, ModelGrants(control, identity))
    settings = ControlSettings(own, background.listener.subscribe(SETTINGS_CHANGED), own=defaults)
    news = background.listener.subscribe(UNITS_CHANGED, SETTINGS_CHANGED)
    embedding = Embedding(
        Outside(
            queue=PostgresVectorQueue(background.system),
            models=GatewayEmbeddingModels(own_gateway, models),
            embedder=models,
            settings=settings,
            wait=news.wait,
            progress=PrometheusVectorMetrics().progress,
            new_lease=partial(new_id, "lea"),
            monotonic=time.monotonic,
        )
    )
    worker = asyncio.create_task(embedding.run(), name="ingest-embedding")
    stack.push_async_callback(_end, worker)
    return Models(QueryVectors(models), models, settings, defaults, models)


def _diffs(config: ProcessConfig, platform: Platform, stack: AsyncExitStack, ingest: Ingest) -> Diffs:
    settings = resolve(config.layers).values
    runs = platform.channel("runs")
    stack.push_async_callback(runs.close)
    differ = ChildDiffer(settings["ingest.diff_timeout_s"], settings["ingest.concurrency"])
    return Diffs(ingest.units_of_work, differ, KeptDiffs(settings["ingest.diff_cache_bytes"]), RunCitations(runs))


async def _start_relay(platform: Platform, stack: AsyncExitStack) -> _Background:
    system = platform.system_database(SCHEMA)
    stack.push_async_callback(system.close)
    listener = platform.listener(SCHEMA)
    await listener.start()
    stack.push_async_callback(listener.close)
    relay = asyncio.create_task(OutboxRelay(system, INFRASTRUCTURE, platform.bus, listener).run(), name="ingest-relay")
    stack.push_async_callback(_end, relay)
    return _Background(system, listener)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
