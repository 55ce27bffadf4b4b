"""What Anthropic refuses, as coded failures."""

from __future__ import annotations

import re
from typing import Any

import orjson

from lace_core.errors import LaceError
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.wire import Refused

_STATUS = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
}
_TOO_LONG = re.compile(r"prompt is too long|exceed context limit|context window", re.IGNORECASE)
_BALANCE = re.compile(r"credit balance", re.IGNORECASE)


def lace_error(refused: Refused, key: str) -> LaceError:
    """The coded failure; its message never holds the key."""
    error = _error(refused.body)
    said = failures.shortened(str(error.get("message") or "").replace(key or "\0", "[key]"))
    if refused.status == 400 and _BALANCE.search(said):
        return failures.credentials(refused.status)
    if refused.status in (400, 413) and _TOO_LONG.search(said):
        return failures.too_long(said)
    return failures.of_status(refused, said)


def in_stream(error: Any) -> LaceError:
    """An error that came as an event of a stream, where there is no status any more."""
    kind = error.get("type") if isinstance(error, dict) else None
    if kind in _STATUS:
        return failures.of_status(Refused(_STATUS[kind], {}, b""), "")
    return failures.failed_in_stream()


def _error(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}
