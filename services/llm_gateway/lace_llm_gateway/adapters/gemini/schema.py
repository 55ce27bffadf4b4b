"""A JSON Schema in the dialect of Gemini's responseJsonSchema."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from lace_llm_gateway.adapters.http.schema import WireSchema, narrowed

_KEPT = frozenset(
    """
    $defs $ref type format title description enum const items prefixItems minItems maxItems minimum maximum anyOf oneOf
    properties required additionalProperties
    """.split()
)


@lru_cache(maxsize=256)
def wire_schema(schema: bytes) -> WireSchema:
    """The constraints that the wire takes; a constant is an enumeration of one there."""
    return WireSchema.of(_enumerated(narrowed(orjson.loads(schema), _KEPT.__contains__)), strict=True)


def _enumerated(value: Any) -> Any:
    if isinstance(value, list):
        return [_enumerated(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        **{key: _enumerated(inner) for key, inner in value.items() if key != "const" or isinstance(inner, dict)},
        **({"enum": [value["const"]]} if "const" in value and not isinstance(value["const"], dict) else {}),
    }
