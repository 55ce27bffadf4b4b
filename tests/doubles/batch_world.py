"""Processes that execute batches of template runs on one Postgres, and a model that can change under them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lace_core.canonical import canonical_json, sha256_hex
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.postgres_batches import BatchPayloads, PostgresBatchUnits, PostgresOrphans
from lace_llm_gateway.adapters.postgres_ledger import PostgresLedger
from lace_llm_gateway.adapters.postgres_templates import PostgresTemplateUnits
from lace_llm_gateway.adapters.record_seals import HmacSeals
from lace_llm_gateway.api.convert_batches import (
    BatchAnswers,
    batch_recorded_payload,
    requested_payload,
    run_recorded_payload,
)
from lace_llm_gateway.app.batches.batching import Batching, BatchView
from lace_llm_gateway.app.batches.execution import BatchExecutor, BatchLimits
from lace_llm_gateway.app.batches.list_batches import get_batch
from lace_llm_gateway.app.batches.run_batch import BatchAsk, run_batch
from lace_llm_gateway.app.batches.tasks import Background, QueueTaskRunner, SyncTaskRunner
from lace_llm_gateway.app.templates.create_template import create_template
from lace_llm_gateway.app.templates.sealed import Sealing, Templates
from lace_llm_gateway.domain.als import SeedKeys
from lace_llm_gateway.domain.exchange import Delta, FinishReason, Message, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.routing import RoutingPolicy
from lace_llm_gateway.domain.stored_templates import AlsVariant, Template, TemplateContent, TemplateRun, Variable
from lace_platform.auth import Identity
from lace_platform.clock import utc_now
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as
from tests.doubles.open_gateway import open_gateway

LOCALES = ("de-AT", "en-GB", "fr")
CONTENT = TemplateContent(
    name="rain",
    version="1",
    messages=(Message("system", "Be brief."), Message("user", "How much rain fell in {{city}}?")),
    variables=(Variable("city"),),
    provider="openai",
    model="gpt-4o",
    als_template_id="als_rain",
    als_variants=tuple(
        AlsVariant(f"{locale}-{at}", locale, f"Setting {at} of {locale}.") for locale in LOCALES for at in range(4)
    ),
    locales=LOCALES,
)
FAST = BatchLimits(concurrency=1, retries=2, backoff_s=0.001, poll_s=0.02, lease_s=5.0)


@dataclass
class Model:
    """A provider whose answer is a function of the request; it counts, fails, waits and changes as it is told."""

    name: str = "openai"
    default_model: str = "gpt-4o"
    version: str = "gpt-4o-2024-08-06"
    fingerprint: str = "fp_1"
    drifts_after: int = 1_000_000
    failures: dict[int, list[LaceError]] = field(default_factory=dict)
    requests: list[ProviderRequest] = field(default_factory=list)
    answered: int = 0
    under_way: int = 0
    most_at_once: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    gate_from: int = 1_000_000
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def configured(self) -> bool:
        return True

    @property
    def paid(self) -> list[str]:
        """Hashes of what was answered, without the preflight."""
        return [_prompt(request) for request in self.requests if "ready." not in request.messages[-1].content]

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        at = len(self.requests)
        self.requests.append(request)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            if at >= self.gate_from:
                self.asked.set()
                await self.open.wait()
            await asyncio.sleep(0)
            if self.failures.get(at):
                raise self.failures[at].pop(0)
        finally:
            self.under_way -= 1
        self.answered += 1
        if self.answered > self.drifts_after:
            self.fingerprint = "fp_2"
        text = f"Answer {_prompt(request)[:12]}"
        return ProviderAnswer(
            text, FinishReason.STOP, request.model, self.version, self.fingerprint, input_tokens=10, output_tokens=5,
            response_api="chat_completions",
        )  # fmt: skip

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        answer = await self.complete(request)
        yield Delta(answer.text)
        yield answer

    async def close(self) -> None:
        return


def _prompt(request: ProviderRequest) -> str:
    """What was asked, without the nonce of the call's marks."""
    texts = [re.sub(r"input-[0-9a-f]{16}", "input-", message.content) for message in request.messages]
    return sha256_hex(canonical_json(texts))


@dataclass
class Counts:
    """What was counted, by name."""

    told: list[tuple[str, ...]] = field(default_factory=list)

    def single_flight(self, provider: str) -> None:
        self.told.append(("single_flight", provider))

    def version_mismatch(self, provider: str) -> None:
        self.told.append(("version_mismatch", provider))

    def batch_drift_pause(self, provider: str) -> None:
        self.told.append(("batch_drift_pause", provider))

    def als_over_limit(self) -> None:
        self.told.append(("als_over_limit",))

    def grounding_required_failure(self, provider: str, reason: str) -> None:
        self.told.append(("grounding_required_failure", provider, reason))

    def record_tampered(self, table: str) -> None:
        self.told.append(("record_tampered", table))


