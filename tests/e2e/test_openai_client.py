"""Any OpenAI client against a whole installation: its own client, the ledger behind it, and the usage that it makes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from lace_llm_gateway.adapters.local import minilm
from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import Stage

MODEL = "extractive/extractive-1"
TEXT = "The bridge cost 4.2 million pounds. Inspectors tested it on 3 May 2022."
ASKED: Any = [{"role": "user", "content": f"What did the bridge cost? {TEXT}"}]


@pytest.fixture
async def openai_client(installation: RunningInstallation) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key=installation.token, base_url=f"{installation.url}/v1", max_retries=0, timeout=60
    ) as opened:
        yield opened


async def test_a_completion_and_a_stream_say_the_same(openai_client: openai.AsyncOpenAI) -> None:
    whole = await openai_client.chat.completions.create(model=MODEL, messages=ASKED)
    assert (whole.choices[0].message.content or "nothing") in TEXT
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    stream = await openai_client.chat.completions.create(
        model=MODEL, messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    told = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert told.strip() == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


async def test_what_is_asked_is_in_the_ledger(openai_client: openai.AsyncOpenAI, api: httpx.AsyncClient) -> None:
    async def calls() -> int:
        usage = (await api.get("/v1/usage", params={"by": "model"})).json()["usage"]
        return sum(row["calls"] for row in usage if (row["provider"], row["model"]) == ("extractive", "extractive-1"))

    before = await calls()
    await openai_client.chat.completions.create(model=MODEL, messages=ASKED)
    for _ in range(100):  # calls outside runs are written soon, together with others
        if await calls() > before:
            return
    pytest.fail("the call is not in the ledger")


async def test_an_unknown_model_is_not_found(openai_client: openai.AsyncOpenAI) -> None:
    for model in ("gpt-9", "extractive/gpt-9"):
        with pytest.raises(openai.NotFoundError, match="gpt-9") as raised:
            await openai_client.chat.completions.create(model=model, messages=ASKED)
        assert raised.value.code == "model_not_found"


async def test_a_provider_without_a_key_says_so(openai_client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        await openai_client.chat.completions.create(model="openai/gpt-4.1-mini", messages=ASKED)
    assert raised.value.code == "provider_credentials"
    assert raised.value.response.headers["x-should-retry"] == "false"


async def test_models_are_those_that_can_be_used(openai_client: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in openai_client.models.list()]
    assert MODEL in names
    assert ("local/all-minilm-l6-v2" in names) == minilm.is_installed()
    assert not any(name.startswith("openai/") for name in names)
    assert (await openai_client.models.retrieve(MODEL)).owned_by == "extractive"


async def test_embeddings_of_the_local_model(openai_client: openai.AsyncOpenAI) -> None:
    if not minilm.is_installed():
        with pytest.raises(openai.NotFoundError, match="make embedder"):
            await openai_client.embeddings.create(model="local/all-minilm-l6-v2", input=TEXT)
        return
    texts = [TEXT, "The price of the bridge was 4.2 million pounds.", "It rains in Spain."]
    answer = await openai_client.embeddings.create(model="local/all-minilm-l6-v2", input=texts)
    [first, near, far] = [item.embedding for item in answer.data]
    assert len(first) == 384
    assert _cosine(first, near) > _cosine(first, far)
    alone = await openai_client.embeddings.create(model="all-minilm-l6-v2", input=TEXT)
    assert alone.data[0].embedding == first
    assert answer.usage.prompt_tokens > 20


async def test_documents_are_ranked(api: httpx.AsyncClient) -> None:
    body = {"query": "What did the bridge cost?", "documents": ["It rains.", TEXT, "Trains run."], "top_n": 2}
    answer = await api.post("/v1/rerank", json=body)
    assert answer.status_code == 200, answer.text
    assert [result["index"] for result in answer.json()["results"]] == [1, 0]
    assert answer.json()["call"]["requested_model"] == "lexical-1"


def _cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_the_settings_of_a_tenant_hold_from_the_next_call_on(
    openai_client: openai.AsyncOpenAI, api: httpx.AsyncClient, installation: RunningInstallation
) -> None:
    find = "SELECT tenant_id FROM control.tenants ORDER BY created_at LIMIT 1"
    tenant_id = await Stage(api, installation.admin_dsn).sql(find)
    path = f"/v1/settings/tenants/{tenant_id}"

    async def put(values: dict[str, Any]) -> None:
        answer = await api.put(path, json={"values": values}, headers={"idempotency-key": uuid.uuid4().hex})
        assert answer.status_code == 200, answer.text

    async def told() -> str:
        with pytest.raises(openai.APIStatusError) as raised:
            await openai_client.chat.completions.create(model="gpt-4o", messages=ASKED)
        return str(raised.value.body)

    assert "extractive has no model" in await told()
    before = (await api.get(path)).json()["values"]
    await put({**before, "llm.provider": "anthropic"})
    try:
        async with asyncio.timeout(30):
            while "anthropic" not in await told():
                await asyncio.sleep(0.02)
    finally:
        await put(before)
