"""POST /v1/embeddings over Embed."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Callable, Collection
from typing import Any

import grpc
import orjson
from starlette.requests import Request
from starlette.responses import Response

from lace.llm_gateway.v1 import models_pb2 as wire
from lace.llm_gateway.v1 import models_pb2_grpc
from lace_gateway.api.openai_api.caller import call_of, while_connected
from lace_gateway.api.openai_api.replies import model_of
from lace_gateway.api.rest_requests import read_body
from lace_gateway.api.rest_routes import JSON, Endpoint
from lace_gateway.domain.embeddings_request import EmbeddingsRequest, embeddings_request, inputs_of
from lace_gateway.domain.model_names import model_name
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.rpc import acting_as


def embeddings_endpoint(
    channel: grpc.aio.Channel, settings: Callable[[], GatewaySettings], providers: Collection[str]
) -> Endpoint:
    """The endpoint; `providers` are the names that may stand before a model's."""
    stub = models_pb2_grpc.ModelServiceStub(channel)

    async def embeddings(request: Request) -> Response:
        now = settings()
        asked = embeddings_request(await read_body(request, now.max_body_bytes))
        order = _embed_request(asked, providers)
        with acting_as(call_of(request, now)):
            answer = await while_connected(request.receive, stub.Embed(order))
        return Response(_reply(answer, asked.encoding_format == "base64"), media_type=JSON)

    return embeddings


def _embed_request(asked: EmbeddingsRequest, providers: Collection[str]) -> wire.EmbedRequest:
    name = model_name(asked.model, providers)
    return wire.EmbedRequest(
        texts=inputs_of(asked), provider=name.provider, model=name.model, dimensions=asked.dimensions or 0
    )


def _reply(answer: wire.EmbedResponse, in_base64: bool) -> bytes:
    encode: Callable[[Any], Any] = _base64 if in_base64 else list
    data = [
        {"object": "embedding", "index": index, "embedding": encode(embedding.values)}
        for index, embedding in enumerate(answer.embeddings)
    ]
    tokens = answer.call.input_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": model_of(answer.call), "usage": usage})


def _base64(values: Any) -> str:
    """Little-endian float32, which is what OpenAI's clients ask for and read by themselves."""
    packed = array("f", values)
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode()
