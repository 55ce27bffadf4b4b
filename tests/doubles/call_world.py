"""The model gateway's calls around a provider that does as it is told, without any socket or database."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError
from lace_llm_gateway.adapters.memory_budgets import MemoryBudgets
from lace_llm_gateway.adapters.memory_ledger import MemoryLedger
from lace_llm_gateway.adapters.token_counter import BpeTokenCounter
from lace_llm_gateway.app.budgets.leasing import Budgets, SlicePolicy
from lace_llm_gateway.app.calls.admission import Admission, AdmissionLimits
from lace_llm_gateway.app.calls.generate import Order, generate
from lace_llm_gateway.app.calls.list_calls import list_calls
from lace_llm_gateway.app.calls.routing import ResiliencePolicy, Router
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.calls import Call
from lace_llm_gateway.domain.exchange import Delta, FinishReason, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.measuring_models import Kind
from lace_platform.clock import utc_now
from lace_platform.ids import new_id
from tests.doubles.budget_world import Noted, Told

TENANT = "ten_1"
GOOD = '{"verdicts": [{"verdict": "supported", "sentence_id": "s1", "reason": "quote"}]}'


def said(text: str, finish: FinishReason = FinishReason.STOP, **more: Any) -> ProviderAnswer:
    return ProviderAnswer(
        text, finish, "gpt-4o", "gpt-4o-2024-08-06", **{"input_tokens": 1000, "output_tokens": 100, **more}
    )


@dataclass
class Scripted:
    """A provider that answers or fails as it is told; behind the same port as any."""

    name: str = "openai"
    default_model: str = "gpt-4o"
    script: deque[ProviderAnswer | LaceError | None] = field(default_factory=deque)
    requests: list[ProviderRequest] = field(default_factory=list)

    def configured(self) -> bool:
        return True

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        self.requests.append(request)
        step = self.script.popleft() if self.script else said(GOOD)
        if step is None:
            await asyncio.sleep(3600)
        if isinstance(step, LaceError):
            raise step
        assert step is not None
        return step

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        answer = await self.complete(request)
        yield Delta(answer.text)
        yield answer

    async def close(self) -> None:
        return


class Unobserved:
    @asynccontextmanager
    async def observe(self, request: ProviderRequest, provider: str) -> AsyncIterator[Unobserved]:
        yield self

    @asynccontextmanager
    async def measuring(self, kind: Kind, provider: str, model: str, dimensions: int) -> AsyncIterator[Unobserved]:
        yield self

    def measured(self, answered_model: str, input_tokens: int | None) -> None:
        return

    def piece(self) -> None:
        return

    def answered(self, answer: ProviderAnswer) -> None:
        return


@dataclass
class Shelf:
    """Keeps payloads in memory, or fails as it is told."""

    kept: dict[str, bytes] = field(default_factory=dict)
    failures: deque[LaceError] = field(default_factory=deque)

    async def keep(self, tenant_id: str, run_id: str, sha256: str, data: bytes) -> str:
        if self.failures:
            raise self.failures.popleft()
        assert sha256_hex(data) == sha256
        uri = f"lace-replay/{tenant_id}/{run_id}/payloads/{sha256}"
        self.kept[uri] = data
        return uri


@dataclass
class World:
    """A gateway around the scripted provider; time moves a second with every look at the clock, waits are noted."""

    provider: Scripted
    gateway: Gateway
    waits: list[float]
    shelf: Shelf
    quotas: Told

    async def generate(self, order: Order, remaining_s: float | None = None) -> Call:
        return await generate(self.gateway, TENANT, order, remaining_s)

    async def fails(self, order: Order, remaining_s: float | None = None) -> LaceError:
        with pytest.raises(LaceError) as failure:
            await self.generate(order, remaining_s)
        return failure.value

    async def ledger(self, run_id: str = "run_1") -> list[Call]:
        return list((await list_calls(self.gateway.ledger, TENANT, run_id, 100, None)).calls)


@asynccontextmanager
async def call_world(*others: Provider) -> AsyncIterator[World]:
    """The scripted provider under the name openai, and others beside it."""
    provider, shelf, events = Scripted(), Shelf(), Noted()
    waits: list[float] = []
    moments = (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=at) for at in range(10_000))
    ids = (f"cal_{at:04}" for at in range(10_000))

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    quotas = Told()
    budgets = Budgets(
        MemoryBudgets(time.monotonic), quotas, events, SlicePolicy(),
        process_id="prc_1", now=utc_now, clock=time.monotonic, new_id=new_id,
    )  # fmt: skip
    gateway = Gateway(
        providers={"openai": provider, **{other.name: other for other in others}},
        ledger=MemoryLedger(),
        router=Router(ResiliencePolicy(), events, chance=lambda: 0.5, sleep=sleep),
        admission=Admission(AdmissionLimits(), events),
        budgets=budgets,
        counter=BpeTokenCounter(),
        observer=Unobserved(),
        payloads=shelf,
        now=lambda: next(moments),
        defaults=lambda: {"llm.provider": "openai"},
        new_id=lambda prefix: next(ids),
        chance=lambda: 0.5,
        sleep=sleep,
    )
    await budgets.start()
    try:
        yield World(provider, gateway, waits, shelf, quotas)
    finally:
        await budgets.close()
