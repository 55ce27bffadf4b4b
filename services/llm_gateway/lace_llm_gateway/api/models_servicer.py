"""ModelService over gRPC."""

from __future__ import annotations

from typing import Any

from lace.llm_gateway.v1 import models_pb2 as wire
from lace.llm_gateway.v1 import models_pb2_grpc
from lace_llm_gateway.api import convert_models as convert
from lace_llm_gateway.app.measuring.embed import embed
from lace_llm_gateway.app.measuring.measure import Measures
from lace_llm_gateway.app.measuring.rerank import rerank
from lace_platform.rpc import current_call


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Decodes, calls the use case, encodes."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    async def Embed(self, request: wire.EmbedRequest, context: Any) -> wire.EmbedResponse:
        """Turns texts into vectors."""
        caller = convert.caller_of(request, current_call())
        return convert.embed_response(*await embed(self._measures, caller, convert.embed_order(request)))

    async def Rerank(self, request: wire.RerankRequest, context: Any) -> wire.RerankResponse:
        """Orders documents by relevance."""
        caller = convert.caller_of(request, current_call())
        return convert.rerank_response(*await rerank(self._measures, caller, convert.rerank_order(request)))
