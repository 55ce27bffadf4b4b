"""A corpus of prompts around every limit of every model: none that is over it is ever sent, and none is lost quietly.

`PYTHONPATH=. python` on this file writes the corpus again where counting or the matrix changed on purpose.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.memory_ledger import MemoryLedger
from lace_llm_gateway.adapters.token_counter import BpeTokenCounter
from lace_llm_gateway.app import gateway as gateway_module
from lace_llm_gateway.app.calls.generate import Order, generate
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.domain.calls import CallState
from lace_llm_gateway.domain.capabilities import ModelCapability, ProviderCapability, capabilities
from lace_llm_gateway.domain.exchange import Delta, FinishReason, Message, ProviderAnswer, ProviderRequest
from tests.doubles.hostile_texts import KINDS, harsh_tokens, openai_tokens
from tests.doubles.open_gateway import open_gateway

GOLDEN = Path(__file__).parents[2] / "golden" / "lace_llm_gateway" / "prompts" / "limits.json"
MODELS = [(name, model.model) for name, each in capabilities().items() for model in each.models]
LIMIT, OUTPUT = 1000, 64
SIZES = ("below", "at", "above", "double")


@dataclass
class Strict:
    """A provider that refuses whatever its own tokenizer finds too long, and remembers that it had to."""

    name: str
    limits: dict[str, int]
    default_model: str = ""
    heard: list[int] = field(default_factory=list)
    overflows: list[str] = field(default_factory=list)

    def configured(self) -> bool:
        return True

    async def complete(self, request: ProviderRequest) -> ProviderAnswer:
        own = openai_tokens if request.model.startswith("gpt-4") or self.name == "extractive" else harsh_tokens
        found = 3 + sum(4 + own(request.model, message.content) for message in request.messages)
        self.heard.append(found)
        if found + request.max_output_tokens > self.limits[request.model]:
            self.overflows.append(f"{request.model}: {found}")
            raise LaceError(Reason.CONTEXT_TOO_LONG, "This model's maximum context length is exceeded.")
        return ProviderAnswer("ready", FinishReason.STOP, request.model, request.model)

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta | ProviderAnswer, None]:
        yield await self.complete(request)

    async def close(self) -> None:
        return


async def _sleep(_: float) -> None:
    raise AssertionError("a prompt that is too long is not tried again")


@dataclass
class Door:
    """The use case in front of strict providers."""

    gateway: Gateway
    strict: dict[str, Strict]
    ledger: MemoryLedger

    async def ask(self, provider: str, model: str, text: str, limit: int, output: int) -> str:
        """succeeded, or the code of the failure."""
        settings = {"llm.context_tokens": limit, "llm.redaction": "off"}
        message = (Message("user", text),)
        order = Order(messages=message, provider=provider, model=model, settings=settings, max_output_tokens=output)
        try:
            await generate(self.gateway, "ten_1", order, 30.0)
        except LaceError as failure:
            return failure.reason.value
        return "succeeded"


def small(context_tokens: int | None) -> Callable[[str], ProviderCapability]:
    """The matrix with every model's context at that size, so that its limit is met with short prompts."""

    def capability_of(provider: str) -> ProviderCapability:
        known = capabilities()[provider]
        if context_tokens is None:
            return known
        models = tuple(
            msgspec.structs.replace(model, context_tokens=context_tokens, max_input_tokens=0) for model in known.models
        )
        return msgspec.structs.replace(known, models=models)

    return capability_of


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch, context_tokens: int | None) -> AsyncIterator[Door]:
    matrix = small(context_tokens)
    monkeypatch.setattr(gateway_module, "capability_of", matrix)
    strict = {
        name: Strict(name, {model.model: model.context_tokens for model in matrix(name).models})
        for name in capabilities()
    }
    ledger = MemoryLedger()
    async with open_gateway(strict, ledger=ledger, sleep=_sleep) as gateway:
        yield Door(gateway, strict, ledger)


def text_of(kind: str, size: str, model: ModelCapability, limit: int) -> str:
    """A prompt of that kind just below the limit by the model's count, at it as near as can be, above, or twice it."""
    counter = BpeTokenCounter()

    def fits(length: int, most: int) -> bool:
        return counter.count(model, [Message("user", KINDS[kind](length))]).tokens <= most

    target = {"below": limit - 10, "at": limit, "above": limit, "double": 2 * limit}[size]
    low, high = 0, 1
    while fits(high, target):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle, target) else (low, middle)
    return KINDS[kind](high if size in ("above", "double") else low)


