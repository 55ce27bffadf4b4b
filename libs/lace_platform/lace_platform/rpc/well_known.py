"""Values that a message can carry and JSON cannot tell: times and durations out of range, numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, as timestamp.proto has it
_MOST_S = 315_576_000_000  # 10,000 years, as duration.proto has it
_NANOS = 10**9


def untellable(message: Message) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with which value: its path in the message, by names, indexes and keys, and the reason.

    A type that cannot hold such values costs one look-up.
    """
    for name in _leading(message.DESCRIPTOR):
        yield from _within(message, name)


def _within(message: Message, name: str) -> Iterator[tuple[tuple[str, ...], str]]:
    field = message.DESCRIPTOR.fields_by_name[name]
    value: Any = getattr(message, name)
    if not field.is_repeated:
        for path, why in _of(value) if message.HasField(name) else ():
            yield (name, *path), why
        return
    for place, member in value.items() if hasattr(value, "items") else enumerate(value):
        for path, why in _of(member):
            yield (name, str(place), *path), why


def _of(value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    match value.DESCRIPTOR.full_name:
        case "google.protobuf.Timestamp":
            if not (_FIRST_S <= value.seconds <= _LAST_S and 0 <= value.nanos < _NANOS):
                yield (), "must be a time of the years 1 to 9999"
        case "google.protobuf.Duration":
            if not (abs(value.seconds) <= _MOST_S and abs(value.nanos) < _NANOS and value.seconds * value.nanos >= 0):
                yield (), "must be a duration of at most 10,000 years"
        case "google.protobuf.Value":
            yield from _of_value(value)
        case "google.protobuf.Struct":
            for key, member in value.fields.items():
                for path, why in _of_value(member):
                    yield (key, *path), why
        case _:
            yield from untellable(value)


def _of_value(value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    match value.WhichOneof("kind"):
        case "number_value":
            if not math.isfinite(value.number_value):
                yield (), "must be a finite number"
        case "struct_value":
            yield from _of(value.struct_value)
        case "list_value":
            for index, member in enumerate(value.list_value.values):
                for path, why in _of_value(member):
                    yield (str(index), *path), why


@cache
def _leading(descriptor: Descriptor) -> tuple[str, ...]:
    """The fields of a type that such a value can stand in, or below."""
    return tuple(field.name for field in descriptor.fields if _reaches(field, frozenset()))


def _reaches(field: FieldDescriptor, above: frozenset[str]) -> bool:
    kind = field.message_type
    if kind is None or kind.full_name in above:
        return False
    if kind.full_name in _CHECKED:
        return True
    return any(_reaches(below, above | {kind.full_name}) for below in kind.fields)


_CHECKED = frozenset(f"google.protobuf.{name}" for name in ("Timestamp", "Duration", "Value", "Struct", "ListValue"))
