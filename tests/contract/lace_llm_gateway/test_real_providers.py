"""The real providers, with keys from the environment: that what the doubles speak is what the providers speak.

Run by make test-providers, never by another target; each provider without a key is skipped, and says which it wants.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.anthropic.provider import AnthropicProvider, AnthropicSettings
from lace_llm_gateway.adapters.gemini.provider import GeminiProvider, GeminiSettings
from lace_llm_gateway.adapters.openai.provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.domain.answers import refuse_unfinished
from lace_llm_gateway.domain.capabilities import capability_of
from lace_llm_gateway.domain.exchange import FinishReason, Message, ProviderRequest

pytestmark = pytest.mark.real_providers

KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}
WRONG_KEY = "sk-lace-no-such-key"
SCHEMA = {
    "type": "object",
    "properties": {"capital": {"type": "string"}},
    "required": ["capital"],
    "additionalProperties": False,
}


def made(name: str, environ: dict[str, str]) -> Any:
    if name == "openai":
        return OpenAIProvider(OpenAISettings.of(environ))
    if name == "anthropic":
        return AnthropicProvider(AnthropicSettings.of(environ))
    return GeminiProvider(GeminiSettings.of(environ))


@pytest.fixture(params=sorted(KEYS))
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    found = made(request.param, dict(os.environ))
    if not found.configured():
        pytest.skip(f"the real provider {request.param} was not asked: {KEYS[request.param]} is not set")
    yield found
    await found.close()


def asked(provider: Any, text: str = "Name the capital of Austria in one word.", **more: Any) -> ProviderRequest:
    model = provider.default_model or capability_of(provider.name).default_model
    return replace(ProviderRequest("", (Message("user", text),), None, model, 0, 1000, 60.0), **more)


async def test_answers_in_one_and_as_a_stream(provider: Any, ask: Any) -> None:
    answer = await ask(provider, asked(provider))
    refuse_unfinished(answer)
    assert "Vienna" in answer.text
    assert answer.finish_reason is FinishReason.STOP
    assert answer.answered_model
    assert answer.input_tokens
    assert answer.output_tokens


async def test_answers_under_a_schema(provider: Any, ask: Any) -> None:
    answer = await ask(provider, asked(provider, "The capital of Austria, as JSON.", output_schema=SCHEMA))
    assert '"capital"' in answer.text
    assert "Vienna" in answer.text


async def test_a_cut_answer_says_so(provider: Any, ask: Any) -> None:
    answer = await ask(provider, asked(provider, "Count from one to a thousand, in words.", max_output_tokens=16))
    assert answer.finish_reason is FinishReason.LENGTH


async def test_knows_its_models(provider: Any) -> None:
    offered = await provider.versions("", 30.0)
    assert offered.current
    assert offered.versions


async def test_an_unknown_model_is_told(provider: Any) -> None:
    with pytest.raises(LaceError) as failure:
        await provider.complete(asked(provider, model="lace-no-such-model"))
    assert (failure.value.reason, failure.value.retryable) == (Reason.MODEL_UNKNOWN, False)


async def test_a_wrong_key_is_told(provider: Any) -> None:
    other = made(provider.name, {KEYS[provider.name]: WRONG_KEY})
    with pytest.raises(LaceError) as failure:
        await other.complete(asked(provider))
    await other.close()
    assert (failure.value.reason, failure.value.retryable) == (Reason.PROVIDER_CREDENTIALS, False)
    assert WRONG_KEY not in failure.value.message


async def test_a_web_search_leaves_evidence(provider: Any) -> None:
    question = "Search the web: what is the newest stable version of Python? Cite the page."
    answer = await provider.complete(asked(provider, question, grounding=True, max_output_tokens=4000))
    assert answer.grounding is not None
    assert answer.grounding.searches
    assert answer.grounding.citations
