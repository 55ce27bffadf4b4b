"""GET /v1/models: the models of the providers that can be used as things are, each as provider/model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import grpc
import orjson
from starlette.requests import Request
from starlette.responses import Response

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_gateway.api.openai_api.replies import Reply
from lace_gateway.api.rest_routes import JSON, Endpoint


def models_endpoint(channel: grpc.aio.Channel) -> Endpoint:
    """All of them."""
    stub = llm_gateway_pb2_grpc.ProviderServiceStub(channel)

    async def models(request: Request) -> Response:
        found = await stub.ListCapabilities(wire.ListCapabilitiesRequest())
        return Response(orjson.dumps({"object": "list", "data": list(_models(found))}), media_type=JSON)

    return models


def model_endpoint(channel: grpc.aio.Channel) -> Endpoint:
    """One of them by its name; raises LaceError MODEL_UNKNOWN."""
    stub = llm_gateway_pb2_grpc.ProviderServiceStub(channel)

    async def model(request: Request) -> Response:
        name = request.path_params["model"]
        for known in _models(await stub.ListCapabilities(wire.ListCapabilitiesRequest())):
            if known["id"] == name:
                return Response(orjson.dumps(known), media_type=JSON)
        raise LaceError(Reason.MODEL_UNKNOWN, f"There is no model {name[:200]}.")

    return model


def _models(found: wire.ListCapabilitiesResponse) -> Iterator[Reply]:
    """Those that write and those that embed; OpenAI's API knows no reranking."""
    for provider in found.providers:
        for model in provider.models if provider.configured else ():
            yield _model(provider.provider, model.model, model.price_date)
        for measuring in provider.measuring_models:
            if measuring.configured and measuring.kind == wire.MEASURING_KIND_EMBEDDING:
                yield _model(provider.provider, measuring.model, measuring.price_date)


def _model(provider: str, name: str, day: str) -> Reply:
    return {"id": f"{provider}/{name}", "object": "model", "created": _seconds(day), "owned_by": provider}


def _seconds(day: str) -> int:
    """The day from which what is known of a model holds; 0 where no day is named."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) if day else 0
