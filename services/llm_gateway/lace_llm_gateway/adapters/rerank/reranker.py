"""The provider `rerank`: any server with POST /rerank.

Sources: Cohere's API reference, v2/rerank; Jina's, v1/rerank; vLLM, "Jina AI-compatible and Cohere-compatible re-rank
API". They agree on model, query, documents, top_n, and on results of index and relevance_score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import orjson

from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.client import HttpClient
from lace_llm_gateway.adapters.http.environment import first
from lace_llm_gateway.adapters.http.measurer import HttpMeasurer
from lace_llm_gateway.adapters.http.wire import HttpCall
from lace_llm_gateway.domain.measures import Ranked, Reranked

NAME = "rerank"


@dataclass(frozen=True)
class RerankSettings:
    """Where the server is, with its version (https://api.jina.ai/v1); the key is never shown."""

    base_url: str
    api_key: str
    model: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> RerankSettings:
        """From LACE_RERANK_BASE_URL, LACE_RERANK_API_KEY, LACE_RERANK_MODEL."""
        return cls(
            first(environ, "LACE_RERANK_BASE_URL"),
            first(environ, "LACE_RERANK_API_KEY"),
            first(environ, "LACE_RERANK_MODEL"),
        )

    def __repr__(self) -> str:
        return f"RerankSettings(base_url={self.base_url!r}, model={self.model!r})"


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Usage(msgspec.Struct):
    total_tokens: int | None = None


class _CohereTokens(msgspec.Struct):
    input_tokens: float | None = None


class _Meta(msgspec.Struct):
    tokens: _CohereTokens | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]
    model: str = ""
    usage: _Usage | None = None
    meta: _Meta | None = None

    def tokens(self) -> int | None:
        """What was counted, as Jina and vLLM tell it or as Cohere does; None where nobody does."""
        if self.usage is not None and self.usage.total_tokens is not None:
            return self.usage.total_tokens
        told = self.meta.tokens.input_tokens if self.meta and self.meta.tokens else None
        return None if told is None else round(told)


class HttpReranker(HttpMeasurer[RerankSettings]):
    """See app.measuring.ports.Reranker."""

    name = NAME
    missing = "There is no address of a reranker: set LACE_RERANK_BASE_URL."

    def __init__(self, settings: Callable[[], RerankSettings], version: Callable[[], int]) -> None:
        super().__init__(settings, _client, version)

    @property
    def default_model(self) -> str:
        """The model of the server, where the environment names it."""
        return self._settings().model

    async def rerank(self, query: str, documents: Sequence[str], model: str, top_n: int, timeout_s: float) -> Reranked:
        """See app.measuring.ports.Reranker.rerank."""
        key = self._settings().api_key
        body = {"model": model, "query": query, "documents": list(documents), "top_n": top_n or len(documents)}
        answer = await self._answer(
            HttpCall("/rerank", orjson.dumps(body)),
            timeout_s,
            _Answer,
            lambda refused: failures.of_status(refused, _said(refused.body, key)),
        )
        results = tuple(Ranked(result.index, result.relevance_score) for result in answer.results)
        return Reranked(results, answer.model or model, answer.tokens())


def _client(settings: RerankSettings) -> HttpClient | None:
    headers = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    return HttpClient(settings.base_url, headers) if settings.base_url else None


def _said(body: bytes, key: str) -> str:
    """The server's own words (Cohere: message; Jina and FastAPI's: detail), without the key."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(found, dict):
        return ""
    words = str(found.get("message") or found.get("detail") or "")
    return failures.shortened(words.replace(key, "[key]") if key else words)
