"""OpenAI's error envelope, from a LaceError: {"error": {message, type, param, code}}.

Their clients choose the exception by the HTTP status, and try again on 408, 409, 429 and 5xx unless the header
x-should-retry says otherwise: here the error itself says whether that can help.
"""

from __future__ import annotations

from typing import Any

from lace_core.errors import LaceError, Reason
from lace_gateway.domain.problem import headers_of, status_of

# Where OpenAI has another status or a code that programs look for.
_STATUSES = {
    Reason.CONTEXT_TOO_LONG: 400,
    Reason.MODEL_UNKNOWN: 404,
    Reason.PROVIDER_UNKNOWN: 404,
    Reason.UNKNOWN_FIELD: 400,
}
_CODES = {
    Reason.CONTEXT_TOO_LONG: "context_length_exceeded",
    Reason.MODEL_UNKNOWN: "model_not_found",
    Reason.PROVIDER_UNKNOWN: "model_not_found",
    Reason.PROVIDER_RATE_LIMITED: "rate_limit_exceeded",
    Reason.RATE_LIMITED: "rate_limit_exceeded",
    Reason.QUOTA_EXCEEDED: "insufficient_quota",
    Reason.TOKEN_MISSING: "invalid_api_key",
    Reason.TOKEN_INVALID: "invalid_api_key",
    Reason.TOKEN_EXPIRED: "invalid_api_key",
    Reason.TOKEN_REVOKED: "invalid_api_key",
}
# The first mistake of whoever comes from OpenAI: a model's bare name, which is one of the settings' provider here.
_ADVICE = {Reason.MODEL_UNKNOWN: " Name it as provider/model; GET /v1/models lists them."}
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def openai_status_of(error: LaceError) -> int:
    """The HTTP status that OpenAI's clients expect of such an error."""
    return _STATUSES.get(error.reason, status_of(error))


def openai_error_of(error: LaceError) -> dict[str, Any]:
    """The envelope; `code` is OpenAI's where it has one, and ours in lower case else; `error_code` is always ours."""
    status = openai_status_of(error)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {
        "error": {
            "message": error.message + _ADVICE.get(error.reason, ""),
            "type": kind,
            "param": error.details[0].field.removeprefix("/") or None if error.details else None,
            "code": _CODES.get(error.reason, error.reason.value.lower()),
            "error_code": error.reason.value,
            "retryable": error.retryable,
        }
    }


def openai_headers_of(error: LaceError) -> dict[str, str]:
    """Response headers that the error calls for."""
    return {**headers_of(error), "x-should-retry": "true" if error.retryable else "false"}
