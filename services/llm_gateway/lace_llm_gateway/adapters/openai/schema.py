"""A JSON Schema in the dialect that OpenAI-compatible servers enforce."""

from __future__ import annotations

from functools import lru_cache

import orjson

from lace_llm_gateway.adapters.http.schema import WireSchema, is_closed, narrowed

# Strict mode knows a subset of the keywords.
_DROPPED = frozenset({"$schema", "discriminator", "title", "default", "examples"})


@lru_cache(maxsize=256)
def wire_schema(schema: bytes) -> WireSchema:
    """The same constraints, with an object at the root; strict where every object is closed and all is required."""
    found = narrowed(orjson.loads(schema), lambda keyword: keyword not in _DROPPED)
    return WireSchema.of(found, strict=is_closed(found, all_required=True))
