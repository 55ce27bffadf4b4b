"""LaceError survives the way through google.rpc.Status; gRPC's own failures become LaceError."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from lace_core.errors import REASONS, Detail, LaceError, Reason
from lace_platform.rpc.errors import DOMAIN, STATUS_DETAILS, code_of, error_of, status_of

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def _failure(code: grpc.StatusCode, details: bytes | None = None) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata()
    if details is not None:
        trailing.add(STATUS_DETAILS, details)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, "said gRPC")


@given(
    reason=st.sampled_from(Reason),
    message=_TEXT,
    details=st.lists(st.builds(Detail, _TEXT, _TEXT), max_size=3),
    retryable=st.booleans(),
    retry_after=st.none() | st.sampled_from([0.0, 0.5, 20.0]),
)
def test_every_error_round_trips(
    reason: Reason, message: str, details: list[Detail], retryable: bool, retry_after: float | None
) -> None:
    error = LaceError(reason, message, details=details, retryable=retryable, retry_after=retry_after)
    rebuilt = error_of(_failure(code_of(error), status_of(error, "cor").SerializeToString()))
    assert (rebuilt.reason, rebuilt.message, rebuilt.details) == (reason, message, tuple(details))
    assert (rebuilt.retryable, rebuilt.retry_after) == (retryable, retry_after)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_code_that_is_a_failure(reason: Reason) -> None:
    error = LaceError(reason, "")
    assert code_of(error) is not grpc.StatusCode.OK
    assert status_of(error).code == code_of(error).value[0]
    assert REASONS[reason].grpc_code == code_of(error).name


def test_status_carries_the_standard_details() -> None:
    error = LaceError(Reason.RATE_LIMITED, "slow down", details=[Detail("/a", "b")], retry_after=1.5, retryable=True)
    status = status_of(error, "cor_1")
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for message, packed in zip((info, bad, retry), status.details, strict=True):
        assert packed.Unpack(message)
    assert (info.reason, info.domain) == ("RATE_LIMITED", "lace")
    assert dict(info.metadata) == {"retryable": "true", "correlation_id": "cor_1"}
    assert retry.retry_delay.ToMilliseconds() == 1500


@pytest.mark.parametrize(
    ("code", "reason", "retryable"),
    [
        (grpc.StatusCode.UNAVAILABLE, Reason.SERVICE_UNAVAILABLE, True),
        (grpc.StatusCode.CANCELLED, Reason.SERVICE_UNAVAILABLE, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED, True),
        (grpc.StatusCode.UNIMPLEMENTED, Reason.NOT_AVAILABLE_YET, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.BODY_TOO_LARGE, False),
        (grpc.StatusCode.UNKNOWN, Reason.INTERNAL, False),
        (grpc.StatusCode.DATA_LOSS, Reason.INTERNAL, False),
    ],
)
def test_failures_of_grpc_itself(code: grpc.StatusCode, reason: Reason, retryable: bool) -> None:
    error = error_of(_failure(code), "runs")
    assert (error.reason, error.retryable) == (reason, retryable)
    assert "said gRPC" not in error.message


def test_reasons_of_a_newer_server_become_internal_with_their_message() -> None:
    status = status_pb2.Status(code=9, message="too new")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="NOT_INVENTED_YET", domain=DOMAIN))
    error = error_of(_failure(grpc.StatusCode.FAILED_PRECONDITION, status.SerializeToString()))
    assert (error.reason, error.message) == (Reason.INTERNAL, "too new")


@pytest.mark.parametrize("details", [b"\xff\xff", b"", status_pb2.Status(message="x").SerializeToString()])
def test_details_that_are_not_ours_are_left_alone(details: bytes) -> None:
    assert error_of(_failure(grpc.StatusCode.UNAVAILABLE, details)).reason is Reason.SERVICE_UNAVAILABLE
