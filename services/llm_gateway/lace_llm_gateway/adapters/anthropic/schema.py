"""A JSON Schema in the dialect of Anthropic's structured outputs."""

from __future__ import annotations

from functools import lru_cache

import orjson

from lace_llm_gateway.adapters.http.schema import WireSchema, is_closed, narrowed

# What bounds numbers, lengths and counts is refused there; the answer is validated against the whole schema anyway.
_KEPT = frozenset(
    """
    $defs $ref type anyOf oneOf allOf enum const description title properties required additionalProperties items
    """.split()
)


@lru_cache(maxsize=256)
def wire_schema(schema: bytes) -> WireSchema:
    """The constraints that the wire takes; `strict` where it takes the schema at all: every object is closed."""
    found = narrowed(orjson.loads(schema), _KEPT.__contains__)
    return WireSchema.of(found, strict=is_closed(found, all_required=False))
