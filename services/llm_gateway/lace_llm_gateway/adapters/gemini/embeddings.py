"""Gemini's embeddings: many texts in one call of batchEmbedContents."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from lace_llm_gateway.adapters.gemini.failures import lace_error
from lace_llm_gateway.adapters.gemini.provider import NAME, GeminiSettings, gemini_client
from lace_llm_gateway.adapters.http.measurer import HttpMeasurer
from lace_llm_gateway.adapters.http.wire import HttpCall
from lace_llm_gateway.domain.measures import Embedded


class _Item(msgspec.Struct):
    values: list[float]


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Answer(msgspec.Struct, rename="camel"):
    embeddings: list[_Item]
    usage_metadata: _Usage | None = None


class GeminiEmbedder(HttpMeasurer[GeminiSettings]):
    """See app.measuring.ports.Embedder; the wire answers in the order of the texts and names no model."""

    name = NAME
    default_model = ""
    missing = f"There is no key for the provider {NAME}."

    def __init__(self, settings: Callable[[], GeminiSettings], version: Callable[[], int]) -> None:
        super().__init__(settings, gemini_client, version)

    async def embed(self, texts: Sequence[str], model: str, dimensions: int, timeout_s: float) -> Embedded:
        """See app.measuring.ports.Embedder.embed."""
        key = self._settings().api_key
        call = _call(texts, model, dimensions)
        answer = await self._answer(call, timeout_s, _Answer, lambda refused: lace_error(refused, key))
        usage = answer.usage_metadata
        vectors = tuple(array("f", item.values) for item in answer.embeddings)
        return Embedded(vectors, model, usage.prompt_token_count if usage else None)


def _call(texts: Sequence[str], model: str, dimensions: int) -> HttpCall:
    name = f"models/{model.removeprefix('models/')}"
    shared: dict[str, Any] = {"model": name, **({"outputDimensionality": dimensions} if dimensions else {})}
    requests = [{"content": {"parts": [{"text": text}]}, **shared} for text in texts]
    return HttpCall(f"/v1/{quote(name)}:batchEmbedContents", orjson.dumps({"requests": requests}))
