"""Gemini's embeddings: many texts in one call of batchEmbedContents."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.gemini.failures import lace_error
from lace_llm_gateway.adapters.gemini.provider import NAME, GeminiSettings, gemini_client
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.renewed import RenewedClient
from lace_llm_gateway.adapters.http.wire import HttpCall, Refused
from lace_llm_gateway.domain.measures import Embedded


class _Item(msgspec.Struct):
    values: list[float]


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Answer(msgspec.Struct, rename="camel"):
    embeddings: list[_Item]
    usage_metadata: _Usage | None = None


class GeminiEmbedder:
    """See app.measuring.ports.Embedder; the wire answers in the order of the texts and names no model."""

    name = NAME

    default_model = ""

    def __init__(self, settings: Callable[[], GeminiSettings], version: Callable[[], int]) -> None:
        """Settings are read again when the version of the secrets changes."""
        self._settings = settings
        self._client = RenewedClient(lambda: gemini_client(settings()), version)

    def configured(self, model: str) -> bool:
        """Whether there is a key."""
        return self._client.current() is not None

    async def count(self, texts: Sequence[str], model: str) -> Sequence[int] | None:
        """None: the bound for the model's family is the gateway's own."""
        return None

    async def embed(self, texts: Sequence[str], model: str, dimensions: int, timeout_s: float) -> Embedded:
        """See app.measuring.ports.Embedder.embed."""
        client = self._client.current()
        if client is None:
            raise LaceError(Reason.PROVIDER_CREDENTIALS, f"There is no key for the provider {NAME}.")
        try:
            async with client.post(_call(texts, model, dimensions), timeout_s) as response:
                answer = msgspec.json.decode(await response.body(), type=_Answer)
        except Refused as refused:
            raise lace_error(refused, self._settings().api_key) from None
        except ValueError:  # msgspec's own errors are such
            raise failures.no_answer() from None
        usage = answer.usage_metadata
        vectors = tuple(array("f", item.values) for item in answer.embeddings)
        return Embedded(vectors, model, usage.prompt_token_count if usage else None)

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()


def _call(texts: Sequence[str], model: str, dimensions: int) -> HttpCall:
    name = f"models/{model.removeprefix('models/')}"
    shared: dict[str, Any] = {"model": name, **({"outputDimensionality": dimensions} if dimensions else {})}
    requests = [{"content": {"parts": [{"text": text}]}, **shared} for text in texts]
    return HttpCall(f"/v1/{quote(name)}:batchEmbedContents", orjson.dumps({"requests": requests}))
