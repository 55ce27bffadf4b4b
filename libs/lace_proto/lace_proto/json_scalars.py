"""JSON forms of the values that are no messages: numbers, text, bytes, enum members, map keys."""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

_FLOAT32_MAX = 3.4028234663852886e38
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Refused(ValueError):
    """A value that the field cannot hold; the text says what it should have been."""


@dataclass(frozen=True)
class Scalar:
    """Both directions of one type; `read` raises Refused. `write` is None where JSON has the value as it is."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] | None = None


def scalar_of(field: FieldDescriptor) -> Scalar:
    """The JSON form of a field's (or a repeated field's members') type, messages aside."""
    if field.enum_type is not None:
        return _enum_scalar(field.enum_type)
    return _SCALARS[field.type]


def map_key_of(field: FieldDescriptor) -> Scalar:
    """Keys of JSON objects are strings; so are those of a map, whatever their type."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return _SCALARS[field.type]
    if field.type == FieldDescriptor.TYPE_BOOL:
        return Scalar(boolean_of_text, lambda key: "true" if key else "false")
    read = _SCALARS[field.type].read
    return Scalar(lambda key: read(integer_of_text(key)), str)


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """Number to JSON name: lower case, without the prefix that repeats the enum's own name."""
    prefix = _WORD_START.sub("_", enum.name).upper() + "_"
    return {value.number: value.name.removeprefix(prefix).lower() for value in reversed(enum.values)}


def is_unspecified(enum: EnumDescriptor) -> bool:
    """Whether number 0 stands for "not set", as the style guide wants it."""
    return enum_names(enum).get(0) == "unspecified"


def integer_of_text(text: str) -> int:
    """A decimal integer as it stands in a path, a query or a map's key."""
    if not re.fullmatch(r"-?(0|[1-9][0-9]{0,19})", text):
        raise Refused("must be a whole number")
    return int(text)


def boolean_of_text(text: str) -> bool:
    """`true` or `false`."""
    if text not in ("true", "false"):
        raise Refused("must be true or false")
    return text == "true"


def number_of_text(text: str) -> float:
    """A number as it stands in a path or a query."""
    try:
        return _NOT_FINITE[text] if text in _NOT_FINITE else float(text)
    except ValueError:
        raise Refused("must be a number") from None


def _integer(bits: int, signed: bool) -> Scalar:
    low = -(1 << (bits - 1)) if signed else 0
    high = (1 << (bits - 1 if signed else bits)) - 1

    def read(value: Any) -> int:
        if type(value) is not int:
            raise Refused("must be a whole number")
        if not low <= value <= high:
            raise Refused(f"must be between {low} and {high}")
        return value

    return Scalar(read)


def _read_boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise Refused("must be true or false")
    return value


def _read_string(value: Any) -> str:
    if type(value) is not str:
        raise Refused("must be a string")
    return value


def _read_double(value: Any) -> float:
    if type(value) is str and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if type(value) not in (int, float):
        raise Refused("must be a number")
    try:
        return float(value)
    except OverflowError:
        raise Refused("is too large a number") from None


def _read_float(value: Any) -> float:
    number = _read_double(value)
    if math.isfinite(number) and abs(number) > _FLOAT32_MAX:
        raise Refused("is too large for a 32-bit number")
    return number


def _write_double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _read_bytes(value: Any) -> bytes:
    if type(value) is not str:
        raise Refused("must be a string of base64")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        raise Refused("must be base64 with padding") from None


def _write_bytes(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def _enum_scalar(enum: EnumDescriptor) -> Scalar:
    names = enum_names(enum)
    numbers = {name: number for number, name in names.items()}
    offered = ", ".join(name for name in numbers if name != "unspecified")

    def read(value: Any) -> int:
        number = numbers.get(value) if type(value) is str else None
        if number is None:
            raise Refused(f"must be one of: {offered}")
        return number

    # A number without a name comes from a newer version of the contract; it is shown rather than hidden.
    return Scalar(read, lambda number: names.get(number, number))


_INT32, _INT64 = _integer(32, signed=True), _integer(64, signed=True)
_UINT32, _UINT64 = _integer(32, signed=False), _integer(64, signed=False)
_SCALARS: dict[int, Scalar] = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
    FieldDescriptor.TYPE_BOOL: Scalar(_read_boolean),
    FieldDescriptor.TYPE_STRING: Scalar(_read_string),
    FieldDescriptor.TYPE_BYTES: Scalar(_read_bytes, _write_bytes),
    FieldDescriptor.TYPE_DOUBLE: Scalar(_read_double, _write_double),
    FieldDescriptor.TYPE_FLOAT: Scalar(_read_float, _write_double),
}
