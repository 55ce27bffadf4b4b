"""The one mapping between protobuf messages and the JSON of the REST surface, in both directions.

Names are those of the proto files, enum members lower case without their type's prefix, 64-bit integers
numbers, bytes base64, times RFC 3339, durations `1.5s`. A field without presence is always written; one with
presence only where it is set. Reading refuses what it does not know and says where, by JSON Pointer.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from lace_core.errors import Detail, LaceError, Reason
from lace_proto.json_scalars import (
    Refused,
    boolean_of_text,
    integer_of_text,
    is_unspecified,
    map_key_of,
    number_of_text,
    scalar_of,
)
from lace_proto.json_text import MAX_DEPTH, escape, parse, too_deep
from lace_proto.json_wellknown import WELL_KNOWN, Reading

__all__ = ["MAX_DEPTH", "from_json", "from_python", "from_text", "parse", "to_json", "to_python"]

M = TypeVar("M", bound=Message)
_Reader = Callable[[Any, Any, str, Reading], None]
_Writer = Callable[[Any], Any]
_MAX_DETAILS = 50


def to_json(message: Message) -> bytes:
    """The message as UTF-8 JSON."""
    return orjson.dumps(to_python(message))


def to_python(message: Message) -> Any:
    """The message as what `orjson` would load: a dict, except for well-known types that are scalars in JSON."""
    return _codec(message.DESCRIPTOR).write(message)


def from_json(message_class: type[M], data: bytes, *, max_depth: int = MAX_DEPTH, tolerant: bool = False) -> M:
    """A message from UTF-8 JSON; `tolerant` passes over what a newer version may have added, as clients must.

    Raises LaceError: MALFORMED_JSON, JSON_TOO_DEEP, UNKNOWN_FIELD, INVALID_ARGUMENT; the details hold a JSON
    Pointer for each thing refused.
    """
    return from_python(message_class, parse(data, max_depth=max_depth), max_depth=max_depth, tolerant=tolerant)


def from_python(message_class: type[M], value: Any, *, max_depth: int = MAX_DEPTH, tolerant: bool = False) -> M:
    """A message from parsed JSON; raises as `from_json` does."""
    message = message_class()
    reading = Reading(max_depth, tolerant)
    _codec(message.DESCRIPTOR).read(message, value, "", reading)
    if reading.too_deep:
        raise too_deep(max_depth)
    if reading.wrong:
        raise _error(Reason.INVALID_ARGUMENT, [*reading.wrong, *reading.unknown])
    if reading.unknown:
        raise _error(Reason.UNKNOWN_FIELD, reading.unknown)
    return message


def from_text(field: FieldDescriptor, texts: Sequence[str]) -> Any:
    """What JSON would hold for a field whose value came as text: a path segment or query parameters.

    A field that is not repeated takes exactly one text. Raises LaceError INVALID_ARGUMENT.
    """
    if not field.is_repeated and len(texts) != 1:
        raise _error(Reason.INVALID_ARGUMENT, [Detail(f"/{field.name}", "must be given once")])
    read = _TEXT_READERS.get(field.type)
    try:
        values = [read(text) for text in texts] if read else list(texts)
    except Refused as refused:
        raise _error(Reason.INVALID_ARGUMENT, [Detail(f"/{field.name}", str(refused))]) from None
    return values if field.is_repeated else values[0]


_TEXT_READERS: dict[int, Callable[[str], Any]] = {
    **dict.fromkeys(
        (
            FieldDescriptor.TYPE_INT32,
            FieldDescriptor.TYPE_INT64,
            FieldDescriptor.TYPE_UINT32,
            FieldDescriptor.TYPE_UINT64,
            FieldDescriptor.TYPE_SINT32,
            FieldDescriptor.TYPE_SINT64,
            FieldDescriptor.TYPE_FIXED32,
            FieldDescriptor.TYPE_FIXED64,
            FieldDescriptor.TYPE_SFIXED32,
            FieldDescriptor.TYPE_SFIXED64,
        ),
        integer_of_text,
    ),
    FieldDescriptor.TYPE_BOOL: boolean_of_text,
    FieldDescriptor.TYPE_DOUBLE: number_of_text,
    FieldDescriptor.TYPE_FLOAT: number_of_text,
}


@dataclass(frozen=True)
class _Codec:
    """Both directions of one message type."""

    read: _Reader
    write: _Writer


@dataclass(frozen=True)
class _Field:
    """Both directions of one field: `read(message, value, …)` sets it, `write(its value)` gives JSON."""

    name: str
    presence: bool
    omitted: Any  # the value that is not written; only unspecified enum members have one
    oneof: str | None
    read: _Reader
    write: _Writer | None


_codecs: dict[Any, _Codec] = {}  # by descriptor


def _codec(descriptor: Any) -> _Codec:
    """Compiled once per type; types may contain themselves, so the codec is known before its fields are."""
    found = _codecs.get(descriptor)
    if found is not None:
        return found
    well_known = WELL_KNOWN.get(descriptor.full_name)
    if well_known is not None:
        _codecs[descriptor] = _Codec(well_known.read, well_known.write)
    else:
        fields: list[_Field] = []
        by_name: dict[str, _Field] = {}
        _codecs[descriptor] = _Codec(_message_reader(by_name), _message_writer(fields))
        fields.extend(_field(field) for field in descriptor.fields)
        by_name.update((field.name, field) for field in fields)
    return _codecs[descriptor]


def _message_writer(fields: Sequence[_Field]) -> _Writer:
    def write(message: Any) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for field in fields:
            if field.presence and not message.HasField(field.name):
                continue
            value = getattr(message, field.name)
            if field.omitted is None or value != field.omitted:
                out[field.name] = value if field.write is None else field.write(value)
        return out

    return write


def _message_reader(by_name: Mapping[str, _Field]) -> _Reader:
    def read(message: Any, value: Any, pointer: str, reading: Reading) -> None:
        if type(value) is not dict:
            reading.refuse(pointer, "must be an object")
        elif reading.may_descend(pointer):
            for name, member in value.items():
                field = by_name.get(name)
                if field is None:
                    # Looking for what was meant takes its time: enough is enough.
                    if not reading.tolerant and len(reading.unknown) < _MAX_DETAILS:
                        reading.unknown.append(_unknown(name, pointer, by_name))
                elif member is None and field.omitted is not _NULL:
                    reading.refuse(f"{pointer}/{name}", "may not be null; leave it out")
                elif field.oneof and message.WhichOneof(field.oneof) is not None:
                    other = message.WhichOneof(field.oneof)
                    reading.refuse(f"{pointer}/{name}", f"cannot be given together with {other}")
                else:
                    field.read(message, member, f"{pointer}/{name}", reading)

    return read


_NULL = object()  # marks free JSON, where null is a value like any other


def _field(field: FieldDescriptor) -> _Field:
    oneof = field.containing_oneof.name if field.containing_oneof is not None else None
    omitted: Any = None
    read: _Reader
    write: _Writer | None
    if _is_map(field):
        read, write = _map_field(field)
    elif field.is_repeated:
        read, write = _repeated_field(field)
    elif field.message_type is not None:
        read, write = _message_field(field)
        omitted = _NULL if field.message_type.full_name == "google.protobuf.Value" else None
    else:
        omitted = 0 if _hides_zero(field) else None
        read, write = _scalar_field(field, may_be_zero=omitted is None)
    return _Field(field.name, field.has_presence, omitted, oneof, read, write)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _hides_zero(field: FieldDescriptor) -> bool:
    return field.enum_type is not None and not field.has_presence and is_unspecified(field.enum_type)


def _scalar_field(field: FieldDescriptor, *, may_be_zero: bool) -> tuple[_Reader, _Writer | None]:
    name, scalar, is_enum = field.name, scalar_of(field), field.enum_type is not None

    def read(message: Any, value: Any, pointer: str, reading: Reading) -> None:
        try:
            decoded = scalar.read(value)
            if not (decoded or may_be_zero):
                raise Refused("may not be unspecified; leave it out")
            setattr(message, name, decoded)
        except ValueError as refused:  # also text that is no valid UTF-8
            if not (is_enum and reading.tolerant):
                reading.refuse(pointer, _said(refused))

    return read, scalar.write


def _message_field(field: FieldDescriptor) -> tuple[_Reader, _Writer]:
    name, codec = field.name, _codec(field.message_type)

    def read(message: Any, value: Any, pointer: str, reading: Reading) -> None:
        member = getattr(message, name)
        member.SetInParent()
        codec.read(member, value, pointer, reading)

    return read, codec.write


def _repeated_field(field: FieldDescriptor) -> tuple[_Reader, _Writer]:
    name = field.name
    append, write = _element(field)

    def read(message: Any, value: Any, pointer: str, reading: Reading) -> None:
        if type(value) is not list:
            reading.refuse(pointer, "must be an array")
        elif reading.may_descend(pointer):
            container = getattr(message, name)
            for index, member in enumerate(value):
                append(container, member, f"{pointer}/{index}", reading)

    return read, (lambda values: [write(value) for value in values]) if write else list


def _element(field: FieldDescriptor) -> tuple[_Reader, _Writer | None]:
    """How one member of a repeated field is appended to its container and written."""
    if field.message_type is not None:
        codec = _codec(field.message_type)

        def add(container: Any, value: Any, pointer: str, reading: Reading) -> None:
            codec.read(container.add(), value, pointer, reading)

        return add, codec.write
    scalar = scalar_of(field)

    def append(container: Any, value: Any, pointer: str, reading: Reading) -> None:
        try:
            container.append(scalar.read(value))
        except ValueError as refused:
            reading.refuse(pointer, _said(refused))

    return append, scalar.write


def _map_field(field: FieldDescriptor) -> tuple[_Reader, _Writer]:
    name = field.name
    entry: Any = field.message_type
    key = map_key_of(entry.fields_by_name["key"])
    put, write = _map_value(entry.fields_by_name["value"])
    write_key = key.write or (lambda value: value)

    def read(message: Any, value: Any, pointer: str, reading: Reading) -> None:
        if type(value) is not dict:
            reading.refuse(pointer, "must be an object")
        elif reading.may_descend(pointer):
            container = getattr(message, name)
            for text, member in value.items():
                at = f"{pointer}/{escape(text)}"
                try:
                    put(container, key.read(text), member, at, reading)
                except ValueError as refused:
                    reading.refuse(at, _said(refused))

    return read, lambda values: {write_key(k): write(v) for k, v in values.items()}


def _map_value(field: FieldDescriptor) -> tuple[Callable[[Any, Any, Any, str, Reading], None], _Writer]:
    if field.message_type is not None:
        codec = _codec(field.message_type)

        def fill(container: Any, key: Any, value: Any, pointer: str, reading: Reading) -> None:
            codec.read(container[key], value, pointer, reading)

        return fill, codec.write
    scalar = scalar_of(field)

    def put(container: Any, key: Any, value: Any, pointer: str, reading: Reading) -> None:
        container[key] = scalar.read(value)

    return put, scalar.write or (lambda value: value)


def _said(refused: ValueError) -> str:
    return str(refused) if isinstance(refused, Refused) else "must be valid Unicode text"


def _unknown(name: str, pointer: str, by_name: Mapping[str, _Field]) -> Detail:
    near = difflib.get_close_matches(name, by_name, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Detail(f"{pointer}/{escape(name)}", f"no such field{hint}")


def _error(reason: Reason, details: Sequence[Detail]) -> LaceError:
    first = details[0]
    more = f" ({len(details) - 1} more in details)" if len(details) > 1 else ""
    said = f"{first.field}: {first.description}{more}"
    return LaceError(reason, said if said.endswith("?") else f"{said}.", details=details[:_MAX_DETAILS])
