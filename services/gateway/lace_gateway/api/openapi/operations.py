"""OpenAPI operations of the contract's methods: parameters, bodies, answers, each described and with an example."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lace_gateway.api.openapi.errors import error_responses
from lace_gateway.api.openapi.example_values import field_example, request_example, response_example
from lace_gateway.api.rest_requests import takes_format, takes_preference
from lace_gateway.api.rest_routes import location_of
from lace_proto.descriptors import Parameter, RestMethod, body_schema, reference
from lace_proto.json_schema import is_required

Schema = dict[str, Any]

_JSON = "application/json"
_KEY_NOTE = (
    "Needs an `Idempotency-Key`: the same key with the same body gives the first answer again and does nothing twice."
)
_ETAG_NOTE = "Send the `ETag` that you read as `If-Match`, and nothing is changed unless it is still that version."


def operation_of(method: RestMethod, locations: Mapping[str, str]) -> Schema:
    """The operation object of one HTTP binding."""
    found: Schema = {
        "operationId": f"{method.service.rpartition('.')[2]}_{method.name}",
        "summary": _summary(method),
        "description": _description(method),
        "tags": [method.rest.tag],
        "parameters": _parameters(method),
        "responses": {**_successes(method, locations), **_errors(method)},
        "security": [{"bearer": []}],
    }
    if method.body:
        found["requestBody"] = _request_body(method)
    return found


def takes_etag(method: RestMethod) -> bool:
    """Whether If-Match means something to the method."""
    return method.rest.etag and "etag" in method.input.fields_by_name


def header(name: str) -> Schema:
    """A reference to one of the shared header parameters."""
    return {"$ref": f"#/components/parameters/{name}"}


def _summary(method: RestMethod) -> str:
    """The first sentence of the comment; one that only names the thing becomes what is done with it."""
    first = re.split(r"(?<=[.;])\s", " ".join(method.comment.split()), maxsplit=1)[0].rstrip(".;:")
    if method.http_verb == "GET" and first.startswith(("A ", "An ", "The ", "What ", "Every ")):
        return f"Gets {first[0].lower()}{first[1:]}"
    return first


def _description(method: RestMethod) -> str:
    notes = [method.comment]
    if method.rest.scope:
        notes.append(f"Needs the scope `{method.rest.scope}`.")
    if method.rest.idempotent:
        notes.append(_KEY_NOTE)
    if takes_etag(method):
        notes.append(_ETAG_NOTE)
    return "\n\n".join(notes)


def _parameters(method: RestMethod) -> list[Schema]:
    found = [_parameter(parameter, "path") for parameter in method.path_fields]
    found += [_parameter(parameter, "query") for parameter in method.query_fields]
    if method.rest.idempotent:
        found.append(header("IdempotencyKey"))
    if takes_etag(method):
        found.append(header("IfMatch"))
    if method.http_verb == "GET" and method.rest.etag:
        found.append(header("IfNoneMatch"))
    if takes_preference(method):
        found.append(header("Prefer"))
    return [*found, header("RequestId"), header("CorrelationId")]


def _parameter(parameter: Parameter, place: str) -> Schema:
    schema = {name: value for name, value in parameter.schema.items() if name != "description"}
    found: Schema = {
        "name": parameter.name,
        "in": place,
        "required": parameter.required,
        "description": parameter.comment,
        "schema": schema,
    }
    if place == "path":
        found["example"] = field_example(parameter.field)
    return found


def _request_body(method: RestMethod) -> Schema:
    in_path = {parameter.name for parameter in method.path_fields}
    return {
        "description": "The request as JSON; fields that are not listed here are refused.",
        # A verb whose arguments are all optional may come without a body.
        "required": any(is_required(field) for field in method.input.fields if field.name not in in_path),
        "content": {_JSON: {"schema": body_schema(method), "example": request_example(method)}},
    }


def _successes(method: RestMethod, locations: Mapping[str, str]) -> Schema:
    found = {str(method.rest.success_status): _success(method, locations)}
    if method.rest.at_once:
        at_once = {**found["202"], "description": "Answered at once: no run was needed."}
        found["200"] = {**at_once, "headers": {k: v for k, v in at_once["headers"].items() if k != "Location"}}
    if method.rest.other_status:
        said = {**_success(method, locations), "description": _OTHER[method.rest.other_status]}
        found[str(method.rest.other_status)] = said
    return found


def _success(method: RestMethod, locations: Mapping[str, str]) -> Schema:
    headers: Schema = {
        "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
        "X-Correlation-Id": {"$ref": "#/components/headers/CorrelationId"},
    }
    if location_of(method, locations):
        headers["Location"] = {"$ref": "#/components/headers/Location"}
    if method.rest.etag:
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
    return {
        "description": _SUCCESS[method.rest.success_status],
        "headers": headers,
        "content": {
            _JSON: {"schema": reference(method.output), "example": response_example(method)},
            **_rendered(method),
        },
    }


def _rendered(method: RestMethod) -> Schema:
    """The other forms that an answer may have."""
    if not takes_format(method):
        return {}
    text: Schema = {"type": "string"}
    return {
        "text/markdown": {
            "schema": text,
            "example": "## Costs\n\n- **changed** sentence: It cost ~~five~~ **six** pounds.",
        },
        "text/html": {"schema": text, "example": "<!DOCTYPE html>…"},
    }


_SUCCESS = {
    200: "Done.",
    201: "Made; `Location` says where it is, if it has an address of its own.",
    202: "Taken on; watch the run at `Location`, or its events at `/stream` below it.",
    204: "Done; there is nothing to say.",
}

_OTHER = {
    200: "It was there already; nothing was made.",
    202: "Taken on, as `Prefer: respond-async` asked; ask at `Location` for its end.",
}


def _errors(method: RestMethod) -> Schema:
    statuses = [400, 401, 403, 429, 500, 503, 504]
    if method.path_fields:
        statuses.append(404)
    if method.rest.idempotent:
        statuses.append(409)
    if takes_etag(method):
        statuses.append(412)
    if method.body:
        statuses += [413, 415, 422]
    if method.rest.success_status == 202:
        statuses.append(501)
    found = error_responses(*statuses)
    if method.http_verb == "GET" and method.rest.etag:
        found["304"] = {"description": "It is still the version that `If-None-Match` names."}
    return found
