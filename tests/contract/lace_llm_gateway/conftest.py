"""What the contract suites of providers and ledgers share: each provider with the server that it talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lace_llm_gateway.adapters.anthropic.provider import AnthropicProvider, AnthropicSettings
from lace_llm_gateway.adapters.extractive.provider import ExtractiveProvider, compose
from lace_llm_gateway.adapters.gemini.provider import GeminiProvider, GeminiSettings
from lace_llm_gateway.adapters.openai.provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.adapters.replay.provider import ReplayProvider
from lace_llm_gateway.app.ports import Provider
from lace_llm_gateway.domain.exchange import Message, ProviderRequest
from tests.doubles import anthropic_server, gemini_server, openai_server

KEY = "sk-test-key-000000"
WIRES: dict[str, tuple[ModuleType, Callable[[str], Provider]]] = {
    "openai": (openai_server, lambda url: OpenAIProvider(OpenAISettings(KEY, url, "any-model"))),
    "anthropic": (anthropic_server, lambda url: AnthropicProvider(AnthropicSettings(KEY, url, "any-model"))),
    "gemini": (gemini_server, lambda url: GeminiProvider(GeminiSettings(KEY, url, "any-model"))),
}


@dataclass
class World:
    """A provider, and its server and that server's replies where it has one."""

    name: str
    provider: Any
    double: Any = None
    replies: Any = None

    def will_answer(self, request: ProviderRequest) -> None:
        """Have the server answer as the offline provider would."""
        if self.double is not None:
            self.double.will(self.replies.text(compose(request)))


@pytest.fixture
def replies() -> ModuleType:
    """The replies that OpenAI's double can be told to give."""
    return openai_server


@pytest.fixture
async def double() -> AsyncIterator[Any]:
    """A server that speaks OpenAI's wire on a free port."""
    async with openai_server.serving() as server:
        yield server


async def _wired(name: str, stack: AsyncExitStack) -> World:
    replies, made = WIRES[name]
    double = await stack.enter_async_context(replies.serving())
    provider = made(double.base_url)
    stack.push_async_callback(provider.close)
    return World(name, provider, double, replies)


@pytest.fixture(params=["openai", "anthropic", "gemini"])
async def wired(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Each provider that is called over HTTP."""
    async with AsyncExitStack() as stack:
        yield await _wired(request.param, stack)


@pytest.fixture(params=["extractive", "openai", "anthropic", "gemini", "replay"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each provider; replay records those of OpenAI's double as it goes."""
    async with AsyncExitStack() as stack:
        if request.param in WIRES:
            yield await _wired(request.param, stack)
        elif request.param == "replay":
            source = await _wired("openai", stack)
            yield World("replay", ReplayProvider(tmp_path, source.provider), source.double, source.replies)
        else:
            own = ExtractiveProvider()
            stack.push_async_callback(own.close)
            yield World("extractive", own)


def said_by_user(name: str, body: dict[str, Any]) -> ProviderRequest:
    """The last thing that the user said in a request on the wire, as a request of text mode."""
    messages = body["contents"] if name == "gemini" else body["messages"]
    last = messages[-1]
    said = last["parts"][0]["text"] if name == "gemini" else last["content"]
    return ProviderRequest("", (Message("user", said),), None, "any-model", 0, 200, 5.0)


@pytest.fixture
def heard() -> Callable[[str, dict[str, Any]], ProviderRequest]:
    """Reads what the user said out of a request on the wire."""
    return said_by_user


@pytest.fixture(params=["complete", "stream"])
def ask(request: pytest.FixtureRequest) -> Any:
    """Asks a provider in one of the two ways; both hold the same contract."""
    return _complete if request.param == "complete" else _stream


async def _complete(provider: Provider, request: ProviderRequest) -> Any:
    return await provider.complete(request)


async def _stream(provider: Provider, request: ProviderRequest) -> Any:
    """The last item, after checking that only pieces came before it and that they make the answer's text."""
    items: list[Any] = [item async for item in provider.stream(request)]
    *deltas, answer = items
    assert all(delta.text for delta in deltas)
    if request.output_schema is None:
        assert "".join(delta.text for delta in deltas) == answer.text
    return answer