@dataclass
class _OwnOrphans:
    orphans: PostgresOrphans
    tenant_id: str

    async def find(self, now: datetime, limit: int) -> list[tuple[str, str]]:
        return [found for found in await self.orphans.find(now, 1_000) if found[0] == self.tenant_id]


@dataclass
class Process:
    """One process's use cases over the shared database."""

    templates: Templates
    batching: Batching
    executor: BatchExecutor
    background: Background


@dataclass
class BatchWorld:
    """The database, the model, and who asks."""

    database: Any
    system: Any
    tenant_id: str
    stack: AsyncExitStack
    model: Model = field(default_factory=Model)
    counts: Counts = field(default_factory=Counts)
    seed_keys: SeedKeys = field(default_factory=lambda: SeedKeys({"k1": b"a seed key of the tests"}))
    settings: dict[str, Any] = field(default_factory=dict)

    async def process(self, limits: BatchLimits = FAST, mode: str = "sync") -> Process:
        """One more process."""
        templates = await self._templates()
        payloads = BatchPayloads(requested_payload, batch_recorded_payload, run_recorded_payload)
        units = PostgresBatchUnits(self.database, utc_now, payloads)
        executor = BatchExecutor(templates, units, new_id("hld"), limits)
        background = Background()
        self.stack.push_async_callback(self._end, background)
        runner: SyncTaskRunner | QueueTaskRunner = SyncTaskRunner(templates, executor, background)
        if mode == "queue":
            runner = QueueTaskRunner(units)
        return Process(templates, Batching(templates, units, runner, BatchAnswers()), executor, background)

    async def template(self, process: Process, **changes: Any) -> Template:
        """A template like CONTENT."""
        content = replace(CONTENT, **changes)
        with self.asking():
            kept = await create_template(
                process.templates, self.tenant_id, "prn_1", content, ("create", content.canonical())
            )
        return kept.template

    async def run(self, process: Process, template: Template, **more: Any) -> BatchView:
        """Asks for a batch."""
        ask = BatchAsk(template.template_id, **{"variables": {"city": "Graz"}, **more})
        with self.asking():
            return await run_batch(process.batching, self.tenant_id, "prn_1", ask, ("run", repr(ask).encode()))

    async def view(self, process: Process, batch_id: str) -> BatchView:
        """The batch as it is now."""
        return await get_batch(process.batching, self.tenant_id, batch_id)

    async def runs(self, process: Process, batch_id: str) -> list[TemplateRun]:
        """Its runs in their order."""
        async with process.batching.units.of_tenant(self.tenant_id) as unit:
            return list(await unit.runs.of_batch(self.tenant_id, batch_id))

    async def until(self, true: Callable[[], Any]) -> None:
        """Waits for something that must come."""
        async with asyncio.timeout(20):
            while not await true():
                await asyncio.sleep(0.01)

    def orphans(self) -> _OwnOrphans:
        """Looks for batches that nobody holds, and leaves those of other tests alone."""
        return _OwnOrphans(PostgresOrphans(self.system), self.tenant_id)

    def asking(self, key: str = "") -> Any:
        """A caller with an Idempotency-Key of its own."""
        now = utc_now()
        none: frozenset[str] = frozenset()
        identity = Identity("prn_1", self.tenant_id, none, none, none, "user", None, None, now, now, 0)
        return acting_as(CallContext(identity, "req_1", "req_1", idempotency_key=key or new_id("key")))

    async def messages(self, topic: str) -> list[Any]:
        """What lies in the outbox for a topic, in order."""
        async with self.database.transaction(self.tenant_id) as tx:
            rows = await tx.fetch_all(
                "SELECT * FROM outbox_events WHERE tenant_id = :tenant_id AND topic = :topic ORDER BY position",
                {"tenant_id": self.tenant_id, "topic": topic},
            )
        return list(rows)

    async def _templates(self) -> Templates:
        ledger = PostgresLedger(self.database, self.system)
        defaults = {
            "llm.provider": "openai", "llm.retries": 0, "llm.als_limit": 350, "llm.batch_cells": 1000, **self.settings,
        }  # fmt: skip
        gateway = await self.stack.enter_async_context(
            open_gateway({"openai": self.model}, settings=defaults, ledger=ledger)
        )
        self.stack.push_async_callback(ledger.close)
        return Templates(
            units=PostgresTemplateUnits(self.database, utc_now, run_recorded_payload),
            gateway=gateway,
            sealing=Sealing(HmacSeals({"k1": b"a key of sixteen bytes or more"}), self.counts, utc_now, new_id),
            seed_keys=self.seed_keys,
            determinism=self.counts,
            differences=lambda first, second: (),
        )

    async def _end(self, background: Background) -> None:
        """A process that dies is not given time to end its work."""
        for task in tuple(background._tasks):
            task.cancel()
        await background.idle()


def unavailable() -> LaceError:
    """A failure that may pass."""
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "gone", retryable=True)


__all__ = ["FAST", "LOCALES", "BatchWorld", "Counts", "Model", "Process", "RoutingPolicy", "unavailable"]
