"""Embedders and rerankers over HTTP: what goes over the wire, what is taken from it, and each way in which it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.openai.embeddings import OpenAIEmbedder
from lace_llm_gateway.adapters.openai.provider import OpenAISettings
from lace_llm_gateway.adapters.rerank.reranker import HttpReranker, RerankSettings
from lace_llm_gateway.domain.measures import Ranked

KEY = "sk-measure-9d31c2-of-no-one"
TEXTS = ("The bridge is open.", "It rains.")
VECTORS = [[0.5, -0.25, 0.125], [1.0, 0.0, 0.5]]


@pytest.fixture
async def embedder(double: Any) -> AsyncIterator[OpenAIEmbedder]:
    opened = OpenAIEmbedder(lambda: OpenAISettings(KEY, double.base_url, ""), lambda: 1)
    yield opened
    await opened.close()


@pytest.fixture
async def reranker(double: Any) -> AsyncIterator[HttpReranker]:
    opened = HttpReranker(lambda: RerankSettings(double.base_url, KEY, "rerank-1"), lambda: 1)
    yield opened
    await opened.close()


def said(replies: Any, body: Any) -> Any:
    return replies.raw(orjson.dumps(body), "application/json")


def embeddings(order: tuple[int, ...] = (0, 1), **more: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": VECTORS[index % 2]} for index in order]
    return {"object": "list", "data": data, "model": "embed-1-2026", "usage": {"prompt_tokens": 9}, **more}


async def test_vectors_come_in_the_order_of_their_texts(double: Any, replies: Any, embedder: OpenAIEmbedder) -> None:
    double.will(said(replies, embeddings((1, 0))))
    embedded = await embedder.embed(TEXTS, "embed-1", 0, 5)
    assert [list(vector) for vector in embedded.vectors] == VECTORS
    assert (embedded.answered_model, embedded.input_tokens) == ("embed-1-2026", 9)
    assert double.requests == [{"model": "embed-1", "input": list(TEXTS), "encoding_format": "float"}]
    assert double.authorizations == [f"Bearer {KEY}"]


async def test_shorter_vectors_are_asked_for(double: Any, replies: Any, embedder: OpenAIEmbedder) -> None:
    double.will(said(replies, embeddings(model="", usage=None)))
    embedded = await embedder.embed(TEXTS, "embed-1", 3, 5)
    assert double.requests[0]["dimensions"] == 3
    assert (embedded.answered_model, embedded.input_tokens) == ("embed-1", None)


async def test_cohere_jina_and_vllm_are_understood(double: Any, replies: Any, reranker: HttpReranker) -> None:
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": -0.1, "document": {"text": "x"}}]
    for told, tokens in (
        ({"id": "1", "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}}, None),
        ({"meta": {"tokens": {"input_tokens": 12.0}}}, 12),
        ({"model": "jina-1", "usage": {"total_tokens": 34}}, 34),
    ):
        double.will(said(replies, {"results": results, **told}))
        found = await reranker.rerank("open?", TEXTS, "rerank-1", 0, 5)
        assert found.results == (Ranked(1, 0.9), Ranked(0, -0.1))
        assert found.input_tokens == tokens
        assert found.answered_model == told.get("model", "rerank-1")
    sent = {"model": "rerank-1", "query": "open?", "documents": list(TEXTS), "top_n": 2}
    assert double.requests == [sent] * 3


FAULTS = [
    (429, Reason.PROVIDER_RATE_LIMITED, True),
    (500, Reason.PROVIDER_UNAVAILABLE, True),
    (401, Reason.PROVIDER_CREDENTIALS, False),
    (404, Reason.MODEL_UNKNOWN, False),
    (400, Reason.INVALID_ARGUMENT, False),
]


@pytest.mark.parametrize("kind", ["embedder", "reranker"])
@pytest.mark.parametrize(("status", "reason", "retryable"), FAULTS)
async def test_refusals(
    double: Any,
    replies: Any,
    embedder: OpenAIEmbedder,
    reranker: HttpReranker,
    kind: str,
    status: int,
    reason: Reason,
    retryable: bool,
) -> None:
    double.otherwise = replies.error(status, f"No, {KEY}.", headers={"retry-after": "7"})
    with pytest.raises(LaceError) as raised:
        await (embedder.embed(TEXTS, "m", 0, 5) if kind == "embedder" else reranker.rerank("q", TEXTS, "m", 0, 5))
    assert (raised.value.reason, raised.value.retryable) == (reason, retryable)
    assert KEY not in raised.value.message
    if status == 429:
        assert raised.value.retry_after == 7


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b"{}", b'{"data": 1, "results": 2}', b'{"data":[{}]}'])
async def test_what_is_no_answer(
    double: Any, replies: Any, embedder: OpenAIEmbedder, reranker: HttpReranker, body: bytes
) -> None:
    double.otherwise = replies.raw(body, "text/html")
    for call in (embedder.embed(TEXTS, "m", 0, 5), reranker.rerank("q", TEXTS, "m", 0, 5)):
        with pytest.raises(LaceError) as raised:
            await call
        assert raised.value.reason is Reason.PROVIDER_OUTPUT_INVALID


@pytest.mark.parametrize("order", [(0, 0), (1, 2), (1,)])
async def test_vectors_that_belong_to_no_text(
    double: Any, replies: Any, embedder: OpenAIEmbedder, order: tuple[int, ...]
) -> None:
    double.will(said(replies, embeddings(order)))
    with pytest.raises(LaceError) as raised:
        await embedder.embed(TEXTS, "m", 0, 5)
    assert raised.value.reason is Reason.PROVIDER_OUTPUT_INVALID


async def test_a_server_that_is_too_slow(double: Any, replies: Any, embedder: OpenAIEmbedder) -> None:
    double.otherwise = replies.slow(said(replies, embeddings()), 5)
    with pytest.raises(LaceError) as raised:
        await embedder.embed(TEXTS, "m", 0, 0.1)
    assert raised.value.reason is Reason.PROVIDER_UNAVAILABLE


async def test_without_address_or_key_they_say_what_is_missing() -> None:
    embedder = OpenAIEmbedder(lambda: OpenAISettings("", "", ""), lambda: 1)
    reranker = HttpReranker(lambda: RerankSettings.of({}), lambda: 1)
    assert not embedder.configured("m")
    assert not reranker.configured("m")
    with pytest.raises(LaceError, match="key"):
        await embedder.embed(TEXTS, "m", 0, 5)
    with pytest.raises(LaceError, match="LACE_RERANK_BASE_URL"):
        await reranker.rerank("q", TEXTS, "m", 0, 5)


async def test_a_key_that_changes_is_used_from_the_next_call_on(double: Any, replies: Any) -> None:
    keys = ["sk-old", "sk-new"]
    double.otherwise = said(replies, embeddings())
    embedder = OpenAIEmbedder(lambda: OpenAISettings(keys[0], double.base_url, ""), lambda: len(keys))
    await embedder.embed(TEXTS, "m", 0, 5)
    del keys[0]
    await embedder.embed(TEXTS, "m", 0, 5)
    assert double.authorizations == ["Bearer sk-old", "Bearer sk-new"]
    await embedder.close()


def test_settings_do_not_show_the_key() -> None:
    settings = RerankSettings.of({"LACE_RERANK_API_KEY": KEY, "LACE_RERANK_BASE_URL": "http://r/v1"})
    assert settings.api_key == KEY
    assert KEY not in repr(settings)
