"""The API document and the API are the same: every annotated method is in it, and everything in it is described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from fastapi.routing import APIRoute
from schemathesis.specs.openapi.definitions import OPENAPI_31

from lace_core.errors import Reason
from lace_gateway.api.openapi.example_values import field_example, request_example, response_example
from lace_gateway.api.openapi.examples import REQUESTS
from lace_gateway.api.rest_routes import in_matching_order
from lace_gateway.domain.openai_paths import is_openai_path
from lace_platform.rpc import validate
from lace_proto.descriptors import rest_methods
from lace_proto.json import from_python

PROBLEM = "application/problem+json"
BY_HAND = {
    ("POST", "/v1/sources:ingest"),
    ("GET", "/v1/runs/{run_id}/stream"),
    ("GET", "/v1/blobs/{token}"),
    ("GET", "/v1/artifacts/{artifact_id}/tests/{test_id}/junit.xml"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    ("GET", "/"),
}
REQUIRED = """
POST /v1/artifacts
GET /v1/artifacts/art_1
PATCH /v1/artifacts/art_1
GET /v1/artifacts/art_1/nodes/nod_1
POST /v1/runs/generate
POST /v1/runs/regenerate
POST /v1/runs/expand
POST /v1/runs/enrich
POST /v1/runs/patch
POST /v1/runs/outline
POST /v1/runs/auto
GET /v1/runs/run_1
GET /v1/runs/run_1/steps
GET /v1/runs/run_1/events
POST /v1/runs/run_1:pause
POST /v1/runs/run_1:resume
POST /v1/runs/run_1:restart
POST /v1/runs/run_1:cancel
GET /v1/runs/run_1/stream
GET /v1/runs/run_1/events/replay
POST /v1/sources:ingest
GET /v1/sources
GET /v1/sources/src_1
POST /v1/compile
GET /v1/compiled/art_1
POST /v1/artifacts/art_1:rollback
GET /v1/settings/system
PUT /v1/settings/system
GET /v1/settings/tenants/ten_1
PUT /v1/settings/tenants/ten_1
GET /v1/settings/users/prn_1
PUT /v1/settings/users/prn_1
GET /v1/providers/capabilities
POST /v1/providers/validate
POST /v1/embed
POST /v1/rerank
POST /v1/chat/completions
POST /v1/embeddings
GET /v1/models
GET /v1/provenance/runs/run_1
GET /v1/provenance/entities/ent_1
GET /health/live
GET /health/ready
GET /metrics
"""


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            yield verb.upper(), path, operation


def resolve(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = document
        for segment in value["$ref"].removeprefix("#/").split("/"):
            found = found[segment]
        value = found
    return value


def reached(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The components that a schema refers to, by whatever way: with all of them, each validator would take its time."""
    schemas, waiting = document["components"]["schemas"], [schema]
    found: dict[str, Any] = {}
    while waiting:
        for name in set(re.findall(r"#/components/schemas/([\w.-]+)", repr(waiting.pop()))) - set(found):
            found[name] = schemas[name]
            waiting.append(schemas[name])
    return {"schemas": found}


def validator(document: dict[str, Any], schema: dict[str, Any], known: dict[str, Any]) -> Any:
    """A validator of JSON Schema for a schema of the document; made once each, which takes its time."""
    key = repr(schema)
    if key not in known:
        known[key] = jsonschema_rs.Draft202012Validator({**schema, "components": reached(document, schema)})
    return known[key]


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    errors = list(jsonschema_rs.Draft202012Validator(OPENAPI_31).iter_errors(document))
    assert [error.message for error in errors] == []
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator({**schema, "components": reached(document, schema)})


def test_every_annotated_method_is_there_and_nothing_else(document: dict[str, Any]) -> None:
    annotated = {(method.http_verb, method.path) for method in rest_methods()}
    assert {(verb, path) for verb, path, _ in operations(document)} == annotated | BY_HAND


def test_the_routes_are_what_the_document_says(document: dict[str, Any], application: Any) -> None:
    served = {
        (verb, route.path_format)
        for route in application[0].routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for verb in route.methods or ()
    }
    assert served == {(verb, path) for verb, path, _ in operations(document)}


@pytest.mark.parametrize("line", REQUIRED.split("\n")[1:-1])
def test_the_required_surface(document: dict[str, Any], line: str) -> None:
    verb, _, wanted = line.partition(" ")
    templates = [path for method, path, _ in operations(document) if method == verb]
    patterns = [re.sub(r"\\\{[^}]*\\\}", "[^/:]+", re.escape(template)) for template in templates]
    assert any(re.fullmatch(pattern, wanted) for pattern in patterns)


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for member in value.values():
                yield from references(member)
        elif isinstance(value, list):
            for member in value:
                yield from references(member)

    found = set(references(document))
    assert len(found) > 100
    for reference in found:
        assert resolve(document, {"$ref": reference})


