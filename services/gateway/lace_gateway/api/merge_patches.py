"""PATCH of a document as JSON Merge Patch (RFC 7396): the body goes on as it came, so that null is not lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import Response

from lace.runs.v1 import artifacts_pb2
from lace.runs.v1.artifacts_pb2_grpc import ArtifactServiceStub
from lace_core.errors import Detail, LaceError, Reason
from lace_gateway.api.exchange import exchange_of
from lace_gateway.api.rest_requests import read_body
from lace_gateway.api.rest_routes import JSON, Endpoint
from lace_gateway.domain.request_headers import entity_tag, idempotency_key_of, if_match_of
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.rpc import acting_as
from lace_proto.json import to_json

METHOD = "/lace.runs.v1.ArtifactService/PatchArtifact"
MEDIA_TYPE = "application/merge-patch+json"
_QUERY = ("branch", "message")


def or_merge_patch(
    by_actions: Endpoint, channel: grpc.aio.Channel, settings: Callable[[], GatewaySettings]
) -> Endpoint:
    """The endpoint that takes a merge patch where the content type says so, and actions else."""
    stub: Any = ArtifactServiceStub(channel)

    async def endpoint(request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != MEDIA_TYPE:
            return await by_actions(request)
        exchange, now = exchange_of(request.scope), settings()
        key = idempotency_key_of(exchange.headers.get("idempotency-key"))
        message = await _read(request, now)
        with acting_as(exchange.call(idempotency_key=key, deadline=time.monotonic() + now.deadline_s)):
            answer = await stub.MergePatchArtifact(message)
        headers = {"cache-control": "private, no-cache", "etag": entity_tag(answer.etag)}
        return Response(to_json(answer), 200, headers, JSON)

    endpoint.__name__ = "PatchArtifact"
    return endpoint


async def _read(request: Request, settings: GatewaySettings) -> artifacts_pb2.MergePatchArtifactRequest:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise LaceError(Reason.UNSUPPORTED_MEDIA_TYPE, "Send the body without a content encoding.")
    body = await read_body(request, settings.max_body_bytes)
    if not body.strip():
        raise LaceError(Reason.MALFORMED_JSON, "The body is empty; send a JSON object with what is to change.")
    unknown = [name for name in request.query_params if name not in _QUERY]
    if unknown:
        details = [Detail(f"/{name}", "no such parameter") for name in unknown]
        message = f"/{unknown[0]}: no such parameter; a merge patch takes {' and '.join(_QUERY)}."
        raise LaceError(Reason.UNKNOWN_FIELD, message, details=details)
    given = {name: request.query_params.get(name, "") for name in _QUERY}
    for name, text in given.items():
        if "\0" in text:
            raise LaceError(Reason.INVALID_ARGUMENT, f"/{name}: may not hold the character U+0000.")
    return artifacts_pb2.MergePatchArtifactRequest(
        artifact_id=request.path_params["artifact_id"],
        patch=body,
        etag=if_match_of(request.headers.get("if-match", "*")),
        **given,
    )
