"""Which models embed, as the gateway lists them; the others are asked for one short text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from lace.llm_gateway.v1 import llm_gateway_pb2, llm_gateway_pb2_grpc
from lace_ingest.app.model_ports import Embedder, ModelCall
from lace_ingest.app.ports import Caller
from lace_ingest.domain.vectors import EmbeddingModel

_GOOD_FOR_S = 60.0
_TIMEOUT_S = 20.0
_PROBE = "How long are your vectors?"

_Listed = Mapping[str, Sequence[llm_gateway_pb2.MeasuringModel]]


class GatewayEmbeddingModels:
    """See app.model_ports.EmbeddingModels. `channel` carries the service's own identity."""

    def __init__(
        self, channel: grpc.aio.Channel, embedder: Embedder, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stub = llm_gateway_pb2_grpc.ProviderServiceStub(channel)
        self._embedder = embedder
        self._clock = clock
        self._listed: _Listed = {}
        self._until = float("-inf")
        self._measured: dict[tuple[str, str], int] = {}

    async def resolve(self, caller: Caller, settings: Mapping[str, Any]) -> EmbeddingModel | None:
        """See app.model_ports.EmbeddingModels.resolve."""
        provider, name = str(settings["llm.embedding_provider"]), str(settings.get("llm.embedding_model", ""))
        offered = (await self._models()).get(provider, ())
        for model in offered:
            if model.model == name or (not name and model.is_default):
                return EmbeddingModel(provider, model.model, model.dimensions) if model.configured else None
        # A model of a server of one's own is in no list; without a key or an address there is nothing to ask.
        if not name or not any(model.configured for model in offered):
            return None
        if (provider, name) not in self._measured:
            embedded = await self._embedder.embed(ModelCall(caller, settings, _TIMEOUT_S), [_PROBE])
            self._measured[provider, name] = embedded.model.dimensions
        return EmbeddingModel(provider, name, self._measured[provider, name])

    async def _models(self) -> _Listed:
        """Those that embed, by provider."""
        if self._clock() >= self._until:
            answer = await self._stub.ListCapabilities(llm_gateway_pb2.ListCapabilitiesRequest(), timeout=_TIMEOUT_S)
            self._listed = {
                provider.provider: [
                    model
                    for model in provider.measuring_models
                    if model.kind == llm_gateway_pb2.MEASURING_KIND_EMBEDDING
                ]
                for provider in answer.providers
            }
            self._until = self._clock() + _GOOD_FOR_S
        return self._listed
