"""What Gemini refuses, as coded failures."""

from __future__ import annotations

import re
from typing import Any

import orjson

from lace_core.errors import LaceError
from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.http.wire import Refused

_TOO_LONG = re.compile(r"token count .*exceeds|exceeds the maximum number of tokens", re.IGNORECASE)
_KEY = re.compile(r"api key (?:not valid|expired)|api_key_invalid", re.IGNORECASE)


def lace_error(refused: Refused, key: str) -> LaceError:
    """The coded failure; its message never holds the key. How long to wait may stand in the body."""
    error = error_of(refused.body)
    said = failures.shortened(str(error.get("message") or "").replace(key or "\0", "[key]"))
    if refused.status == 400 and _KEY.search(f"{said} {_reasons(error)}"):
        return failures.credentials(refused.status)
    if refused.status == 400 and _TOO_LONG.search(said):
        return failures.too_long(said)
    wait = _delay(error)
    headers = {**refused.headers, "retry-after": wait} if wait and "retry-after" not in refused.headers else None
    return failures.of_status(Refused(refused.status, headers, refused.body) if headers else refused, said)


def in_stream(error: dict[str, Any]) -> LaceError:
    """An error that came as an event of a stream; it names its own status."""
    status = error.get("code")
    if isinstance(status, int) and status in (401, 403, 404, 429):
        return failures.of_status(Refused(status, {"retry-after": _delay(error)}, b""), "")
    return failures.failed_in_stream()


def error_of(body: bytes) -> dict[str, Any]:
    """The error in a body; empty for what is none of this wire."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    found = found[0] if isinstance(found, list) and found else found
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    return [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []


def _reasons(error: dict[str, Any]) -> str:
    return " ".join(str(each.get("reason", "")) for each in _details(error))


def _delay(error: dict[str, Any]) -> str:
    """The seconds of google.rpc.RetryInfo, written there as "34.5s"; empty without."""
    delays = [str(each["retryDelay"]) for each in _details(error) if "retryDelay" in each]
    return delays[0].removesuffix("s") if delays else ""
