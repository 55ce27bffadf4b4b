"""A model gateway in memory around given providers, for tests that say only what they are about."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from lace_core.errors import LaceError
from lace_llm_gateway.adapters.memory_budgets import MemoryBudgets
from lace_llm_gateway.adapters.memory_ledger import MemoryLedger
from lace_llm_gateway.adapters.token_counter import BpeTokenCounter
from lace_llm_gateway.app.budgets.leasing import Budgets, SlicePolicy
from lace_llm_gateway.app.calls.admission import Admission, AdmissionLimits
from lace_llm_gateway.app.calls.routing import ResiliencePolicy, Router
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.exchange import Delta, ProviderAnswer, ProviderRequest
from lace_llm_gateway.domain.measuring_models import Kind
from lace_platform.clock import utc_now
from lace_platform.ids import new_id
from tests.doubles.budget_world import Noted, Told


@dataclass
class Scripted:
    """A provider that answers or fails as it is told, without end where it is told None, and then gives `otherwise`."""

    otherwise: ProviderAnswer
    name: str = "openai"
    default_model: str = "gpt-4o"
    script: deque[ProviderAnswer | LaceError | None] = field(default_factory=deque)
    requests: list[ProviderRequest] = field(default_factory=list)

    def configured(self) -> bool:
        return True

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        self.requests.append(request)
        step = self.script.popleft() if self.script else self.otherwise
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
    """See app.ports.CallObserver."""

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


class Unkept:
    """See app.ports.Payloads."""

    async def keep(self, tenant_id: str, run_id: str, sha256: str, data: bytes) -> str:
        return ""


@asynccontextmanager
async def open_gateway(
    providers: Mapping[str, Provider],
    *,
    quotas: Told | None = None,
    limits: AdmissionLimits | None = None,
    settings: Mapping[str, Any] | None = None,
    sleep: Any = asyncio.sleep,
    **replaced: Any,
) -> AsyncIterator[Gateway]:
    """The gateway with `settings` as its defaults; `replaced` are parts of it by the name of their field."""
    events, defaults = Noted(), dict(settings or {})
    budgets = Budgets(
        MemoryBudgets(time.monotonic), quotas or Told(), events, SlicePolicy(),
        process_id=new_id("prc"), now=utc_now, clock=time.monotonic, new_id=new_id,
    )  # fmt: skip
    parts: dict[str, Any] = {
        "ledger": MemoryLedger(),
        "router": Router(ResiliencePolicy(), events, chance=lambda: 0.5, sleep=sleep),
        "admission": Admission(limits or AdmissionLimits(), events),
        "counter": BpeTokenCounter(),
        "observer": Unobserved(),
        "payloads": Unkept(),
        "now": utc_now,
        "new_id": new_id,
        **replaced,
    }
    await budgets.start()
    try:
        yield Gateway(
            providers=providers, budgets=budgets, defaults=lambda: defaults, chance=lambda: 0.5, sleep=sleep, **parts
        )
    finally:
        await budgets.close()
