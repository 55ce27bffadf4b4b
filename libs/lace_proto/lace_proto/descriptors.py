"""What the contract says about its methods: HTTP bindings, REST options, comments, message classes and schemas."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from lace.api.v1 import rest_pb2
from lace_proto import json_schema
from lace_proto.comments import comment_of, described_files
from lace_proto.json_schema import Schema, component_name, enum_schema, field_schema, reference, schema_of

__all__ = [
    "Parameter",
    "RestMethod",
    "RestOptions",
    "Schema",
    "body_schema",
    "comment_of",
    "component_name",
    "components",
    "enum_schema",
    "field_schema",
    "messages",
    "options_of",
    "reference",
    "rest_methods",
    "schema_of",
    "services",
]

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)(?:=[^}]*)?\}")


@dataclass(frozen=True)
class RestOptions:
    """The method option `lace.api.v1.rest`, with its defaults filled in."""

    success_status: int = 200
    idempotent: bool = False
    etag: bool = False
    scope: str = ""
    internal: bool = False
    open: bool = False
    tag: str = ""
    at_once: bool = False
    other_status: int = 0
    waits_for_model: bool = False


@dataclass(frozen=True)
class Parameter:
    """A field of the request that comes in the path or the query; repeated ones may be given many times."""

    name: str
    field: FieldDescriptor
    repeated: bool
    required: bool
    comment: str
    schema: Schema


@dataclass(frozen=True)
class RestMethod:
    """One HTTP binding of one method; a method with additional bindings gives several."""

    service: str
    name: str
    full_name: str  # as gRPC calls it: /lace.runs.v1.RunService/StartRun
    http_verb: str
    path: str  # variables in braces, a verb after a colon: /v1/runs/{run_id}:pause
    body: str  # "*", the name of a field, or empty
    path_fields: tuple[Parameter, ...]
    query_fields: tuple[Parameter, ...]
    input: Descriptor
    output: Descriptor
    input_class: type[Message]
    output_class: type[Message]
    client_streaming: bool
    server_streaming: bool
    comment: str
    rest: RestOptions


@cache
def rest_methods() -> tuple[RestMethod, ...]:
    """Every HTTP binding of the contract, in the order of the files and of the services in them."""
    return tuple(
        _rest_method(method, rule) for service in services() for method in service.methods for rule in _bindings(method)
    )


@cache
def services() -> tuple[Any, ...]:
    """ServiceDescriptors of all services, in the order of their files."""
    return tuple(service for module in _modules() for service in module.DESCRIPTOR.services_by_name.values())


@cache
def messages() -> tuple[type[Message], ...]:
    """Classes of all messages of the contract, nested ones included, map entries not."""
    found: list[type[Message]] = []
    waiting = [descriptor for module in _modules() for descriptor in module.DESCRIPTOR.message_types_by_name.values()]
    for descriptor in waiting:
        if not descriptor.GetOptions().map_entry:
            found.append(message_factory.GetMessageClass(descriptor))
            waiting.extend(descriptor.nested_types)
    return tuple(found)


def options_of(method: MethodDescriptor) -> RestOptions:
    """The method's REST options; those of a method that says nothing are the defaults."""
    options = method.GetOptions().Extensions[rest_pb2.rest]
    return RestOptions(
        success_status=options.success_status or 200,
        idempotent=options.idempotent,
        etag=options.etag,
        scope=options.scope,
        internal=options.internal,
        open=options.open,
        tag=options.tag,
        at_once=options.at_once,
        other_status=options.other_status,
        waits_for_model=options.waits_for_model,
    )


def body_schema(method: RestMethod) -> Schema | None:
    """The schema of the request body, without what comes in the path; None where there is no body."""
    if not method.body:
        return None
    if method.body != "*":
        return field_schema(method.input.fields_by_name[method.body])
    taken = {parameter.name for parameter in method.path_fields}
    return schema_of(method.input, without=taken) if taken else reference(method.input)


def components(extra: Iterable[Descriptor] = ()) -> dict[str, Schema]:
    """components/schemas of the REST surface: what its methods take and give, and what `extra` reaches."""
    roots = [descriptor for method in rest_methods() for descriptor in (method.input, method.output)]
    return json_schema.components([*roots, *extra])


@cache
def _modules() -> tuple[Any, ...]:
    names = [file.name.removesuffix(".proto").replace("/", ".") + "_pb2" for file in described_files()]
    return tuple(importlib.import_module(name) for name in names)


def _bindings(method: MethodDescriptor) -> Iterator[http_pb2.HttpRule]:
    extension: Any = annotations_pb2.http  # its stub does not say whose options it extends
    rule = method.GetOptions().Extensions[extension]
    if rule.WhichOneof("pattern"):
        yield rule
        yield from rule.additional_bindings


def _rest_method(method: MethodDescriptor, rule: http_pb2.HttpRule) -> RestMethod:
    verb, path = _verb_and_path(rule)
    in_path = _VARIABLE.findall(path)
    service = method.containing_service
    return RestMethod(
        service=service.full_name,
        name=method.name,
        full_name=f"/{service.full_name}/{method.name}",
        http_verb=verb,
        path=path,
        body=rule.body,
        path_fields=tuple(_parameter(method.input_type.fields_by_name[name], in_path=True) for name in in_path),
        query_fields=tuple(_query_fields(method.input_type, in_path, rule.body)),
        input=method.input_type,
        output=method.output_type,
        input_class=message_factory.GetMessageClass(method.input_type),
        output_class=message_factory.GetMessageClass(method.output_type),
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
        comment=comment_of(method.full_name),
        rest=options_of(method),
    )


def _verb_and_path(rule: http_pb2.HttpRule) -> tuple[str, str]:
    kind = rule.WhichOneof("pattern")
    if kind == "custom":
        return rule.custom.kind, rule.custom.path
    return str(kind).upper(), getattr(rule, str(kind))


def _query_fields(message: Descriptor, in_path: Iterable[str], body: str) -> Iterator[Parameter]:
    if body == "*":
        return
    taken = {*in_path, body}
    for field in message.fields:
        if field.name not in taken and _is_textual(field):
            yield _parameter(field, in_path=False)


def _is_textual(field: FieldDescriptor) -> bool:
    """Whether a value of the field can stand in a query: scalars, and messages that JSON writes as strings."""
    return field.message_type is None or reference(field.message_type).get("type") == "string"


def _parameter(field: FieldDescriptor, *, in_path: bool) -> Parameter:
    return Parameter(
        name=field.name,
        field=field,
        repeated=field.is_repeated,
        required=in_path or json_schema.is_required(field),
        comment=json_schema.field_comment(field),
        schema=field_schema(field),
    )
