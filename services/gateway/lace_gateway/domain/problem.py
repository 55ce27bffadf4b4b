"""The one error envelope: RFC 9457 members and ours, from a LaceError."""

from __future__ import annotations

import math
from typing import Any

from lace_core.errors import REASONS, LaceError, Reason

MEDIA_TYPE = "application/problem+json"
CATALOGUE_PATH = "/docs/errors"


def status_of(error: LaceError) -> int:
    """The HTTP status of the error's reason."""
    return REASONS[error.reason].http_status


def problem_of(error: LaceError, *, instance: str, correlation_id: str) -> dict[str, Any]:
    """The envelope as JSON values; `instance` is the path of the request."""
    return {
        "type": f"{CATALOGUE_PATH}#{error.reason.value}",
        "title": title_of(error.reason),
        "status": status_of(error),
        "detail": error.message,
        "instance": instance,
        "error_code": error.reason.value,
        "message": error.message,
        "details": [{"field": detail.field, "description": detail.description} for detail in error.details],
        "correlation_id": correlation_id,
        "retryable": error.retryable,
    }


def headers_of(error: LaceError) -> dict[str, str]:
    """Response headers that the error calls for."""
    found: dict[str, str] = {}
    if error.retry_after is not None:
        found["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if status_of(error) == 401:
        found["www-authenticate"] = f'Bearer realm="lace", error="{_BEARER_ERRORS.get(error.reason, "invalid_token")}"'
    return found


def title_of(reason: Reason) -> str:
    """The reason in words: `Run not found`."""
    return reason.value.replace("_", " ").capitalize()


_BEARER_ERRORS = {Reason.TOKEN_MISSING: "invalid_request"}
