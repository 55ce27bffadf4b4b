"""The one translation between LaceError and gRPC's status: to the wire on servers, back on clients."""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from lace_core.errors import REASONS, Detail, LaceError, Reason

DOMAIN = "lace"
STATUS_DETAILS = "grpc-status-details-bin"
_CODES: dict[str, grpc.StatusCode] = {code.name: code for code in grpc.StatusCode}

# What a status means that did not come from one of our servers' own errors, but from gRPC itself or a proxy.
_FOREIGN: dict[grpc.StatusCode, tuple[Reason, bool]] = {
    grpc.StatusCode.UNAVAILABLE: (Reason.SERVICE_UNAVAILABLE, True),
    grpc.StatusCode.CANCELLED: (Reason.SERVICE_UNAVAILABLE, True),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Reason.DEADLINE_EXCEEDED, True),
    grpc.StatusCode.UNAUTHENTICATED: (Reason.TOKEN_INVALID, False),
    grpc.StatusCode.PERMISSION_DENIED: (Reason.PERMISSION_DENIED, False),
    grpc.StatusCode.UNIMPLEMENTED: (Reason.NOT_AVAILABLE_YET, False),
    grpc.StatusCode.INVALID_ARGUMENT: (Reason.INVALID_ARGUMENT, False),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (Reason.BODY_TOO_LARGE, False),  # a message above the channel's limit
}


def code_of(error: LaceError) -> grpc.StatusCode:
    """The gRPC code of the error's reason."""
    return _CODES[REASONS[error.reason].grpc_code]


def status_of(error: LaceError, correlation_id: str = "") -> status_pb2.Status:
    """google.rpc.Status with ErrorInfo always, BadRequest where there are details, RetryInfo where waiting helps."""
    info = error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN)
    info.metadata["retryable"] = "true" if error.retryable else "false"
    if correlation_id:
        info.metadata["correlation_id"] = correlation_id
    packed: list[AnyMessage] = [_pack(info)]
    if error.details:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=detail.field, description=detail.description)
            for detail in error.details
        ]
        packed.append(_pack(error_details_pb2.BadRequest(field_violations=violations)))
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after * 1e9))
        packed.append(_pack(retry))
    code = code_pb2.Code.Value(REASONS[error.reason].grpc_code)
    return status_pb2.Status(code=code, message=error.message, details=packed)


def error_of(failure: grpc.aio.AioRpcError, service: str = "") -> LaceError:
    """The LaceError that the server raised, rebuilt; or one that says what gRPC itself reported."""
    for key, value in failure.trailing_metadata() or ():
        if key == STATUS_DETAILS and isinstance(value, bytes):
            rebuilt = _rebuild(value)
            if rebuilt is not None:
                return rebuilt
    return _foreign(failure, service)


def _rebuild(data: bytes) -> LaceError | None:
    """None where the details are not ours."""
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    try:
        status = status_pb2.Status.FromString(data)
        for packed in status.details:
            for message in (info, bad, retry):
                packed.Unpack(message)  # leaves the message alone where its type is another one
    except DecodeError:
        return None
    if info.domain != DOMAIN:
        return None
    return LaceError(
        # A server that is newer than this client may have reasons that are not known here.
        Reason(info.reason) if info.reason in REASONS else Reason.INTERNAL,
        status.message,
        details=[Detail(violation.field, violation.description) for violation in bad.field_violations],
        retryable=info.metadata.get("retryable") == "true",
        retry_after=retry.retry_delay.ToNanoseconds() / 1e9 if retry.HasField("retry_delay") else None,
    )


def _foreign(failure: grpc.aio.AioRpcError, service: str) -> LaceError:
    reason, retryable = _FOREIGN.get(failure.code(), (Reason.INTERNAL, False))
    named = f"The service {service}" if service else "The service"
    if reason is Reason.SERVICE_UNAVAILABLE:
        return LaceError(reason, f"{named} cannot be reached; try again.", retryable=True, retry_after=1.0)
    if reason is Reason.DEADLINE_EXCEEDED:
        return LaceError(reason, "The call took longer than its deadline.", retryable=True)
    if reason is Reason.BODY_TOO_LARGE:
        return LaceError(reason, "The message is larger than a call may carry.")
    return LaceError(reason, f"{named} answered {failure.code().name}.", retryable=retryable)


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
