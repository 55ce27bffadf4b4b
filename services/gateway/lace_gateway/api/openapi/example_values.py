"""Whole example messages out of the table of examples, in their JSON form."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from lace_gateway.api.openapi.examples import CHOICES, FIELDS, REQUESTS
from lace_proto.descriptors import RestMethod
from lace_proto.json_scalars import enum_names

_DEEPEST = 9
# What is shown of a time for which the table has no better one.
_WELL_KNOWN = {"google.protobuf.Timestamp": "2026-03-02T09:14:11.900Z", "google.protobuf.Duration": "60s"}


def request_example(method: RestMethod) -> Any:
    """The body to show for a method, without what comes in the path."""
    if method.name in REQUESTS:
        return REQUESTS[method.name]
    in_path = {parameter.name for parameter in method.path_fields}
    whole = example_of(method.input)
    return {name: value for name, value in whole.items() if name not in in_path and value not in ("", [])}


def response_example(method: RestMethod) -> Any:
    """The response to show for a method."""
    return example_of(method.output)


def field_example(field: FieldDescriptor) -> Any:
    """One value for a field, a list where it is repeated."""
    return _field(field, 0)


def example_of(descriptor: Descriptor) -> dict[str, Any]:
    """A message with all of its fields; of each oneof one member."""
    return _message(descriptor, 0)


def _message(descriptor: Descriptor, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        return {}
    left_out = {
        field.name
        for oneof in descriptor.oneofs
        if len(oneof.fields) > 1
        for field in oneof.fields
        if field.name != CHOICES.get(f"{descriptor.name}.{oneof.name}", oneof.fields[0].name)
    }
    return {
        field.name: _field(field, depth)
        for field in descriptor.fields
        if field.name not in left_out and _is_shown(field)
    }


def _is_shown(field: FieldDescriptor) -> bool:
    """Fields that are set at the end of a thing's life only would say that it has ended."""
    return field.name != "revoked_at"


def _field(field: FieldDescriptor, depth: int) -> Any:
    found, value = _from_table(field)
    if field.is_repeated and not _is_map(field):
        if found:
            return value if isinstance(value, list) else [value]
        return [_value(field, depth)]
    return value if found else _value(field, depth)


def _from_table(field: FieldDescriptor) -> tuple[bool, Any]:
    message: Any = field.containing_type
    for name in (f"{message.name}.{field.name}", field.name):
        if name in FIELDS and _fits(field, FIELDS[name]):
            return True, FIELDS[name]
    return False, None


def _fits(field: FieldDescriptor, value: Any) -> bool:
    """Whether the value is of the field's kind: a name may stand for a text here and for a message there."""
    if field.message_type is not None:
        name = field.message_type.full_name
        if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
            return isinstance(value, str)
        return name in ("google.protobuf.Struct", "google.protobuf.Value") or (
            _is_map(field) and isinstance(value, dict)
        )
    if field.enum_type is not None:
        return value in enum_names(field.enum_type).values()
    return _is_scalar(field, value[0] if isinstance(value, list) and value else value)


def _is_scalar(field: FieldDescriptor, value: Any) -> bool:
    if field.is_repeated and value == []:
        return True
    if field.type == FieldDescriptor.TYPE_STRING:
        return isinstance(value, str)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(field: FieldDescriptor, depth: int) -> Any:
    if field.message_type is not None and field.message_type.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[field.message_type.full_name]
    if field.message_type is not None:
        return {} if _is_map(field) else _message(field.message_type, depth + 1)
    if field.enum_type is not None:
        return next(name for _, name in sorted(enum_names(field.enum_type).items()) if name != "unspecified")
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    return "" if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES) else 1


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
