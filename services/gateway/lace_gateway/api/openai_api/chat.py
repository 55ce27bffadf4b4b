"""POST /v1/chat/completions over Generate and StreamGenerate."""

from __future__ import annotations

from collections.abc import Callable, Collection

import grpc
import orjson
from starlette.requests import Request
from starlette.responses import Response

from lace.llm_gateway.v1 import llm_gateway_pb2 as wire
from lace.llm_gateway.v1 import llm_gateway_pb2_grpc
from lace_gateway.api.exchange import exchange_of
from lace_gateway.api.openai_api.caller import call_of, while_connected
from lace_gateway.api.openai_api.completion_stream import CompletionStream
from lace_gateway.api.openai_api.replies import completion
from lace_gateway.api.rest_requests import read_body
from lace_gateway.api.rest_routes import JSON, Endpoint
from lace_gateway.domain.chat_request import (
    ChatRequest,
    chat_request,
    max_output_tokens_of,
    output_schema_of,
    stops_of,
    temperature_of,
    texts_of,
)
from lace_gateway.domain.model_names import model_name
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.rpc import acting_as

# Text that a repair would replace has been told to the client already.
_STREAMED = '{"llm.repair_attempts":0}'


def chat_endpoint(
    channel: grpc.aio.Channel, settings: Callable[[], GatewaySettings], providers: Collection[str]
) -> Endpoint:
    """The endpoint; `providers` are the names that may stand before a model's."""
    stub = llm_gateway_pb2_grpc.GenerationServiceStub(channel)

    async def chat(request: Request) -> Response:
        now = settings()
        asked = chat_request(await read_body(request, now.max_body_bytes))
        order = generate_request(asked, providers)
        with acting_as(call_of(request, now)):
            if not asked.stream:
                answer = await while_connected(request.receive, stub.Generate(order))
                return Response(orjson.dumps(completion(answer)), media_type=JSON)
            events = stub.StreamGenerate(wire.StreamGenerateRequest(request=order))
            request_id = exchange_of(request.scope).request_id
            stream = CompletionStream(events, request_id, asked.model, with_usage=asked.wants_usage)
            # What goes wrong before the first token is told by the HTTP status.
            await while_connected(request.receive, stream.begin())
            return stream

    return chat


def generate_request(asked: ChatRequest, providers: Collection[str]) -> wire.GenerateRequest:
    """The call as the contract has it; raises LaceError INVALID_ARGUMENT."""
    name = model_name(asked.model, providers)
    schema = output_schema_of(asked)
    order = wire.GenerateRequest(
        messages=[wire.Message(role=role, content=text) for role, text in texts_of(asked)],
        provider=name.provider,
        model=name.model,
        max_output_tokens=max_output_tokens_of(asked),
        output_schema_json=schema,
        accept_partial=not schema,
        settings_json=_STREAMED if asked.stream and schema else "",
        stop=stops_of(asked),
        seed=asked.seed,
    )
    temperature = temperature_of(asked)
    if temperature is not None:
        order.temperature_milli = temperature
    return order
