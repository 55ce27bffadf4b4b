"""Stop texts and seeds on each provider's wire, and a refusal where there is no such thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.anthropic.messages import MessagesDialect
from lace_llm_gateway.adapters.extractive.provider import ExtractiveProvider
from lace_llm_gateway.adapters.gemini.content import ContentDialect
from lace_llm_gateway.adapters.http.wire import Dialect
from lace_llm_gateway.adapters.openai.chat import ChatDialect
from lace_llm_gateway.domain.exchange import Message, ProviderRequest

PLAIN = ProviderRequest("", (Message("user", "Count."),), None, "a-model", 0, 64, 5.0)
ASKED = replace(PLAIN, stop=("END", "\n\n"), seed=7)


def body_of(dialect: Dialect, request: ProviderRequest) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(dialect.call(request, stream=False).body)
    return found


def test_openai() -> None:
    body = body_of(ChatDialect(), ASKED)
    assert (body["stop"], body["seed"]) == (["END", "\n\n"], 7)
    assert not {"stop", "seed"} & set(body_of(ChatDialect(), PLAIN))


def test_anthropic_has_no_seed() -> None:
    body = body_of(MessagesDialect(), ASKED)
    assert body["stop_sequences"] == ["END", "\n\n"]
    assert "seed" not in body
    assert "stop_sequences" not in body_of(MessagesDialect(), PLAIN)


def test_gemini() -> None:
    generation = body_of(ContentDialect(), ASKED)["generationConfig"]
    assert (generation["stopSequences"], generation["seed"]) == (["END", "\n\n"], 7)
    assert not {"stopSequences", "seed"} & set(body_of(ContentDialect(), PLAIN)["generationConfig"])


async def test_who_has_no_stop_texts_refuses_them() -> None:
    with pytest.raises(LaceError) as raised:
        body_of(ChatDialect(), replace(ASKED, grounding=True))
    assert raised.value.reason is Reason.INVALID_ARGUMENT
    provider = ExtractiveProvider()
    with pytest.raises(LaceError) as raised:
        await provider.complete(ASKED)
    assert raised.value.reason is Reason.INVALID_ARGUMENT
    assert (await provider.complete(replace(PLAIN, seed=7))).text
    await provider.close()
