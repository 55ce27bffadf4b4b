"""OpenAI's embeddings, and those of any server that speaks the same: vLLM, Ollama, llama.cpp, Azure and others."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from urllib.parse import quote

import msgspec
import orjson

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.renewed import RenewedClient
from lace_llm_gateway.adapters.http.wire import HttpCall, Refused
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


class OpenAIEmbedder:
    """See app.measuring.ports.Embedder."""

    name = NAME

    default_model = ""

    def __init__(self, settings: Callable[[], OpenAISettings], version: Callable[[], int]) -> None:
        """Settings are read again when the version of the secrets changes."""
        self._settings = settings
        self._client = RenewedClient(lambda: openai_client(settings()), version)

    def configured(self, model: str) -> bool:
        """Whether there is a key, or a server of one's own."""
        return self._client.current() is not None

    async def count(self, texts: Sequence[str], model: str) -> Sequence[int] | None:
        """None: the table of the model's family is the gateway's own."""
        return None

    async def embed(self, texts: Sequence[str], model: str, dimensions: int, timeout_s: float) -> Embedded:
        """See app.measuring.ports.Embedder.embed."""
        client = self._client.current()
        if client is None:
            raise LaceError(Reason.PROVIDER_CREDENTIALS, f"There is no key for the provider {NAME}.")
        settings = self._settings()
        try:
            async with client.post(_call(settings.api_version, texts, model, dimensions), timeout_s) as response:
                answer = msgspec.json.decode(await response.body(), type=_Answer)
        except Refused as refused:
            raise lace_error(refused, settings.api_key) from None
        except ValueError:  # msgspec's own errors are such
            raise failures.no_answer() from None
        # In order by their own word; a place that is given twice or not at all is found by who counts them.
        ordered = sorted(answer.data, key=lambda item: item.index)
        if [item.index for item in ordered] != list(range(len(ordered))):
            raise LaceError(Reason.PROVIDER_OUTPUT_INVALID, "The provider's vectors are not in a whole order.")
        vectors = tuple(array("f", item.embedding) for item in ordered)
        return Embedded(vectors, answer.model or model, answer.usage.prompt_tokens if answer.usage else None)

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()


def _call(version: str, texts: Sequence[str], model: str, dimensions: int) -> HttpCall:
    """The request; with a version of Azure's API the model is a deployment, and stands in the path."""
    body: dict[str, object] = {"model": model, "input": list(texts), "encoding_format": "float"}
    if dimensions:
        body["dimensions"] = dimensions
    place = f"/openai/deployments/{quote(model, safe='')}" if version else ""
    query = f"?api-version={quote(version)}" if version else ""
    return HttpCall(f"{place}/embeddings{query}", orjson.dumps(body))
