"""Puts the model gateway together: settings in, a running service out; the only builder of its adapters."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import random
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lace.llm_gateway.v1 import budgets_pb2_grpc, llm_gateway_pb2_grpc, models_pb2_grpc, templates_pb2_grpc
from lace_core.settings import resolve
from lace_llm_gateway.adapters.anthropic.provider import AnthropicProvider, AnthropicSettings
from lace_llm_gateway.adapters.blob_payloads import BlobPayloads
from lace_llm_gateway.adapters.control_quotas import ControlQuotas
from lace_llm_gateway.adapters.determinism_metrics import PrometheusDeterminismMetrics
from lace_llm_gateway.adapters.extractive.provider import ExtractiveProvider
from lace_llm_gateway.adapters.gemini.embeddings import GeminiEmbedder
from lace_llm_gateway.adapters.gemini.provider import GeminiProvider, GeminiSettings
from lace_llm_gateway.adapters.genai_spans import SpanObserver
from lace_llm_gateway.adapters.local.embedder import LocalEmbedder
from lace_llm_gateway.adapters.local.reranker import LocalReranker
from lace_llm_gateway.adapters.local.worker import MiniLmWorker
from lace_llm_gateway.adapters.openai.embeddings import OpenAIEmbedder
from lace_llm_gateway.adapters.openai.provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.adapters.postgres_batches import BatchPayloads, PostgresBatchUnits, PostgresOrphans
from lace_llm_gateway.adapters.postgres_budgets import PostgresBudgets
from lace_llm_gateway.adapters.postgres_ledger import PostgresLedger
from lace_llm_gateway.adapters.postgres_templates import PostgresTemplateUnits
from lace_llm_gateway.adapters.postgres_versions import PostgresVersionCache
from lace_llm_gateway.adapters.record_seals import (
    HmacSeals,
    PrometheusTemplateMetrics,
    first_secret,
    record_keys,
)
from lace_llm_gateway.adapters.replay.provider import ReplayProvider
from lace_llm_gateway.adapters.rerank.reranker import HttpReranker, RerankSettings
from lace_llm_gateway.adapters.resilience_log import ResilienceLog
from lace_llm_gateway.adapters.rotating import RotatingProvider
from lace_llm_gateway.adapters.tables import INFRASTRUCTURE
from lace_llm_gateway.adapters.token_counter import BpeTokenCounter
from lace_llm_gateway.api.batch_servicer import BatchPages
from lace_llm_gateway.api.budget_servicer import BudgetServicer
from lace_llm_gateway.api.consumers import BatchConsumer
from lace_llm_gateway.api.convert_batches import (
    BatchAnswers,
    batch_recorded_payload,
    requested_payload,
    run_recorded_payload,
)
from lace_llm_gateway.api.models_servicer import ModelServicer
from lace_llm_gateway.api.pages import CallPages, UsagePages
from lace_llm_gateway.api.servicer import GenerationServicer, ProviderServicer
from lace_llm_gateway.api.template_pages import TemplatePages
from lace_llm_gateway.api.template_servicer import TemplateServicer
from lace_llm_gateway.app.batches.batching import Batching
from lace_llm_gateway.app.batches.execution import BatchExecutor, BatchLimits
from lace_llm_gateway.app.batches.tasks import Background, OrphanWatch, QueueTaskRunner, RequestedWork, SyncTaskRunner
from lace_llm_gateway.app.budgets.leasing import Budgets, SlicePolicy
from lace_llm_gateway.app.calls.admission import Admission, AdmissionLimits
from lace_llm_gateway.app.calls.retention import Retention
from lace_llm_gateway.app.calls.routing import ResiliencePolicy, Router
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.measuring.measure import Measures
from lace_llm_gateway.app.ports import Provider, ResilienceEvents
from lace_llm_gateway.app.providers.list_versions import Versions
from lace_llm_gateway.app.templates.prompts import StoredPrompts
from lace_llm_gateway.app.templates.sealed import Sealing, Templates
from lace_llm_gateway.domain.als import SeedKeys
from lace_llm_gateway.domain.batches import ExecutionMode
from lace_llm_gateway.domain.breaker import BreakerPolicy
from lace_llm_gateway.domain.budgets import COUNTER_DAYS, Amount
from lace_platform.clock import utc_now
from lace_platform.config import ProcessConfig
from lace_platform.control_settings import ControlSettings
from lace_platform.db.database import SystemDatabase
from lace_platform.db.listener import SETTINGS_CHANGED
from lace_platform.host import Platform
from lace_platform.idempotency import differences
from lace_platform.ids import new_id
from lace_platform.outbox import OutboxRelay
from lace_platform.paging import PageTokens
from lace_platform.rpc import RpcServer, Running

NAME = "llm_gateway"


@asynccontextmanager
async def serve(config: ProcessConfig, platform: Platform) -> AsyncIterator[Running]:
    """Listens at the configured address until the end of the block."""
    async with AsyncExitStack() as stack:
        units, sealing = _template_units(platform, stack), _sealing(config)
        prompts = StoredPrompts(units, sealing)
        defaults = resolve(config.layers).subset("llm.", "events.")
        control = await _control(platform, stack)
        gateway = await _gateway(config, platform, stack, prompts, control, defaults)
        server = RpcServer(NAME, verifier=platform.verifier)
        tokens = PageTokens(config.url_signing_secret)
        calls = GenerationServicer(gateway, CallPages(tokens), UsagePages(tokens))
        server.add(llm_gateway_pb2_grpc.add_GenerationServiceServicer_to_server, calls)
        versions, measures = _versions(gateway, platform, stack), _measures(gateway, config, stack)
        providers = ProviderServicer(gateway, versions, measures)
        server.add(llm_gateway_pb2_grpc.add_ProviderServiceServicer_to_server, providers)
        templates = _templates(config, gateway, units, sealing)
        background = Background()
        stack.push_async_callback(background.close)
        background.start("keep the packaged prompts", prompts.keep_packaged())
        batching = await _batching(platform, templates, background, stack)
        pages = (TemplatePages(tokens), BatchPages(tokens))
        servicer = TemplateServicer(templates, pages[0], batching.runner.run_cell, batching, pages[1])
        server.add(templates_pb2_grpc.add_TemplateServiceServicer_to_server, servicer)
        server.add(models_pb2_grpc.add_ModelServiceServicer_to_server, ModelServicer(measures))
        budgets = BudgetServicer(control.spent, control.quotas, gateway.now)
        server.add(budgets_pb2_grpc.add_BudgetServiceServicer_to_server, budgets)
        days = gateway.defaults()["llm.payload_days"]
        payloads = Retention("payloads", BlobPayloads(platform.blobs), gateway.now, days, asyncio.sleep)
        counters = Retention("counters", control.spent, gateway.now, COUNTER_DAYS, asyncio.sleep)
        for name, retention in (("payloads", payloads), ("counters", counters)):
            _spawn(f"llm-gateway-retention-{name}", retention.run(), stack)
        port = await server.start(config.addresses[NAME])
        stack.push_async_callback(server.stop)
        yield Running(NAME, port, server.stop)


async def _gateway(
    config: ProcessConfig,
    platform: Platform,
    stack: AsyncExitStack,
    prompts: StoredPrompts,
    control: _Control,
    defaults: Mapping[str, Any],
) -> Gateway:
    database = platform.database(NAME)
    stack.push_async_callback(database.close)
    system = platform.system_database(NAME)
    stack.push_async_callback(system.close)
    ledger = PostgresLedger(database, system)
    stack.push_async_callback(ledger.close)
    providers = _providers(config)
    for provider in providers.values():
        stack.push_async_callback(provider.close)
    events = ResilienceLog()
    return Gateway(
        providers=providers,
        ledger=ledger,
        router=_router(defaults, events),
        admission=_admission(defaults, events),
        budgets=await _budgets(defaults, events, control, stack),
        counter=BpeTokenCounter(),
        observer=SpanObserver(),
        payloads=BlobPayloads(platform.blobs),
        now=utc_now,
        defaults=lambda: defaults,
        new_id=new_id,
        chance=random.random,
        sleep=asyncio.sleep,
        prompts=prompts,
        stored=control.settings,
        prompt_secret=hmac.new(config.service_secret.encode(), b"lace/prompts", "sha256").hexdigest(),
    )


def _breaker(settings: Mapping[str, Any]) -> BreakerPolicy:
    return BreakerPolicy(
        failure_percent=settings["llm.breaker_failure_percent"],
        min_calls=settings["llm.breaker_min_calls"],
        window_s=settings["llm.breaker_window_s"],
        open_s=settings["llm.breaker_open_s"],
    )


def _router(settings: Mapping[str, Any], events: ResilienceEvents) -> Router:
    policy = ResiliencePolicy(_breaker(settings), settings["llm.retry_percent"], settings["llm.retry_burst"])
    return Router(policy, events, chance=random.random)


def _admission(settings: Mapping[str, Any], events: ResilienceEvents) -> Admission:
    names = ("tenant_concurrency", "tenant_queue", "concurrency", "queue")
    return Admission(AdmissionLimits(*(settings[f"llm.{name}"] for name in names)), events)


async def _budgets(
    settings: Mapping[str, Any], events: ResilienceEvents, control: _Control, stack: AsyncExitStack
) -> Budgets:
    whole = Amount(settings["llm.budget_slice_tokens"], settings["llm.budget_slice_micro_usd"])
    budgets = Budgets(
        control.spent,
        control.quotas,
        events,
        SlicePolicy(whole, settings["llm.budget_lease_s"]),
        process_id=new_id("prc"),
        now=utc_now,
        clock=time.monotonic,
        new_id=new_id,
    )
    await budgets.start()
    stack.push_async_callback(budgets.close)
    return budgets


# Which stored settings a call outside runs goes by.
_CALLS_GO_BY = ("llm.", "events.")


@dataclass(frozen=True)
class _Control:
    """What control says of tenants: what they may spend, beside what they spent, and the settings that are theirs."""

    spent: PostgresBudgets
    quotas: ControlQuotas
    settings: ControlSettings


async def _control(platform: Platform, stack: AsyncExitStack) -> _Control:
    """On connections of their own, so that no budget waits for the ledger; control is asked as the service itself."""
    database, system = platform.database(NAME, pool_size=2), platform.system_database(NAME, pool_size=2)
    identity = platform.service_identity(NAME)
    channel = platform.channel("control", identity.token)
    for opened in (database, system, identity, channel):
        stack.push_async_callback(opened.close)
    listener = platform.listener(NAME)
    await listener.start()
    stack.push_async_callback(listener.close)
    spent = PostgresBudgets(database, system)
    quotas = ControlQuotas(channel, spent, listener.subscribe(SETTINGS_CHANGED))
    stack.push_async_callback(quotas.close)
    return _Control(spent, quotas, ControlSettings(channel, listener.subscribe(SETTINGS_CHANGED), groups=_CALLS_GO_BY))


def _providers(config: ProcessConfig) -> dict[str, Provider]:
    """All providers by name; what one needs is opened with its first call, and anew when its key changes."""
    environ, version = config.environ, config.secrets.version
    asked: tuple[Provider, ...] = (
        ExtractiveProvider(),
        RotatingProvider(lambda: OpenAIProvider(OpenAISettings.of(environ)), version),
        RotatingProvider(lambda: AnthropicProvider(AnthropicSettings.of(environ)), version),
        RotatingProvider(lambda: GeminiProvider(GeminiSettings.of(environ)), version),
    )
    found = {provider.name: provider for provider in asked}
    replay = ReplayProvider.of(environ, found)
    return {**found, replay.name: replay}


def _versions(gateway: Gateway, platform: Platform, stack: AsyncExitStack) -> Versions:
    # A refresh holds one connection for its lock and writes on another.
    system = platform.system_database(NAME, pool_size=2 * len(gateway.providers))
    stack.push_async_callback(system.close)
    settings = gateway.defaults()
    return Versions(
        gateway.providers,
        PostgresVersionCache(system),
        gateway.now,
        PrometheusDeterminismMetrics(),
        ttl_s=settings["llm.versions_ttl_s"],
        timeout_s=settings["llm.versions_timeout_s"],
    )


def _template_units(platform: Platform, stack: AsyncExitStack) -> PostgresTemplateUnits:
    database = platform.database(NAME)
    stack.push_async_callback(database.close)
    return PostgresTemplateUnits(database, utc_now, run_recorded_payload)


def _sealing(config: ProcessConfig) -> Sealing:
    seals = HmacSeals(record_keys(config.record_keys, config.service_secret))
    return Sealing(seals, PrometheusTemplateMetrics(), utc_now, new_id)


def _templates(config: ProcessConfig, gateway: Gateway, units: PostgresTemplateUnits, sealing: Sealing) -> Templates:
    return Templates(
        units=units,
        gateway=gateway,
        sealing=sealing,
        # Of the secret that the first seals are of: who changes it has one thing to give, and never half of it.
        seed_keys=SeedKeys.of(first_secret(config.record_keys, config.service_secret), config.seed_keys),
        determinism=PrometheusDeterminismMetrics(),
        differences=differences,
    )


def _measures(gateway: Gateway, config: ProcessConfig, stack: AsyncExitStack) -> Measures:
    worker = MiniLmWorker()
    environ, version = config.environ, config.secrets.version
    embedders = (
        LocalEmbedder(worker),
        OpenAIEmbedder(lambda: OpenAISettings.of(environ), version),
        GeminiEmbedder(lambda: GeminiSettings.of(environ), version),
    )
    rerankers = (LocalReranker(worker), HttpReranker(lambda: RerankSettings.of(environ), version))
    for measurer in (*embedders, *rerankers):
        stack.push_async_callback(measurer.close)
    return Measures(
        gateway,
        {embedder.name: embedder for embedder in embedders},
        {reranker.name: reranker for reranker in rerankers},
        _breaker(gateway.defaults()),
    )


async def _batching(
    platform: Platform, templates: Templates, background: Background, stack: AsyncExitStack
) -> Batching:
    """Batches in the execution mode that is set, with the outbox's relay and the search for batches that nobody has."""
    database = platform.database(NAME)
    stack.push_async_callback(database.close)
    payloads = BatchPayloads(requested_payload, batch_recorded_payload, run_recorded_payload)
    units = PostgresBatchUnits(database, templates.gateway.now, payloads)
    settings = templates.gateway.defaults()
    limits = BatchLimits(
        concurrency=settings["llm.batch_concurrency"],
        per_minute=settings["llm.batch_per_minute"],
        retries=settings["llm.batch_retries"],
        backoff_s=settings["llm.batch_backoff_ms"] / 1000,
    )
    executor = BatchExecutor(templates, units, new_id("hld"), limits)
    system = platform.system_database(NAME)
    stack.push_async_callback(system.close)
    await _relay(platform, system, stack)
    stack.push_async_callback(background.close)  # what is under way ends before what it works with
    stack.callback(executor.stop)
    _spawn("llm-gateway-orphans", OrphanWatch(executor, PostgresOrphans(system), background).run(), stack)
    # In both modes: what another process sent, or this one before its mode was changed, is still to be done.
    consumption = await BatchConsumer(RequestedWork(templates, units, executor, background)).subscribe(platform.bus)
    stack.push_async_callback(consumption.close)
    in_process = settings["llm.execution_mode"] == ExecutionMode.SYNC
    runner = SyncTaskRunner(templates, executor, background) if in_process else QueueTaskRunner(units)
    return Batching(templates, units, runner, BatchAnswers())


async def _relay(platform: Platform, system: SystemDatabase, stack: AsyncExitStack) -> None:
    listener = platform.listener(NAME)
    await listener.start()
    stack.push_async_callback(listener.close)
    _spawn("llm-gateway-outbox", OutboxRelay(system, INFRASTRUCTURE, platform.bus, listener).run(), stack)


def _spawn(name: str, work: Coroutine[None, None, None], stack: AsyncExitStack) -> None:
    stack.push_async_callback(_end, asyncio.create_task(work, name=name))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
