"""What the gateway builds its routes and its API document from."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from lace.control.v1 import control_pb2
from lace_proto.descriptors import (
    RestMethod,
    body_schema,
    comment_of,
    component_name,
    components,
    messages,
    rest_methods,
    schema_of,
    services,
)
from lace_proto.json import to_python
from lace_proto.json_schema import components as reached


def _method(name: str) -> RestMethod:
    return next(method for method in rest_methods() if method.name == name)


def _descriptor(message: Any) -> Any:
    return message.DESCRIPTOR


def _validator(descriptor: Any, schema: dict[str, Any]) -> Any:
    """Of the message's schema, with all that it refers to and no more: making a validator takes its time."""
    known = reached([descriptor])
    return jsonschema_rs.Draft202012Validator({**schema, "components": {"schemas": known}})


def test_bindings_are_read() -> None:
    revoke = _method("RevokeToken")
    assert (revoke.http_verb, revoke.path, revoke.body) == ("POST", "/v1/tokens/{token_id}:revoke", "*")
    assert [field.name for field in revoke.path_fields] == ["token_id"]
    assert revoke.query_fields == ()
    assert revoke.full_name == "/lace.control.v1.AuthService/RevokeToken"
    assert revoke.input_class is control_pb2.RevokeTokenRequest
    assert revoke.rest.idempotent
    assert revoke.rest.scope == "admin"
    assert revoke.rest.success_status == 200
    assert _method("CreateToken").rest.success_status == 201


def test_query_fields_are_what_neither_path_nor_body_takes() -> None:
    listing = _method("ListUnits")
    assert [field.name for field in listing.path_fields] == ["source_id"]
    assert [field.name for field in listing.query_fields] == ["page_size", "page_token", "extraction"]
    assert listing.query_fields[0].schema["type"] == "integer"
    assert listing.query_fields[0].schema["minimum"] == 0


def test_every_path_variable_is_a_field_and_every_binding_is_unique() -> None:
    seen = set()
    for method in rest_methods():
        for parameter in method.path_fields:
            assert parameter.name in method.input.fields_by_name
            assert not parameter.repeated
        shape = (method.http_verb, re.sub(r"\{[^}]*\}", "{}", method.path))
        assert shape not in seen
        seen.add(shape)


def test_everything_is_commented() -> None:
    for service in services():
        assert comment_of(service.full_name)
        for method in service.methods:
            assert comment_of(method.full_name), method.full_name
    for message in messages():
        assert comment_of(message.DESCRIPTOR.full_name)
        for field in message.DESCRIPTOR.fields:
            assert comment_of(f"{message.DESCRIPTOR.full_name}.{field.name}")
    assert comment_of("lace.ingest.v1.SourceState.SOURCE_STATE_READY") == "Read; its units can be found."
    assert comment_of("lace.no.Such") == ""


def test_every_method_says_who_may_call_it() -> None:
    for service in services():
        for method in service.methods:
            from lace_proto.descriptors import options_of

            options = options_of(method)
            ways = [options.open, options.internal, bool(options.scope)]
            assert sum(ways) == 1, f"{method.full_name} is open, internal or has a scope"


def test_rules_become_keywords() -> None:
    schema = schema_of(control_pb2.CreateTokenRequest.DESCRIPTOR)
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["name"]["minLength"] == 1
    assert schema["properties"]["name"]["maxLength"] == 100
    assert schema["properties"]["scopes"]["maxItems"] == 32
    assert schema["properties"]["scopes"]["items"] == {"type": "string", "maxLength": 64}
    roles = schema_of(control_pb2.CreatePrincipalRequest.DESCRIPTOR)["properties"]["roles"]
    assert roles["items"]["enum"] == ["system_admin", "tenant_admin", "reviewer", "member"]


def test_body_leaves_out_what_comes_in_the_path() -> None:
    assert body_schema(_method("GetTenant")) is None
    put = body_schema(_method("PutTenantSettings"))
    assert put is not None
    assert "tenant_id" not in put["properties"]
    assert put["required"] == ["values"]
    assert body_schema(_method("CreateToken")) == {"$ref": "#/components/schemas/control.v1.CreateTokenRequest"}


def test_a_oneof_admits_one_member_at_most() -> None:
    from lace.ingest.v1 import ingest_pb2

    descriptor = _descriptor(ingest_pb2.UploadSourceRequest)
    schema = _validator(descriptor, schema_of(descriptor))
    assert schema.is_valid({})
    assert schema.is_valid({"chunk": "AA=="})
    assert not schema.is_valid({"chunk": "AA==", "head": {"filename": "x"}})


def test_components_hold_every_reference_and_are_schemas() -> None:
    known = components()
    assert list(known) == sorted(known)
    for method in rest_methods():
        assert component_name(method.output) in known or method.output.full_name.startswith("google.")

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if "$ref" in value else []
            return own + [found for member in value.values() for found in references(member)]
        return [found for member in value for found in references(member)] if isinstance(value, list) else []

    for reference in references(known):
        assert reference.removeprefix("#/components/schemas/") in known
    for schema in known.values():
        jsonschema_rs.meta.validate(schema)


@pytest.mark.parametrize("method", rest_methods(), ids=lambda method: method.full_name)
def test_what_an_empty_answer_looks_like_fits_its_schema(method: RestMethod) -> None:
    answer = to_python(method.output_class())
    schema = schema_of(method.output)
    schema.pop("required", None)
    _validator(method.output, schema).validate(answer)
