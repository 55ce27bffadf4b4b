"""JSON Schemas as wires take them: a subset of the keywords, with an object at the root."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

_UNNAMED = "answer"
_LONGEST_NAME = 64
# These map names of fields or definitions, which may be called like a keyword.
_NAMES = ("properties", "$defs")
# These hold values, not schemas.
_VALUES = ("enum", "const", "required")


@dataclass(frozen=True)
class WireSchema:
    """A schema made ready once for all calls: to be put into a body as it is, and as text for a prompt."""

    fragment: orjson.Fragment
    text: str
    strict: bool

    @classmethod
    def of(cls, schema: Mapping[str, Any], *, strict: bool) -> WireSchema:
        """Out of the schema as the wire takes it."""
        written = orjson.dumps(schema)
        return cls(orjson.Fragment(written), written.decode(), strict)


def narrowed(schema: Mapping[str, Any], keeps: Callable[[str], bool]) -> dict[str, Any]:
    """The schema with the keywords that a wire `keeps`; a reference at the root is replaced by what it refers to.

    No wire knows `oneOf` apart from `anyOf`. What is left out binds all the same: every answer is validated.
    """
    root = schema.get("$ref", "")
    definitions = schema.get("$defs", {})
    target = definitions.get(root.removeprefix("#/$defs/")) if isinstance(root, str) and root else None
    body = _plain(target if target is not None else {k: v for k, v in schema.items() if k != "$defs"}, keeps)
    if definitions:
        body["$defs"] = {name: _plain(inner, keeps) for name, inner in definitions.items()}
    return dict(body)


def is_closed(schema: Any, *, all_required: bool) -> bool:
    """Whether every object allows no other properties than those it names, and requires all of them where asked."""
    if isinstance(schema, list):
        return all(is_closed(item, all_required=all_required) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties", {})
    if "properties" in schema or schema.get("type") == "object":
        missing = all_required and set(schema.get("required", ())) != set(properties)
        if missing or schema.get("additionalProperties") is not False:
            return False
    inner = [value for key, value in schema.items() if key not in (*_NAMES, *_VALUES)]
    named = [body for key in _NAMES for body in schema.get(key, {}).values()]
    return all(is_closed(each, all_required=all_required) for each in (*inner, *named))


def schema_name(contract: str) -> str:
    """A name that every wire allows: letters, digits, underscores, 64 at most."""
    if not contract:
        return _UNNAMED
    return re.sub(r"[^A-Za-z0-9_]", "_", contract)[:_LONGEST_NAME] or _UNNAMED


def _plain(value: Any, keeps: Callable[[str], bool]) -> Any:
    if isinstance(value, list):
        return [_plain(item, keeps) for item in value]
    if not isinstance(value, Mapping):
        return value
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        if not keeps(key):
            continue
        if key in _NAMES and isinstance(inner, Mapping):
            kept[key] = {name: _plain(body, keeps) for name, body in inner.items()}
        else:
            kept["anyOf" if key == "oneOf" else key] = inner if key in _VALUES else _plain(inner, keeps)
    return kept
