"""One route for each HTTP binding of the contract: JSON in, one gRPC call, JSON out."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from lace_gateway.api.exchange import exchange_of
from lace_gateway.api.rest_requests import read_message, takes_format
from lace_gateway.domain.request_headers import entity_tag, idempotency_key_of, none_match
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.rpc import HTTP_STATUS, acting_as
from lace_proto.descriptors import RestMethod
from lace_proto.json import to_json

JSON = "application/json"
RUN_PATH = "/v1/runs/{run_id}"

Endpoint = Callable[[Request], Awaitable[Response]]


def service_name(method: RestMethod) -> str:
    """`runs` of lace.runs.v1.RunService: the service of the installation that answers the method."""
    return method.service.split(".")[1]


def in_matching_order(methods: Iterable[RestMethod]) -> list[RestMethod]:
    """So that each path finds its own route first: verbs before ids, words before parameters."""
    return sorted(methods, key=lambda method: [_rank(segment) for segment in method.path.split("/")])


def _rank(segment: str) -> int:
    return 0 if "{" not in segment else 1 if ":" in segment.rpartition("}")[2] else 2


def rest_endpoint(
    method: RestMethod,
    channel: grpc.aio.Channel,
    settings: Callable[[], GatewaySettings],
    locations: Mapping[str, str],
) -> Endpoint:
    """The endpoint of a method; `locations` gives the path of a resource by the full name of its message."""
    call: Any = channel.unary_unary(
        method.full_name,
        request_serializer=method.input_class.SerializeToString,
        response_deserializer=method.output_class.FromString,
    )
    answer = _answerer(method, locations)

    async def endpoint(request: Request) -> Response:
        exchange = exchange_of(request.scope)
        now = settings()
        key = idempotency_key_of(exchange.headers.get("idempotency-key")) if method.rest.idempotent else None
        message = await read_message(method, request, now)
        seconds = now.model_deadline_s if method.rest.waits_for_model else now.deadline_s
        with acting_as(exchange.call(idempotency_key=key, deadline=time.monotonic() + seconds)):
            if not method.rest.other_status:
                return answer(request, await call(message), method.rest.success_status)
            said: dict[str, Any] = {}
            found = await call(message, trailers=said)
            return answer(request, found, _status(method, said))

    endpoint.__name__ = method.name
    return endpoint


def resource_paths(methods: Iterable[RestMethod]) -> dict[str, str]:
    """Where a resource is, by its message's full name: the GET whose path holds fields of the message alone."""
    return {
        method.output.full_name: method.path
        for method in methods
        if method.http_verb == "GET"
        and method.path_fields
        and all(parameter.name in method.output.fields_by_name for parameter in method.path_fields)
    }


def location_of(method: RestMethod, locations: Mapping[str, str]) -> str | None:
    """Path template of what the method made or started; None where it has no address of its own."""
    if method.rest.success_status == 201 or method.rest.other_status == 202:
        return locations.get(method.output.full_name)
    if method.rest.success_status == 202:
        return RUN_PATH if "run_id" in method.output.fields_by_name else locations.get(method.output.full_name)
    return None


def _status(method: RestMethod, said: Mapping[str, Any]) -> int:
    """The other status of success where the server chose it."""
    chosen = said.get(HTTP_STATUS) == str(method.rest.other_status)
    return method.rest.other_status if chosen else method.rest.success_status


def _answerer(method: RestMethod, locations: Mapping[str, str]) -> Callable[[Request, Message, int], Response]:
    location = location_of(method, locations)
    is_rendered = takes_format(method)
    has_etag = method.rest.etag and "etag" in method.output.fields_by_name

    def answer(request: Request, message: Any, status: int) -> Response:
        if status == 204:
            return Response(status_code=204)
        headers = {"cache-control": "private, no-cache" if has_etag else "no-store"}
        if method.rest.at_once and not message.run_id:
            return Response(to_json(message), 200, headers, JSON)
        if location:
            values = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
            headers["location"] = location.format_map(values)
        if has_etag and message.etag:
            headers["etag"] = entity_tag(message.etag)
            if method.http_verb == "GET" and none_match(request.headers.get("if-none-match", ""), message.etag):
                return Response(status_code=304, headers=headers)
        if is_rendered:
            headers["vary"] = "accept"
            if message.next_page_token:
                headers["link"] = f'<{_next_page(request, message.next_page_token)}>; rel="next"'
            if message.rendered:
                return Response(message.rendered, status, headers, message.media_type)
        return Response(to_json(message), status, headers, JSON)

    return answer


def _next_page(request: Request, token: str) -> str:
    """The address of the next page, relative to the host (RFC 8288)."""
    url = request.url.include_query_params(page_token=token)
    return f"{url.path}?{url.query}"
