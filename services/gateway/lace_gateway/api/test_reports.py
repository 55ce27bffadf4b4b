"""GET /v1/artifacts/{artifact_id}/tests/{test_id}/junit.xml: what came of a test, as CI servers read it."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc
from starlette.requests import Request
from starlette.responses import Response

from lace.runs.v1 import suites_pb2, suites_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_gateway.api.exchange import exchange_of
from lace_gateway.api.rest_routes import Endpoint
from lace_gateway.domain.settings import GatewaySettings
from lace_platform.rpc import acting_as

PATH = "/v1/artifacts/{artifact_id}/tests/{test_id}/junit.xml"
MEDIA_TYPE = "application/xml"
_LONGEST_ID = 64


def report_endpoint(channel: grpc.aio.Channel, settings: Callable[[], GatewaySettings]) -> Endpoint:
    """The endpoint."""
    stub = suites_pb2_grpc.SuiteServiceStub(channel)

    async def report(request: Request) -> Response:
        artifact_id, test_id = request.path_params["artifact_id"], request.path_params["test_id"]
        if max(len(artifact_id), len(test_id)) > _LONGEST_ID:
            raise LaceError(Reason.TEST_NOT_FOUND, f"No id is longer than {_LONGEST_ID} characters.")
        asked = suites_pb2.GetTestReportRequest(artifact_id=artifact_id, test_id=test_id)
        exchange = exchange_of(request.scope)
        with acting_as(exchange.call(idempotency_key=None, deadline=time.monotonic() + settings().deadline_s)):
            found = await stub.GetTestReport(asked)
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        return Response(found.content, headers=headers, media_type=MEDIA_TYPE)

    return report
