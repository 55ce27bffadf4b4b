"""Messages whose JSON form is what their own constructor takes, for JSON that we wrote ourselves.

The constructor is six times faster than `lace_proto.json.from_python`, and says less about what is wrong.
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from lace_proto.json_wellknown import WELL_KNOWN

_NUMBERS_AND_TEXT = frozenset(
    {
        FieldDescriptor.TYPE_BOOL,
        FieldDescriptor.TYPE_DOUBLE,
        FieldDescriptor.TYPE_FLOAT,
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_STRING,
    }
)


def is_plain(descriptor: Descriptor) -> bool:
    """Whether every field, at any depth, is a number, a truth value, text, or a message or list of such.

    Enums, bytes, maps and the well-known types have another form in JSON than in Python.
    """
    return _is_plain(descriptor, set())


def _is_plain(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in WELL_KNOWN or descriptor.GetOptions().map_entry:
        return False
    if descriptor.full_name in seen:
        return True
    seen.add(descriptor.full_name)
    return all(
        _is_plain(field.message_type, seen) if field.message_type is not None else field.type in _NUMBERS_AND_TEXT
        for field in descriptor.fields
    )
