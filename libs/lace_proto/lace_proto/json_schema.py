"""JSON Schema (OpenAPI 3.1) of the messages in their REST JSON form, with the rules of buf.validate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from lace_proto.comments import comment_of
from lace_proto.json_scalars import enum_names

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/"
_INTEGERS: dict[int, tuple[str, int | None]] = {
    FieldDescriptor.TYPE_INT32: ("int32", None),
    FieldDescriptor.TYPE_SINT32: ("int32", None),
    FieldDescriptor.TYPE_SFIXED32: ("int32", None),
    FieldDescriptor.TYPE_INT64: ("int64", None),
    FieldDescriptor.TYPE_SINT64: ("int64", None),
    FieldDescriptor.TYPE_SFIXED64: ("int64", None),
    FieldDescriptor.TYPE_UINT32: ("uint32", 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: ("uint32", 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: ("uint64", 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: ("uint64", 2**64 - 1),
}
_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_WELL_KNOWN: dict[str, Callable[[], Schema]] = {
    "google.protobuf.Timestamp": lambda: {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": lambda: {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": lambda: {"type": "string"},
    "google.protobuf.Struct": lambda: {"type": "object", "additionalProperties": True},
    "google.protobuf.ListValue": lambda: {"type": "array", "items": {}},
    "google.protobuf.Value": dict,
    "google.protobuf.Empty": lambda: {"type": "object", "additionalProperties": False},
}
_STRING_KEYWORDS = {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern", "const": "const"}
_STRING_FORMATS = {
    "email": "email",
    "hostname": "hostname",
    "uri": "uri",
    "uuid": "uuid",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
}
_NUMBER_KEYWORDS = {
    "gte": "minimum",
    "gt": "exclusiveMinimum",
    "lte": "maximum",
    "lt": "exclusiveMaximum",
    "const": "const",
}
_ARRAY_KEYWORDS = {"min_items": "minItems", "max_items": "maxItems"}
_MAP_KEYWORDS = {"min_pairs": "minProperties", "max_pairs": "maxProperties"}


def component_name(descriptor: Descriptor | EnumDescriptor) -> str:
    """Name under components/schemas: the full name without `lace.`, for instance `runs.v1.Run`."""
    return descriptor.full_name.removeprefix("lace.")


def reference(descriptor: Descriptor | EnumDescriptor) -> Schema:
    """A `$ref` to the type, or the schema itself for Google's well-known types."""
    well_known = _WELL_KNOWN.get(descriptor.full_name)
    if well_known is not None:
        return well_known()
    if is_wrapper(descriptor):
        return _value_schema(descriptor.fields_by_name["value"])  # type: ignore[union-attr]
    return {"$ref": _REFERENCE + component_name(descriptor)}


def is_wrapper(descriptor: Descriptor | EnumDescriptor) -> bool:
    """Whether the type is one of google/protobuf/wrappers.proto."""
    return descriptor.file.name == "google/protobuf/wrappers.proto"


