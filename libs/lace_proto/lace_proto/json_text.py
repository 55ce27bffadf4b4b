"""Strict reading of JSON text: one value per key, bounded nesting."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from lace_core.errors import Detail, LaceError, Reason

MAX_DEPTH = 64

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")


def parse(data: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON text.

    Raises LaceError: MALFORMED_JSON (also for a key that occurs twice in one object), JSON_TOO_DEEP.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "depth limit" in str(error):
            raise too_deep(max_depth) from None
        raise LaceError(Reason.MALFORMED_JSON, f"The body is not JSON: {error}.") from None
    # What is left without its strings shows the structure, and is found by a scan at the speed of C.
    skeleton = _STRING.sub(b"", data)
    if _deeper_than(skeleton, max_depth):
        raise too_deep(max_depth)
    if skeleton.count(b":") != _STRING.sub(b"", orjson.dumps(value)).count(b":"):
        raise _duplicate(data)
    return value


def too_deep(max_depth: int) -> LaceError:
    """The error for JSON that is nested deeper than `max_depth` objects and arrays."""
    return LaceError(Reason.JSON_TOO_DEEP, f"The JSON is nested deeper than {max_depth} levels.")


def escape(segment: str) -> str:
    """A key as a segment of a JSON Pointer."""
    return segment.replace("~", "~0").replace("/", "~1")


def _deeper_than(skeleton: bytes, limit: int) -> bool:
    if skeleton.count(b"[") + skeleton.count(b"{") <= limit:
        return False
    brackets = skeleton.translate(_BRACKETS, _NOT_BRACKETS)
    for _ in range(limit):
        brackets = brackets.replace(b"[]", b"")  # takes away the innermost level everywhere
    return bool(brackets)


def _duplicate(data: bytes) -> LaceError:
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                repeated.append(key)
            seen[key] = value
        return seen

    json.loads(data, object_pairs_hook=note)
    details = [Detail(key, "occurs twice in one object") for key in dict.fromkeys(repeated)]
    return LaceError(Reason.MALFORMED_JSON, f"The key {repeated[0]!r} occurs twice in one object.", details=details)
