"""Models as the gateway offers them, asked over gRPC on behalf of a principal."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc
import orjson

from lace.llm_gateway.v1 import llm_gateway_pb2, llm_gateway_pb2_grpc, models_pb2, models_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.models.model_grants import ModelGrants
from lace_ingest.app.model_ports import EmbeddedTexts, ModelCall, TokenCounts
from lace_ingest.domain.vectors import EmbeddingModel

_GROUPS = ("llm.", "events.")
_NAMING = ("llm.embedding_", "llm.rerank_")
# Of one question about tokens; a message of the gateway takes 16 MiB and 20 000 parts.
_MOST_CHARACTERS = 2_000_000
_MOST_PARTS = 10_000


class ModelGateway:
    """See app.model_ports. What a call costs is in the gateway's ledger, under the principal and the run."""

    def __init__(self, gateway: grpc.aio.Channel, grants: ModelGrants) -> None:
        self._models = models_pb2_grpc.ModelServiceStub(gateway)
        self._generation = llm_gateway_pb2_grpc.GenerationServiceStub(gateway)
        self._grants = grants

    async def embed(self, call: ModelCall, texts: Sequence[str]) -> EmbeddedTexts:
        """See app.model_ports.Embedder.embed."""
        request = models_pb2.EmbedRequest(texts=texts, run_id=call.run_id, settings_json=_measuring_settings(call))
        with self._grants.acting(call.caller, call.timeout_s):
            answer: models_pb2.EmbedResponse = await self._models.Embed(request, timeout=call.timeout_s)
        vectors = tuple(array("f", embedding.values) for embedding in answer.embeddings)
        if len(vectors) != len(texts):
            raise LaceError(Reason.PROVIDER_OUTPUT_INVALID, f"{len(vectors)} vectors came for {len(texts)} texts.")
        return EmbeddedTexts(_model(answer.call, len(vectors[0])), vectors)

    async def rerank(self, call: ModelCall, query: str, documents: Sequence[str]) -> Sequence[float]:
        """See app.model_ports.Reranker.rerank."""
        request = models_pb2.RerankRequest(
            query=query, documents=documents, run_id=call.run_id, settings_json=_measuring_settings(call)
        )
        with self._grants.acting(call.caller, call.timeout_s):
            answer: models_pb2.RerankResponse = await self._models.Rerank(request, timeout=call.timeout_s)
        scores = {ranked.index: ranked.score for ranked in answer.results}
        if set(scores) != set(range(len(documents))):
            raise LaceError(Reason.PROVIDER_OUTPUT_INVALID, f"{len(scores)} documents came of {len(documents)}.")
        return [scores[index] for index in range(len(documents))]

    async def count(self, call: ModelCall, texts: Sequence[str], *, provider: str, model: str) -> TokenCounts:
        """See app.model_ports.TokenCounter.count; so many texts at a time that no message is too long."""
        asked = llm_gateway_pb2.GenerateRequest(
            messages=[llm_gateway_pb2.Message(role="user", content="-")],
            provider=provider,
            model=model,
            settings_json=own_settings(call.settings),
        )
        tokens: list[int] = []
        method = llm_gateway_pb2.COUNT_METHOD_UNSPECIFIED
        for parts in _portions(texts):
            request = llm_gateway_pb2.CountTokensRequest(request=asked, parts=parts)
            with self._grants.acting(call.caller, call.timeout_s):
                answer: llm_gateway_pb2.CountTokensResponse = await self._generation.CountTokens(
                    request, timeout=call.timeout_s
                )
            tokens.extend(answer.part_tokens)
            method = answer.count_method
        name = llm_gateway_pb2.CountMethod.Name(method).removeprefix("COUNT_METHOD_").lower()
        return TokenCounts(tuple(tokens), name)


def _portions(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in turn, one portion at least: whether the model is known is asked in any case."""
    begin = size = 0
    for at, text in enumerate(texts):
        if at > begin and (size + len(text) > _MOST_CHARACTERS or at - begin >= _MOST_PARTS):
            yield texts[begin:at]
            begin, size = at, 0
        size += len(text)
    yield texts[begin:]


def _measuring_settings(call: ModelCall) -> str:
    """A run's as it pinned them. Elsewhere what names the models alone: all else is the gateway's to look up, as what
    keeps texts from providers may be stricter there than in this process's environment.
    """
    if call.run_id:
        return own_settings(call.settings)
    return own_settings({key: value for key, value in call.settings.items() if key.startswith(_NAMING)})


def own_settings(settings: Mapping[str, Any]) -> str:
    """The settings that calls of the gateway go by, as JSON; empty where there are none."""
    own = {key: value for key, value in settings.items() if key.startswith(_GROUPS)}
    return orjson.dumps(own, option=orjson.OPT_SORT_KEYS).decode() if own else ""


def _model(call: llm_gateway_pb2.Call, dimensions: int) -> EmbeddingModel:
    return EmbeddingModel(call.provider, call.resolved_model or call.requested_model, dimensions)
