"""The one error envelope."""

from __future__ import annotations

from lace_core.errors import REASONS, Detail, LaceError, Reason
from lace_gateway.domain.problem import headers_of, problem_of, status_of


def test_the_envelope() -> None:
    error = LaceError(Reason.UNKNOWN_FIELD, "/titel: no such field.", details=[Detail("/titel", "no such field")])
    assert problem_of(error, instance="/v1/runs/generate", correlation_id="cor_1") == {
        "type": "/docs/errors#UNKNOWN_FIELD",
        "title": "Unknown field",
        "status": 400,
        "detail": "/titel: no such field.",
        "instance": "/v1/runs/generate",
        "error_code": "UNKNOWN_FIELD",
        "message": "/titel: no such field.",
        "details": [{"field": "/titel", "description": "no such field"}],
        "correlation_id": "cor_1",
        "retryable": False,
    }


def test_every_reason_has_a_status_of_failure() -> None:
    for reason in Reason:
        assert 400 <= status_of(LaceError(reason, "x")) <= 599
        assert REASONS[reason].http_status == status_of(LaceError(reason, "x"))


def test_waiting_is_said_in_whole_seconds() -> None:
    assert headers_of(LaceError(Reason.RATE_LIMITED, "x", retry_after=0.2)) == {"retry-after": "1"}
    assert headers_of(LaceError(Reason.RATE_LIMITED, "x", retry_after=2.1)) == {"retry-after": "3"}
    assert headers_of(LaceError(Reason.RATE_LIMITED, "x")) == {}