def schema_of(descriptor: Descriptor, *, without: Collection[str] = ()) -> Schema:
    """The schema of a message, members by `$ref`; `without` names fields that come another way (the path)."""
    if descriptor.full_name in _WELL_KNOWN or is_wrapper(descriptor):
        return reference(descriptor)
    fields = [field for field in descriptor.fields if field.name not in without]
    schema: Schema = {
        "type": "object",
        "properties": {field.name: field_schema(field) for field in fields},
        "additionalProperties": False,
    }
    required = [field.name for field in fields if is_required(field)]
    if required:
        schema["required"] = required
    choices = [_choice(oneof) for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    if choices:
        schema["allOf"] = choices
    return _described(schema, descriptor.full_name)


def field_schema(field: FieldDescriptor) -> Schema:
    """The schema of one field: its type, rules and comment."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        schema = _map_schema(field, rules)
    elif field.is_repeated:
        items = _with_rules(_value_schema(field), field, rules.repeated.items)
        schema = {"type": "array", "items": items, **_keywords(rules.repeated, _ARRAY_KEYWORDS)}
        if rules.repeated.unique:
            schema["uniqueItems"] = True
    else:
        schema = _with_rules(_value_schema(field), field, rules)
    if field_behavior_pb2.OUTPUT_ONLY in _behaviours(field):
        schema["readOnly"] = True
    return _described(schema, _full_name(field))


def is_required(field: FieldDescriptor) -> bool:
    """Whether a request without the field is refused."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return field_behavior_pb2.REQUIRED in _behaviours(field) or rules.required


def field_comment(field: FieldDescriptor) -> str:
    """The comment above the field."""
    return comment_of(_full_name(field))


def enum_schema(enum: EnumDescriptor) -> Schema:
    """The members by their JSON names; their comments go into the description."""
    members = [(name, number) for number, name in sorted(enum_names(enum).items()) if name != "unspecified"]
    comments = [
        f"- `{name}`: {comment_of(f'{enum.full_name}.{enum.values_by_number[number].name}')}"
        for name, number in members
    ]
    text = "\n".join([comment_of(enum.full_name), "", *comments]).strip()
    return {"type": "string", "enum": [name for name, _ in members], "description": text}


def components(roots: Iterable[Descriptor]) -> dict[str, Schema]:
    """components/schemas: every message and enum that the roots reach, sorted by name."""
    found: dict[str, Schema] = {}
    waiting: list[Descriptor | EnumDescriptor] = list(roots)
    while waiting:
        descriptor = waiting.pop()
        name = component_name(descriptor)
        if name in found or descriptor.full_name.startswith("google.protobuf."):
            continue
        if isinstance(descriptor, EnumDescriptor):
            found[name] = enum_schema(descriptor)
        else:
            found[name] = schema_of(descriptor)
            waiting.extend(_mentioned(descriptor))
    return dict(sorted(found.items()))


def _full_name(field: FieldDescriptor) -> str:
    message: Any = field.containing_type
    return f"{message.full_name}.{field.name}"


def _behaviours(field: FieldDescriptor) -> Collection[int]:
    # The stubs of googleapis-common-protos do not say whose options the extension belongs to.
    extension: Any = field_behavior_pb2.field_behavior
    return list(field.GetOptions().Extensions[extension])


def _mentioned(descriptor: Descriptor) -> Iterator[Descriptor | EnumDescriptor]:
    for field in descriptor.fields:
        if field.enum_type is not None:
            yield field.enum_type
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from _mentioned(field.message_type)
        elif field.message_type is not None:
            yield field.message_type


def _value_schema(field: FieldDescriptor) -> Schema:
    """One value of the field's type, leaving aside whether it is repeated."""
    if field.message_type is not None:
        return reference(field.message_type)
    if field.enum_type is not None:
        return reference(field.enum_type)
    if field.type in _INTEGERS:
        name, maximum = _INTEGERS[field.type]
        low, high = _BOUNDS.get(name, (0, maximum))
        return {"type": "integer", "format": name, "minimum": low, "maximum": high}
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"type": "boolean"}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return {"type": "number", "format": "double" if field.type == FieldDescriptor.TYPE_DOUBLE else "float"}
    return {"type": "string"}


def _map_schema(field: FieldDescriptor, rules: Any) -> Schema:
    entry: Any = field.message_type
    value = entry.fields_by_name["value"]
    members = _with_rules(_value_schema(value), value, rules.map.values)
    schema: Schema = {"type": "object", "additionalProperties": members, **_keywords(rules.map, _MAP_KEYWORDS)}
    keys = _with_rules({}, entry.fields_by_name["key"], rules.map.keys)
    if keys and entry.fields_by_name["key"].type == FieldDescriptor.TYPE_STRING:
        schema["propertyNames"] = keys
    return schema


def _with_rules(schema: Schema, field: FieldDescriptor, rules: Any) -> Schema:
    """Adds the rules that JSON Schema has a keyword for; the others are checked all the same, by the server."""
    if rules.ignore != validate_pb2.IGNORE_UNSPECIFIED:
        return schema
    kind = rules.WhichOneof("type")
    if kind == "string":
        return {**schema, **_string_rules(rules.string)}
    if kind == "enum":
        return {**schema, **_enum_rules(field, rules.enum)}
    if kind is not None and schema.get("type") in ("integer", "number"):
        return {**schema, **_keywords(getattr(rules, kind), _NUMBER_KEYWORDS), **_allowed(getattr(rules, kind))}
    return schema


def _string_rules(rules: Any) -> Schema:
    found = _keywords(rules, _STRING_KEYWORDS)
    if rules.HasField("len"):
        found.update(minLength=rules.len, maxLength=rules.len)
    for rule, name in _STRING_FORMATS.items():
        if getattr(rules, rule):
            found["format"] = name
    return {**found, **_allowed(rules)}


def _enum_rules(field: FieldDescriptor, rules: Any) -> Schema:
    allowed = list(getattr(rules, "in"))
    enum: Any = field.enum_type
    return {"enum": [enum_names(enum)[number] for number in allowed]} if allowed else {}


def _allowed(rules: Any) -> Schema:
    allowed = list(getattr(rules, "in"))
    return {"enum": allowed} if allowed else {}


def _keywords(rules: Any, names: dict[str, str]) -> Schema:
    return {keyword: getattr(rules, rule) for rule, keyword in names.items() if rules.HasField(rule)}


def _choice(oneof: Any) -> Schema:
    """Of a oneof's members at most one may be there, and exactly one where it is required."""
    given = [{"required": [field.name]} for field in oneof.fields]
    if oneof.GetOptions().Extensions[validate_pb2.oneof].required:
        return {"oneOf": given}
    return {"oneOf": [*given, {"not": {"anyOf": given}}]}


def _described(schema: Schema, full_name: str) -> Schema:
    text = comment_of(full_name)
    return {**schema, "description": text} if text else schema
