"""A contract's JSON Schema in the dialect that OpenAI-compatible servers enforce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Strict mode knows a subset of the keywords; it wants every property required and no others allowed, which the
# contracts' outputs are anyway.
_DROPPED = frozenset({"discriminator", "title", "default", "examples"})


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same constraints with an object at the root; references into `$defs` stay."""
    definitions = {name: _plain(body) for name, body in schema.get("$defs", {}).items()}
    root = schema.get("$ref", "")
    body = definitions[root.rsplit("/", 1)[-1]] if root else _plain({k: v for k, v in schema.items() if k != "$defs"})
    return {**body, "$defs": definitions} if definitions else dict(body)


def schema_name(contract: str) -> str:
    """A name that the wire allows: letters, digits, underscores."""
    return contract.replace(".", "_").replace("-", "_")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        # "properties" maps names of fields, which may be called like a keyword.
        return {
            key: {name: _plain(body) for name, body in inner.items()} if key == "properties" else _plain(inner)
            for key, inner in value.items()
            if key not in _DROPPED
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value