def near(kind: str, share: float, model: ModelCapability, limit: int) -> str:
    """A prompt of that kind of about that share of the limit."""
    sample = BpeTokenCounter().count_text(model, KINDS[kind](20_000)).tokens
    return KINDS[kind](int(20_000 * share * limit / sample))


def corpus() -> list[dict[str, Any]]:
    """Every family's prompts around the limit, by what makes them up again; the same each time."""
    found = []
    for provider, name in MODELS:
        model = capabilities()[provider].model(name)
        for kind in sorted(KINDS):
            for size in SIZES:
                text = text_of(kind, size, model, LIMIT)
                found.append(
                    {
                        "model": f"{provider}/{name}",
                        "kind": kind,
                        "size": size,
                        "characters": len(text),
                        "sha256": sha256_hex(text.encode())[:16],
                        "sent": size in ("below", "at"),
                    }
                )
    return found


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    frozen: list[dict[str, Any]] = json.loads(GOLDEN.read_text())
    return frozen


def test_the_corpus_has_every_model_of_the_matrix_and_every_kind_of_text(cases: list[dict[str, Any]]) -> None:
    asked = {(case["model"], case["kind"], case["size"]) for case in cases}
    assert asked == {(f"{p}/{m}", kind, size) for p, m in MODELS for kind in KINDS for size in SIZES}


@pytest.mark.parametrize(
    ("by", "part"),
    [
        ("model", slice(0, None, 9)),
        ("setting", slice(4, None, 13)),
        pytest.param("model", slice(None), marks=pytest.mark.slow),
        pytest.param("setting", slice(None), marks=pytest.mark.slow),
    ],
)
async def test_nothing_over_a_limit_is_ever_sent(
    monkeypatch: pytest.MonkeyPatch, cases: list[dict[str, Any]], by: str, part: slice
) -> None:
    most = LIMIT + OUTPUT if by == "model" else 1_100_000
    setting = LIMIT if by == "setting" else 1_000_000
    async with opened(monkeypatch, most) as door:
        for each in door.strict.values():
            each.limits = dict.fromkeys(each.limits, LIMIT + OUTPUT)
        for case in cases[part]:
            provider, model = case["model"].split("/", 1)
            text = KINDS[case["kind"]](case["characters"])
            assert sha256_hex(text.encode())[:16] == case["sha256"]
            before = len(door.strict[provider].heard)
            outcome = await door.ask(provider, model, text, setting, OUTPUT)
            assert outcome == ("succeeded" if case["sent"] else "CONTEXT_TOO_LONG"), case
            assert len(door.strict[provider].heard) == before + case["sent"], case
        assert not [over for each in door.strict.values() for over in each.overflows]
        calls = await door.ledger.of_run("ten_1", "", 10_000, None)
    refused = [call.settlement for call in calls if call.settlement and call.settlement.state is CallState.FAILED]
    assert len(refused) == sum(not case["sent"] for case in cases[part])
    assert all(one.error_code == "CONTEXT_TOO_LONG" and f"of {LIMIT} allowed" in one.error_message for one in refused)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["english", "chinese", "base64"])
async def test_at_the_limits_as_they_really_are(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    done: set[tuple[str, int]] = set()
    async with opened(monkeypatch, None) as door:
        for provider, name in MODELS:
            model = capabilities()[provider].model(name)
            limit = min(1_000_000, model.input_limit(OUTPUT))
            if (provider, limit) in done:
                continue
            done.add((provider, limit))
            assert await door.ask(provider, name, near(kind, 0.98, model, limit), limit, OUTPUT) == "succeeded"
            above = near(kind, 1.02, model, limit)
            assert await door.ask(provider, name, above, limit, OUTPUT) == "CONTEXT_TOO_LONG"
        assert not [over for each in door.strict.values() for over in each.overflows]


if __name__ == "__main__":
    GOLDEN.write_text("[\n" + ",\n".join(json.dumps(case) for case in corpus()) + "\n]\n")
