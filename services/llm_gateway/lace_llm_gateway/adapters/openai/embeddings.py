"""OpenAI's embeddings, and those of any server that speaks the same: vLLM, Ollama, llama.cpp, Azure and others."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from urllib.parse import quote

import msgspec
import orjson

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http.measurer import HttpMeasurer
from lace_llm_gateway.adapters.http.wire import HttpCall
from lace_llm_gateway.adapters.openai.failures import lace_error
from lace_llm_gateway.adapters.openai.provider import NAME, OpenAISettings, openai_client
from lace_llm_gateway.domain.measures import Embedded


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]
    model: str = ""
    usage: _Usage | None = None


class OpenAIEmbedder(HttpMeasurer[OpenAISettings]):
    """See app.measuring.ports.Embedder."""

    name = NAME
    default_model = ""
    missing = f"There is no key for the provider {NAME}."

    def __init__(self, settings: Callable[[], OpenAISettings], version: Callable[[], int]) -> None:
        super().__init__(settings, openai_client, version)

    async def embed(self, texts: Sequence[str], model: str, dimensions: int, timeout_s: float) -> Embedded:
        """See app.measuring.ports.Embedder.embed."""
        settings = self._settings()
        call = _call(settings.api_version, texts, model, dimensions)
        answer = await self._answer(call, timeout_s, _Answer, lambda refused: lace_error(refused, settings.api_key))
        # In order by their own word; a place that is given twice or not at all is found by who counts them.
        ordered = sorted(answer.data, key=lambda item: item.index)
        if [item.index for item in ordered] != list(range(len(ordered))):
            raise LaceError(Reason.PROVIDER_OUTPUT_INVALID, "The provider's vectors are not in a whole order.")
        vectors = tuple(array("f", item.embedding) for item in ordered)
        return Embedded(vectors, answer.model or model, answer.usage.prompt_tokens if answer.usage else None)


def _call(version: str, texts: Sequence[str], model: str, dimensions: int) -> HttpCall:
    """The request; with a version of Azure's API the model is a deployment, and stands in the path."""
    body: dict[str, object] = {"model": model, "input": list(texts), "encoding_format": "float"}
    if dimensions:
        body["dimensions"] = dimensions
    place = f"/openai/deployments/{quote(model, safe='')}" if version else ""
    query = f"?api-version={quote(version)}" if version else ""
    return HttpCall(f"{place}/embeddings{query}", orjson.dumps(body))
