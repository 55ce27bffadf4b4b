"""JSON Schemas that callers give for an answer: looked at themselves before any model is asked under them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from lace_core.errors import Detail, LaceError, Reason

_LARGEST_BYTES = 256 * 1024
_DEEPEST = 64
_LONGEST_SAID = 300
# Their values are data, in which "$ref" is a name like any other.
_DATA = frozenset({"const", "enum", "default", "examples"})


@dataclass(frozen=True, eq=False)
class AnswerSchema:
    """A schema that is sound; `validator` says what breaks it."""

    value: Mapping[str, Any]
    validator: Any


@lru_cache(maxsize=256)
def answer_schema(text: str) -> AnswerSchema:
    """The schema of a JSON text, the same object for the same text.

    References stay within the schema, so that nothing is fetched for a caller. Raises LaceError SCHEMA_INVALID, and
    SCHEMA_CYCLE where a reference leads back to itself: providers cannot hold an answer to such a schema.
    """
    if len(text) > _LARGEST_BYTES:
        raise _invalid(f"is longer than {_LARGEST_BYTES} characters")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _invalid("is not a JSON object")
    _refuse_cycles(value)
    try:
        # The engine without backtracking: a pattern of a caller's cannot hold the process up.
        validator = jsonschema_rs.validator_for(value, pattern_options=jsonschema_rs.RegexOptions(), retriever=_nothing)
    except jsonschema_rs.ValidationError as error:
        raise _broken(error) from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise _invalid(str(error).split("\n", 1)[0]) from None
    return AnswerSchema(value, validator)


def _nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is outside of it")


def _broken(error: jsonschema_rs.ValidationError) -> LaceError:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
    pointer = "".join(f"/{step}" for step in steps)
    message = error.message.split("\n", 1)[0][:_LONGEST_SAID]
    where = f"is wrong at {pointer[:_LONGEST_SAID]}" if pointer else "is wrong"
    return LaceError(
        Reason.SCHEMA_INVALID, f"The schema {where}: {message}.", details=[Detail(pointer[:_LONGEST_SAID], message)]
    )


def _invalid(what: str) -> LaceError:
    return LaceError(Reason.SCHEMA_INVALID, f"The schema {what}."[:_LONGEST_SAID])


def _refuse_cycles(root: dict[str, Any]) -> None:
    """Follows every reference from where it stands; a place that is come by again on the way is a cycle."""
    ends: dict[str, Any] = {}
    for pointer in set(_references(root, 0)):
        ends[pointer] = _resolve(root, pointer)
    inner = {pointer: set(_references(end, 0)) for pointer, end in ends.items()}
    clear: set[str] = set()

    def follow(pointer: str, path: frozenset[str]) -> None:
        if pointer in path or len(path) > _DEEPEST:
            raise LaceError(
                Reason.SCHEMA_CYCLE, f"The schema's {pointer[:100]} refers to itself: an answer could have no end."
            )
        if pointer not in clear:
            for further in inner[pointer]:
                follow(further, path | {pointer})
            clear.add(pointer)

    for pointer in ends:
        follow(pointer, frozenset())


def _references(value: Any, depth: int) -> Iterator[str]:
    """The targets of all references in a part of a schema."""
    if depth > _DEEPEST:
        raise _invalid(f"is nested deeper than {_DEEPEST}")
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(inner, str):
                yield inner
            elif key not in _DATA:
                yield from _references(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, depth + 1)


def _resolve(root: dict[str, Any], pointer: str) -> Any:
    """What a reference within the schema leads to: a JSON Pointer (RFC 6901) in a fragment, or a named anchor."""
    if not pointer.startswith("#"):
        raise _invalid(f"refers to {pointer[:100]}, which is outside of it")
    fragment = pointer[1:]
    if fragment and not fragment.startswith("/"):
        found = next(_anchored(root, fragment), None)
        if found is None:
            raise _invalid(f"refers to {pointer[:100]}, and there is no such anchor")
        return found
    here: Any = root
    for token in fragment.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        try:
            here = here[int(name)] if isinstance(here, list) else here[name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise _invalid(f"refers to {pointer[:100]}, and there is no such place") from None
    return here


def _anchored(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict):
        if name in (value.get("$anchor"), value.get("$dynamicAnchor")):
            yield value
        for inner in value.values():
            yield from _anchored(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _anchored(inner, name)