def test_everything_is_described(document: dict[str, Any]) -> None:
    """Operations, parameters, bodies, answers, schemas, and every field of every schema."""
    missing: list[str] = []

    def look(where: str, value: dict[str, Any]) -> None:
        if not value.get("description", "").strip():
            missing.append(where)

    for verb, path, operation in operations(document):
        look(f"{verb} {path}", operation)
        assert operation["summary"]
        for parameter in operation["parameters"]:
            look(f"{verb} {path} {parameter}", resolve(document, parameter))
        if "requestBody" in operation:
            look(f"{verb} {path} body", operation["requestBody"])
        for status, response in operation["responses"].items():
            look(f"{verb} {path} {status}", resolve(document, response))
    for name, schema in document["components"]["schemas"].items():
        look(name, schema)
        for field, member in schema.get("properties", {}).items():
            look(f"{name}.{field}", member)
    for tag in document["tags"]:
        look(tag["name"], tag)
    assert missing == []


def test_operations_are_listed_under_known_headings_and_named_once(document: dict[str, Any]) -> None:
    known = {tag["name"] for tag in document["tags"]}
    used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    assert used == known
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_operation_shows_good_examples(document: dict[str, Any]) -> None:
    """Of the body and the answer; both are what the schemas say."""
    known: dict[str, Any] = {}
    for verb, path, operation in operations(document):
        contents = [(f"{verb} {path} body", operation.get("requestBody", {}).get("content", {}))]
        for status, response in operation["responses"].items():
            contents.append((f"{verb} {path} {status}", resolve(document, response).get("content", {})))
        for where, content in contents:
            for media_type, media in content.items():
                if media_type not in ("application/json", "application/problem+json"):
                    continue
                examples = (
                    [media["example"]] if "example" in media else [e["value"] for e in media["examples"].values()]
                )
                for example in examples:
                    problems = list(validator(document, media["schema"], known).iter_errors(example))
                    assert problems == [], (where, [problem.message for problem in problems])


def test_example_requests_would_be_taken() -> None:
    methods = {method.name: method for method in rest_methods()}
    assert set(REQUESTS) <= set(methods)
    for method in methods.values():
        if method.body:
            path = {parameter.name: field_example(parameter.field) for parameter in method.path_fields}
            body = request_example(method)
            validate(from_python(method.input_class, {**(body if method.body == "*" else {method.body: body}), **path}))
        from_python(method.output_class, response_example(method))


def test_mutations_need_a_key_and_work_that_takes_time_says_where(document: dict[str, Any]) -> None:
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    for method in rest_methods():
        operation = document["paths"][method.path][method.http_verb.lower()]
        assert (key in operation["parameters"]) is method.rest.idempotent
        success = operation["responses"][str(method.rest.success_status)]
        assert ("Location" in success["headers"]) or method.rest.success_status != 202
        assert f"`{method.rest.scope}`" in operation["description"]
        assert method.rest.scope
        assert not method.rest.internal
        assert not method.rest.open


def test_every_error_code_is_documented(document: dict[str, Any]) -> None:
    documented = {
        code
        for response in document["components"]["responses"].values()
        for code in re.findall(r"- `([A-Z_]+)`", response["description"])
    }
    assert documented == {reason.value for reason in Reason}


def test_errors_have_one_form(document: dict[str, Any]) -> None:
    """OpenAI's clients look for another one, which is as much the same everywhere."""
    problem, openai = [{"$ref": f"#/components/schemas/{name}"} for name in ("Problem", "OpenAIError")]
    for _, path, operation in operations(document):
        assert "default" in operation["responses"]
        media_type, schema = ("application/json", openai) if is_openai_path(path) else (PROBLEM, problem)
        for status, response in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                content = resolve(document, response)["content"]
                assert {kind: media["schema"] for kind, media in content.items()} == {media_type: schema}


def test_no_route_hides_another(application: Any) -> None:
    """Of every method, the path with plain ids is matched by its own route first."""
    routes = [route for route in application[0].routes if isinstance(route, APIRoute)]
    for method in rest_methods():
        path = re.sub(r"\{[^}]*\}", "x", method.path)
        scope = {"type": "http", "method": method.http_verb, "path": path, "root_path": ""}
        first = next(route for route in routes if route.matches(dict(scope))[0].name == "FULL")
        assert first.path_format == method.path


def test_verbs_and_words_come_before_ids() -> None:
    order = [(method.http_verb, method.path) for method in in_matching_order(rest_methods())]
    assert order.index(("POST", "/v1/runs/{run_id}:pause")) < order.index(("POST", "/v1/runs/{pipeline_id}"))
    assert order.index(("GET", "/v1/settings/system")) < order.index(("GET", "/v1/settings/tenants/{tenant_id}"))
