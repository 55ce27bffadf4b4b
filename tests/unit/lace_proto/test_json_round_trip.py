"""Every message type and every enum member survives the way to REST JSON and back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lace_proto.descriptors import messages
from lace_proto.json import from_json, from_python, to_json, to_python
from lace_proto.json_scalars import enum_names

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
}
_FREE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


def _fill_value(message: Any, value: Any) -> None:
    if value is None:
        message.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int | float):
        message.number_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, list):
        message.list_value.SetInParent()
        for item in value:
            _fill_value(message.list_value.values.add(), item)
    else:
        message.struct_value.SetInParent()
        for key, item in value.items():
            _fill_value(message.struct_value.fields[key], item)


def _fill_well_known(draw: st.DrawFn, message: Any, name: str) -> bool:
    if name == "google.protobuf.Timestamp":
        message.seconds = draw(st.integers(-62135596800, 253402300799))
        message.nanos = draw(st.sampled_from([0, 500_000_000, 123_456_000, 123_456_789, 1]))
    elif name == "google.protobuf.Duration":
        sign = draw(st.sampled_from([1, -1]))
        message.seconds = sign * draw(st.integers(0, 315_576_000_000))
        message.nanos = sign * draw(st.sampled_from([0, 500_000_000, 1]))
    elif name == "google.protobuf.Struct":
        for key, value in draw(st.dictionaries(_TEXT, _FREE_JSON, max_size=3)).items():
            _fill_value(message.fields[key], value)
    elif name == "google.protobuf.Value":
        _fill_value(message, draw(_FREE_JSON))
    elif name == "google.protobuf.ListValue":
        for value in draw(st.lists(_FREE_JSON, max_size=3)):
            _fill_value(message.values.add(), value)
    else:
        return False
    return True


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type in _INTEGERS:
        return _INTEGERS[field.type]
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_STRING:
        return _TEXT
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=12)
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return st.floats(width=32, allow_nan=False)
    return st.floats(allow_nan=False)


def _fill(draw: st.DrawFn, message: Any, depth: int = 0) -> None:
    descriptor: Descriptor = message.DESCRIPTOR
    if _fill_well_known(draw, message, descriptor.full_name):
        return
    chosen = {oneof.name: draw(st.sampled_from([None, *oneof.fields])) for oneof in descriptor.oneofs}
    for field in descriptor.fields:
        if field.containing_oneof is not None and chosen[field.containing_oneof.name] != field:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(draw, getattr(message, field.name), field.message_type, depth)
        elif field.is_repeated:
            _fill_repeated(draw, getattr(message, field.name), field, depth)
        elif field.message_type is None:
            setattr(message, field.name, draw(_scalar(field)))
        elif depth < 3 and (field.containing_oneof is not None or draw(st.booleans())):
            getattr(message, field.name).SetInParent()
            _fill(draw, getattr(message, field.name), depth + 1)


def _fill_repeated(draw: st.DrawFn, container: Any, field: FieldDescriptor, depth: int) -> None:
    for _ in range(draw(st.integers(0, 2)) if depth < 2 else 0):
        if field.message_type is None:
            container.append(draw(_scalar(field)))
        else:
            _fill(draw, container.add(), depth + 1)


def _fill_map(draw: st.DrawFn, container: Any, entry: Descriptor, depth: int) -> None:
    value = entry.fields_by_name["value"]
    for key in draw(st.lists(_scalar(entry.fields_by_name["key"]), max_size=2, unique=True)):
        if value.message_type is None:
            container[key] = draw(_scalar(value))
        elif depth < 2:
            _fill(draw, container[key], depth + 1)


@st.composite
def filled(draw: st.DrawFn, message_class: type[Message]) -> Message:
    message = message_class()
    _fill(draw, message)
    return message


def _enums() -> list[Any]:
    found = {
        field.enum_type.full_name: field.enum_type
        for kind in messages()
        for field in kind.DESCRIPTOR.fields
        if field.enum_type
    }
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("examples", [3, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("message_class", messages(), ids=lambda kind: kind.DESCRIPTOR.full_name)
def test_every_message_type_round_trips(message_class: type[Message], examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(filled(message_class))
    def round_trip(message: Message) -> None:
        data = to_json(message)
        assert from_json(message_class, data, max_depth=100) == message
        assert orjson.loads(data) == to_python(message)

    round_trip()


@pytest.mark.parametrize("enum", _enums(), ids=lambda enum: enum.full_name)
def test_every_enum_member_has_its_own_lower_case_name(enum: EnumDescriptor) -> None:
    names = enum_names(enum)
    assert sorted(names) == sorted(value.number for value in enum.values)
    assert len(set(names.values())) == len(names)
    for name in names.values():
        assert name == name.lower()
        assert not name.startswith(enum.name.lower() + "_")


@pytest.mark.parametrize("message_class", messages(), ids=lambda kind: kind.DESCRIPTOR.full_name)
def test_empty_message_writes_exactly_the_fields_without_presence(message_class: type[Message]) -> None:
    written = to_python(message_class())
    for field in message_class.DESCRIPTOR.fields:
        if field.has_presence or (field.enum_type is not None and not field.is_repeated):
            assert field.name not in written
        else:
            assert not written[field.name]
    assert from_python(message_class, written) == message_class()
