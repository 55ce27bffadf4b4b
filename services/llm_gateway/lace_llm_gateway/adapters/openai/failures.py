"""What OpenAI and its likes refuse, as coded failures."""

from __future__ import annotations

from typing import Any

import orjson

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.wire import Refused

_TOO_LONG = ("context_length_exceeded", "string_above_max_length")


def lace_error(refused: Refused, key: str) -> LaceError:
    """The coded failure; its message never holds the key, which some servers repeat."""
    said, code = _said(refused.body)
    return _by_code(refused.status, code, said.replace(key, "[key]") if key else said) or failures.of_status(
        refused, failures.shortened(said.replace(key, "[key]") if key else said)
    )


def in_stream(error: Any) -> LaceError:
    """An error that came as an event of a stream."""
    found = error if isinstance(error, dict) else {}
    code = str(found.get("code") or found.get("type") or "")
    known = _by_code(429 if "quota" in code or "rate_limit" in code else 500, code, "")
    if known is None and "rate_limit" in code:
        return failures.of_status(Refused(429, {}, b""), "")
    return known or failures.failed_in_stream()


def _by_code(status: int, code: str, said: str) -> LaceError | None:
    if code == "insufficient_quota":
        return failures.credentials(status)
    if code in _TOO_LONG:
        return failures.too_long(failures.shortened(said))
    if code == "content_filter":
        return LaceError(Reason.PROVIDER_REFUSED, "The provider's filter refused the prompt.")
    return None


def _said(body: bytes) -> tuple[str, str]:
    """The server's own words and its code; both empty for a body that is no error of this wire."""
    try:
        error = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", ""
    error = error.get("error", error) if isinstance(error, dict) else {}
    if not isinstance(error, dict):
        return str(error), ""
    return str(error.get("message") or ""), str(error.get("code") or error.get("type") or "")
