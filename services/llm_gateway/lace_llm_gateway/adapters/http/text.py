"""Asking for JSON in words, where a wire has no better way, and reading what models then put around it."""

from __future__ import annotations

import re

from lace_llm_gateway.domain.exchange import ProviderRequest

_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)


def shape_wanted(schema: str) -> str:
    """The request for an answer of that JSON Schema."""
    return f"Answer with one JSON object and nothing else. It must match this JSON Schema:\n{schema}"


def unfenced(text: str, request: ProviderRequest) -> str:
    """JSON without the fence that models put around it when they are only asked to."""
    found = _FENCE.match(text) if request.output_schema is not None and text.lstrip().startswith("```") else None
    return found[1] if found else text
