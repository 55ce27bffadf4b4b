"""OpenAPI of PATCH with a JSON Merge Patch, beside the one with actions."""

from __future__ import annotations

from typing import Any

from lace.common.v1 import ir_pb2
from lace_core.ir import NodeState
from lace_core.merge_patch import CONSTRAINT_MEMBERS, DOCUMENT_MEMBERS
from lace_gateway.api.merge_patches import MEDIA_TYPE
from lace_gateway.api.openapi.examples import NODE
from lace_proto.descriptors import schema_of

Schema = dict[str, Any]

_MEMBERS = ", ".join(f"`{member}`" for member in DOCUMENT_MEMBERS)
_NOTE = (
    "\n\n**As JSON Merge Patch** (RFC 7396): send the content type `application/merge-patch+json`, and the query "
    f"parameters `branch` and `message` where you need them. Patched can be {_MEMBERS}: `nodes` is an object by node "
    "id, with `title`, `brief`, `summary`, `state` and `constraints`, the rules by their names. `null` takes a brief, "
    "a summary or a rule out; what is absent stays; any other member is refused with a pointer to it. Text in blocks "
    "is changed by actions."
)


def _constraints() -> Schema:
    """Rules by name, each of which null takes out."""
    known = schema_of(ir_pb2.Constraints.DESCRIPTOR)["properties"]
    rules: Schema = {}
    for name in CONSTRAINT_MEMBERS:
        whole = known[name].get("type") == "integer"
        rules[name] = {"oneOf": [{**known[name], **({"minimum": 0} if whole else {})}, {"type": "null"}]}
    return {"type": ["object", "null"], "properties": rules, "additionalProperties": False}


def with_merge_patch(operation: Schema) -> Schema:
    """The operation of PATCH with its second form."""
    text: Schema = {"type": "string"}
    removable: Schema = {"type": ["string", "null"]}
    node: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "title": text,
            "brief": removable,
            "summary": removable,
            "state": {"type": "string", "enum": [state.value for state in NodeState]},
            "constraints": _constraints(),
        },
    }
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "title": {**text, "minLength": 1, "maxLength": 300},
            "language": {**text, "minLength": 1, "maxLength": 35},
            "nodes": {"type": "object", "additionalProperties": node},
        },
    }
    example = {
        "title": "Heat pumps in old buildings",
        "nodes": {NODE: {"summary": None, "constraints": {"max_words": 120}}},
    }
    body = operation["requestBody"]
    content = {**body["content"], MEDIA_TYPE: {"schema": schema, "example": example}}
    described = {**operation, "description": operation["description"] + _NOTE}
    return {**described, "requestBody": {**body, "content": content}}
