"""What the SDK raises, as coded failures: which can be tried again is decided here, by kind and status alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from lace_core.errors import LaceError, Reason

_LONGEST = 300
_LONGEST_WAIT_S = 3600.0
_TOO_LONG = ("context_length_exceeded", "string_above_max_length")


def lace_error(error: Any) -> LaceError:
    """The coded failure; its message never holds a key or a header."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider did not answer in time.", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        return LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider cannot be reached.", retryable=True)
    if isinstance(error, openai.APIStatusError):
        return _of_status(error)
    # What is left is an answer that the SDK could not read.
    return LaceError(Reason.PROVIDER_OUTPUT_INVALID, "The server's answer cannot be read.", retryable=True)


def _of_status(error: Any) -> LaceError:
    status, code = error.status_code, getattr(error, "code", None) or ""
    said = _said(error)
    if status == 429 and code != "insufficient_quota":
        return LaceError(
            Reason.PROVIDER_RATE_LIMITED,
            "The provider takes no more calls just now.",
            retryable=True,
            retry_after=retry_after(error.response.headers.get("retry-after", "")),
        )
    if status in (401, 402, 403, 429):
        return LaceError(Reason.PROVIDER_CREDENTIALS, f"The provider refused the key or the account ({status}).")
    if status == 404:
        return LaceError(Reason.MODEL_UNKNOWN, f"The server does not know the model or the address: {said}")
    if status == 400 and code in _TOO_LONG:
        return LaceError(Reason.CONTEXT_TOO_LONG, f"The provider says that the prompt is too long: {said}")
    if status in (400, 413, 422):
        return LaceError(Reason.INVALID_ARGUMENT, f"The provider refused the request ({status}): {said}")
    wait = retry_after(error.response.headers.get("retry-after", ""))
    return LaceError(Reason.PROVIDER_UNAVAILABLE, f"The provider failed ({status}).", retryable=True, retry_after=wait)


def retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header, a number or a date; None where there is none that makes sense."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (aware - datetime.now(UTC)).total_seconds()
    return min(seconds, _LONGEST_WAIT_S) if seconds >= 0 else None


def _said(error: Any) -> str:
    """The server's own words, without the key: some servers repeat the one they were called with."""
    body = getattr(error, "body", None)
    text = body.get("message", "") if isinstance(body, dict) else ""
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ")
    return (str(text).replace(key, "[key]") if key else str(text))[:_LONGEST]
