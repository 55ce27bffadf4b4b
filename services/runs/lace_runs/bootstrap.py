"""Builds the service from its configuration; the only place that knows the adapters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from lace.runs.v1 import (
    artifacts_pb2_grpc,
    evaluations_pb2_grpc,
    history_pb2_grpc,
    paragraphs_pb2_grpc,
    policies_pb2_grpc,
    publications_pb2_grpc,
    reviews_pb2_grpc,
    runs_pb2_grpc,
    suites_pb2_grpc,
)
from lace_core.settings import resolve
from lace_platform.clock import utc_now
from lace_platform.config import ProcessConfig
from lace_platform.db.database import SystemDatabase
from lace_platform.db.listener import SETTINGS_CHANGED, Listener, Subscription
from lace_platform.db.roles import role_password
from lace_platform.host import Platform
from lace_platform.outbox import OutboxRelay
from lace_platform.paging import PageTokens
from lace_platform.rpc import RpcServer, Running
from lace_runs.adapters.boundary import GroupCommit
from lace_runs.adapters.events import PostgresNews
from lace_runs.adapters.facts import IngestFacts
from lace_runs.adapters.lease import WorkerLease
from lace_runs.adapters.policies import POLICIES_CHANGED
from lace_runs.adapters.policy_settings import PolicySettings
from lace_runs.adapters.publication import EventPublication
from lace_runs.adapters.scoring.child_scorer import ChildScorer
from lace_runs.adapters.services import (
    BlobSnapshots,
    ControlAudit,
    ControlSettings,
    GatewayModels,
    IngestSources,
    RunGrants,
)
from lace_runs.adapters.settings_cache import CachedSettings
from lace_runs.adapters.source_standings import IngestStandings
from lace_runs.adapters.starts import GroupStart
from lace_runs.adapters.tables import INFRASTRUCTURE
from lace_runs.adapters.testing.child_runner import ChildSuiteRunner
from lace_runs.adapters.tracing import RunSpans, trace_headers
from lace_runs.adapters.wakeups import EventWakeups
from lace_runs.adapters.work import WORK_CHANNEL, OpenPostgresUnitOfWork
from lace_runs.api import consumers
from lace_runs.api.artifacts import ArtifactServicer, ArtifactTools
from lace_runs.api.convert_events import event_json
from lace_runs.api.evaluations import EvaluationServicer, EvaluationTools
from lace_runs.api.history import HistoryServicer, HistoryTools
from lace_runs.api.paragraphs import ParagraphServicer, ParagraphTools
from lace_runs.api.pipelines import PipelineServicer
from lace_runs.api.policies import PolicyServicer, PolicyTools
from lace_runs.api.publications import PublicationServicer
from lace_runs.api.reviews import ReviewServicer, ReviewTools
from lace_runs.api.runs import RunServicer, RunTools
from lace_runs.api.suites import SuiteServicer, SuiteTools
from lace_runs.app.bodies import bodies
from lace_runs.app.documents.work import Writers
from lace_runs.app.events import EventTails
from lace_runs.app.execution import Tools
from lace_runs.app.rollback import Orders
from lace_runs.app.suites.testing import Testers
from lace_runs.app.worker import Worker

NAME = "runs"


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """The service with its worker, listening at its configured address until the end of the block."""
    async with AsyncExitStack() as stack:
        database, system = platform.database(NAME), platform.system_database(NAME)
        stack.push_async_callback(database.close)
        stack.push_async_callback(system.close)
        listener = platform.listener(NAME)
        await listener.start()
        stack.push_async_callback(listener.close)
        publication = EventPublication(event_json, lineage=config.publishes_events)
        relay = OutboxRelay(system, INFRASTRUCTURE, platform.bus, listener, publication)
        stack.push_async_callback(_end, asyncio.create_task(relay.run(), name="relay"))
        outside = _neighbours(platform, listener, stack, OpenPostgresUnitOfWork(database))
        news = listener.subscribe(WORK_CHANNEL)
        worker, worker_id = await _worker(config, system, outside, listener, news, stack)
        beside = platform.system_database(NAME, pool_size=1)
        stack.push_async_callback(beside.close)
        starts = GroupStart(beside, worker, worker_id, news.wake, publish_events=config.publishes_events)
        await starts.start()
        stack.push_async_callback(starts.close)
        orders = Orders(outside.open, outside.settings, outside.grants)
        for consumption in await consumers.subscribe(platform.bus, outside.open, news.wake, orders):
            stack.push_async_callback(consumption.close)
        reader = platform.system_database(NAME, pool_size=1)
        stack.push_async_callback(reader.close)
        tails = EventTails(outside.open, PostgresNews(reader), EventWakeups(listener))
        stack.push_async_callback(_end, asyncio.create_task(tails.run(), name="event-tails"))
        server = _server(config, platform, outside, tails, starts)
        port = await server.start(config.addresses[NAME])
        stack.push_async_callback(server.stop)
        await worker.start()
        stack.push_async_callback(worker.close)
        yield Running(NAME, port, server.stop)


@dataclass(frozen=True)
class _Outside:
    """The database and the neighbours."""

    open: OpenPostgresUnitOfWork
    settings: PolicySettings
    audit: ControlAudit
    grants: RunGrants
    sources: IngestSources
    standings: IngestStandings
    models: GatewayModels
    facts: IngestFacts
    snapshots: BlobSnapshots


def _neighbours(
    platform: Platform, listener: Listener, stack: AsyncExitStack, open_work: OpenPostgresUnitOfWork
) -> _Outside:
    control, ingest, llm = (platform.channel(name) for name in ("control", "ingest", "llm_gateway"))
    identity = platform.service_identity(NAME, control)
    own = platform.channel("control", identity.token)
    for channel in (control, ingest, llm, own):
        stack.push_async_callback(channel.close)
    settings = CachedSettings(ControlSettings(control), listener.subscribe(SETTINGS_CHANGED))
    return _Outside(
        open_work,
        PolicySettings(settings, open_work, platform.blobs, listener.subscribe(POLICIES_CHANGED)),
        ControlAudit(own),
        RunGrants(control, identity),
        IngestSources(ingest),
        IngestStandings(ingest),
        GatewayModels(llm),
        IngestFacts(ingest),
        BlobSnapshots(platform.blobs),
    )


async def _worker(
    config: ProcessConfig,
    system: SystemDatabase,
    outside: _Outside,
    listener: Listener,
    news: Subscription,
    stack: AsyncExitStack,
) -> tuple[Worker, str]:
    settings = resolve(config.layers).values
    commit = GroupCommit(system, trace_headers, publish_events=config.publishes_events)
    await commit.start()
    stack.push_async_callback(commit.close)
    lease = WorkerLease(
        system,
        config.dsn,
        role_password(config.db_role_secret, system.role),
        lease_ms=int(settings["runs.lease_ms"]),
        renewal_ms=int(settings["runs.lease_renewal_ms"]),
    )
    await lease.start()
    stack.push_async_callback(lease.close)
    jobs = listener.subscribe(WORK_CHANNEL)
    tools = Tools(commit, outside.snapshots, outside.grants, RunSpans(), utc_now, lease.worker_id, jobs.wait)
    worker = Worker(
        lease,
        tools,
        bodies(Writers(outside.open, outside.sources, outside.models, outside.facts)),
        concurrency=int(settings["runs.concurrency"]),
        news=news.wait,
        ended=outside.grants.forget,
    )
    return worker, lease.worker_id


def _server(
    config: ProcessConfig, platform: Platform, outside: _Outside, tails: EventTails, starts: GroupStart
) -> RpcServer:
    server = RpcServer(NAME, verifier=platform.verifier)
    pages = PageTokens(config.url_signing_secret)
    runs = RunTools(
        outside.open,
        outside.settings,
        outside.sources,
        outside.audit,
        tails,
        pages,
        outside.snapshots,
        server.draining,
        starts,
    )
    server.add(runs_pb2_grpc.add_RunServiceServicer_to_server, RunServicer(runs))
    server.add(runs_pb2_grpc.add_PipelineServiceServicer_to_server, PipelineServicer(outside.open, outside.settings))
    artifacts = ArtifactTools(outside.open, outside.settings, outside.sources, outside.snapshots, pages)
    server.add(artifacts_pb2_grpc.add_ArtifactServiceServicer_to_server, ArtifactServicer(artifacts))
    history = HistoryTools(outside.open, outside.snapshots, pages)
    server.add(history_pb2_grpc.add_HistoryServiceServicer_to_server, HistoryServicer(history))
    paragraphs = ParagraphTools(
        outside.open, outside.settings, outside.sources, outside.facts, outside.snapshots, pages
    )
    server.add(paragraphs_pb2_grpc.add_ParagraphServiceServicer_to_server, ParagraphServicer(paragraphs))
    policies = PolicyTools(outside.open, pages, outside.settings.forget)
    server.add(policies_pb2_grpc.add_PolicyServiceServicer_to_server, PolicyServicer(policies))
    reviews = ReviewTools(outside.open, outside.sources, outside.snapshots, pages)
    server.add(reviews_pb2_grpc.add_ReviewServiceServicer_to_server, ReviewServicer(reviews))
    evaluations = EvaluationTools(outside.open, _scorer(config), pages)
    server.add(evaluations_pb2_grpc.add_EvaluationServiceServicer_to_server, EvaluationServicer(evaluations))
    suites = SuiteTools(_testers(config, outside), pages)
    server.add(suites_pb2_grpc.add_SuiteServiceServicer_to_server, SuiteServicer(suites))
    server.add(publications_pb2_grpc.add_PublicationServiceServicer_to_server, PublicationServicer(suites))
    return server


def _scorer(config: ProcessConfig) -> ChildScorer:
    settings = resolve(config.layers).values
    return ChildScorer(settings["runs.evaluation_timeout_s"], settings["runs.evaluation_concurrency"])


def _testers(config: ProcessConfig, outside: _Outside) -> Testers:
    settings = resolve(config.layers).values
    runner = ChildSuiteRunner(settings["runs.suite_timeout_s"], settings["runs.suite_concurrency"])
    return Testers(outside.open, outside.settings, outside.sources, outside.standings, outside.models, runner)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
