"""The closed set of reasons: each has its status, and the exception carries what it was given."""

from __future__ import annotations

import re

import pytest

from lace_core.errors import REASONS, Detail, LaceError, Reason

_GRPC = {
    "CANCELLED": {409},
    "INVALID_ARGUMENT": {400, 415},
    "DEADLINE_EXCEEDED": {504},
    "NOT_FOUND": {404},
    "ALREADY_EXISTS": {409},
    "PERMISSION_DENIED": {403},
    "RESOURCE_EXHAUSTED": {413, 429},
    "FAILED_PRECONDITION": {409, 410, 422, 424, 502},
    "ABORTED": {409, 412},
    "UNIMPLEMENTED": {404, 405, 501},
    "INTERNAL": {500},
    "UNAVAILABLE": {503},
    "DATA_LOSS": {500},
    "UNAUTHENTICATED": {401},
}


def test_every_reason_is_described_and_nothing_else() -> None:
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_has_a_status_on_either_side_and_an_example(reason: Reason) -> None:
    spec = REASONS[reason]
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", reason)
    assert reason.name == reason.value
    assert spec.http_status in _GRPC[spec.grpc_code]
    assert spec.example.endswith((".", "?"))


def test_the_exception_carries_what_it_was_given() -> None:
    error = LaceError(Reason.RATE_LIMITED, "Too many.", details=[Detail("a", "b")], retryable=True, retry_after=2.5)
    assert (error.reason, error.message, str(error)) == (Reason.RATE_LIMITED, "Too many.", "Too many.")
    assert (error.details, error.retryable, error.retry_after) == ((Detail("a", "b"),), True, 2.5)
    assert repr(error) == "LaceError(RATE_LIMITED, 'Too many.')"


def test_by_default_nothing_is_promised() -> None:
    error = LaceError(Reason.INTERNAL, "x")
    assert (error.details, error.retryable, error.retry_after) == ((), False, None)
