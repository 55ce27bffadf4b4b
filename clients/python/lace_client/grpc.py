"""The services by gRPC, for programs that can reach them directly: the identity that the generated stubs need.

async with grpc.aio.insecure_channel("127.0.0.1:7101") as control, grpc.aio.insecure_channel(…) as runs:
    caller = GrpcCaller(control, "lace_…")
    stub = runs_pb2_grpc.RunServiceStub(runs)
    run = await stub.GetRun(runs_pb2.GetRunRequest(run_id="run_…"), metadata=await caller.metadata())
"""

from __future__ import annotations

import asyncio
import time
import uuid

import grpc
from google.rpc import error_details_pb2, status_pb2

from lace.control.v1 import control_pb2, control_pb2_grpc
from lace_client.transport import LaceApiError
from lace_core.errors import REASONS, Detail, Reason

_RENEW_BEFORE_S = 30.0
_STATUS = "grpc-status-details-bin"
_UNREACHED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class GrpcCaller:
    """The holder of a token as services know him: control turns the token into a signed identity of some minutes."""

    def __init__(self, control: grpc.aio.Channel, token: str) -> None:
        self._auth = control_pb2_grpc.AuthServiceStub(control)
        self._request = control_pb2.AuthenticateRequest(bearer=token)
        self._lock = asyncio.Lock()
        self._identity = ""
        self._renew_at = 0.0

    async def metadata(self, *, idempotency_key: str | None = None) -> tuple[tuple[str, str], ...]:
        """What a call carries; give mutations a key. Raises grpc.aio.AioRpcError, as calls do: see `error_of`."""
        async with self._lock:
            if time.time() >= self._renew_at:
                answer = await self._auth.Authenticate(self._request)
                self._identity = answer.identity
                self._renew_at = answer.expires_at.ToNanoseconds() / 1e9 - _RENEW_BEFORE_S
        found = (("authorization", f"Bearer {self._identity}"), ("x-request-id", f"req_{uuid.uuid4().hex}"))
        return (*found, ("idempotency-key", idempotency_key)) if idempotency_key else found


def error_of(failure: grpc.aio.AioRpcError) -> LaceApiError:
    """What the service said went wrong, as the REST client would raise it."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for key, value in failure.trailing_metadata() or ():
        if key == _STATUS and isinstance(value, bytes):
            for packed in status_pb2.Status.FromString(value).details:
                packed.Unpack(info)
                packed.Unpack(bad)
    unreached = not info.reason and failure.code() in _UNREACHED
    unknown = Reason.SERVICE_UNAVAILABLE if unreached else Reason.INTERNAL
    reason = Reason(info.reason) if info.reason in REASONS else unknown
    return LaceApiError(
        reason,
        failure.details() or failure.code().name,
        error_code=info.reason or reason.value,
        status=REASONS[reason].http_status,
        correlation_id=info.metadata.get("correlation_id", ""),
        details=tuple(Detail(violation.field, violation.description) for violation in bad.field_violations),
        retryable=unreached or info.metadata.get("retryable") == "true",
    )
