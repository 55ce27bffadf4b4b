"""The error side of the API document: the envelope's schema, and one response per status with its codes."""

from __future__ import annotations

from typing import Any

from lace_core.errors import REASONS, Detail, LaceError, Reason
from lace_gateway.domain.problem import MEDIA_TYPE, problem_of

Schema = dict[str, Any]

PROBLEM = "Problem"
_REFERENCE = "#/components/responses/"
_DETAILS = {
    Reason.UNKNOWN_FIELD: [Detail("/titel", "no such field; did you mean title?")],
    Reason.INVALID_ARGUMENT: [Detail("/title", "value length must be at most 300 characters")],
}
_NAMES = {
    400: "BadRequest",
    401: "Unauthenticated",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    422: "Unprocessable",
    424: "FailedDependency",
    429: "TooManyRequests",
    500: "Internal",
    501: "NotAvailableYet",
    502: "BadAnswer",
    503: "Unavailable",
    504: "TimedOut",
}


def error_responses(*statuses: int) -> Schema:
    """References for an operation that may answer with these statuses, and with others of the same form."""
    found: Schema = {str(status): {"$ref": _REFERENCE + _NAMES[status]} for status in sorted(set(statuses))}
    return {**found, "default": {"$ref": _REFERENCE + "Problem"}}


def response_components() -> dict[str, Schema]:
    """components/responses: one for each status that a reason has, and one for any."""
    by_status: dict[int, list[Reason]] = {}
    for reason, spec in REASONS.items():
        by_status.setdefault(spec.http_status, []).append(reason)
    found = {_NAMES[status]: _response(reasons) for status, reasons in sorted(by_status.items())}
    return {**found, "Problem": _response(list(REASONS)[:1], "Any other failure, in the same form.")}


def problem_schema() -> Schema:
    """The envelope; `error_code` is a closed set."""
    text = {"type": "string"}
    codes = [reason.value for reason in REASONS]
    properties: dict[str, Schema] = {
        "type": {**text, "format": "uri-reference", "description": "Where the error code is explained."},
        "title": {**text, "description": "The error code in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
        "detail": {**text, "description": "What went wrong and what to do; the same as message."},
        "instance": {**text, "description": "Path of the request."},
        "error_code": {
            **text,
            "enum": codes,
            "description": "Stable code of the cause.",
        },
        "message": {**text, "description": "What went wrong and what to do."},
        "details": {"type": "array", "items": _detail_schema(), "description": "Each rule that was broken."},
        "correlation_id": {**text, "description": "Quote it when you ask for help; it is in every log line."},
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
    }
    return {
        "type": "object",
        "description": "What every failure looks like (RFC 9457).",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _detail_schema() -> Schema:
    return {
        "type": "object",
        "description": "One broken rule.",
        "properties": {
            "field": {"type": "string", "description": "JSON Pointer into the body, or the parameter's name."},
            "description": {"type": "string", "description": "What is wrong with it."},
        },
        "required": ["field", "description"],
        "additionalProperties": False,
    }


def _response(reasons: list[Reason], summary: str = "") -> Schema:
    codes = "\n".join(f"- `{reason.value}`: {REASONS[reason].example}" for reason in reasons)
    return {
        "description": summary or f"One of:\n\n{codes}",
        "headers": {"X-Correlation-Id": {"$ref": "#/components/headers/CorrelationId"}},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": f"#/components/schemas/{PROBLEM}"},
                "examples": {reason.value: {"value": _example(reason)} for reason in reasons},
            }
        },
    }


def _example(reason: Reason) -> Schema:
    error = LaceError(reason, REASONS[reason].example, details=_DETAILS.get(reason, ()))
    return problem_of(error, instance="/v1/runs/generate", correlation_id="req_01kahx5b7m0p3s6v9x2a5d8g1j")
