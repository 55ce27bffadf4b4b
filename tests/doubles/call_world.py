"""The model gateway's calls around a provider that does as it is told, without any socket or database."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError
from lace_llm_gateway.app.calls.generate import Order, generate
from lace_llm_gateway.app.calls.list_calls import list_calls
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.calls import Call
from lace_llm_gateway.domain.exchange import FinishReason, ProviderAnswer
from tests.doubles.budget_world import Told
from tests.doubles.open_gateway import Scripted, open_gateway

TENANT = "ten_1"
GOOD = '{"verdicts": [{"verdict": "supported", "sentence_id": "s1", "reason": "quote"}]}'


def said(text: str, finish: FinishReason = FinishReason.STOP, **more: Any) -> ProviderAnswer:
    return ProviderAnswer(
        text, finish, "gpt-4o", "gpt-4o-2024-08-06", **{"input_tokens": 1000, "output_tokens": 100, **more}
    )


def scripted(name: str = "openai", default_model: str = "gpt-4o") -> Scripted:
    """A provider that finds everything supported until it is told otherwise."""
    return Scripted(said(GOOD), name, default_model)


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
    provider, shelf, quotas = scripted(), Shelf(), Told()
    waits: list[float] = []
    moments = (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=at) for at in range(10_000))
    ids = (f"cal_{at:04}" for at in range(10_000))

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with open_gateway(
        {"openai": provider, **{other.name: other for other in others}},
        quotas=quotas,
        settings={"llm.provider": "openai"},
        sleep=sleep,
        payloads=shelf,
        now=lambda: next(moments),
        new_id=lambda prefix: next(ids),
    ) as gateway:
        yield World(provider, gateway, waits, shelf, quotas)
