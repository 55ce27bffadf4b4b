"""The intermediate representation between values and messages.

Values go through the REST JSON form of their message, so that the contract's own names are the only mapping.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from lace.common.v1 import ir_pb2
from lace_core import ir as model
from lace_core.constraints import FIELDS
from lace_proto import json as wire_json


def node_message(node: model.Node, depth: int, inline: Collection[str]) -> ir_pb2.Node:
    """A node on the wire, with its blocks and evidence where these are asked for."""
    form = _form(node)
    form["parent_id"] = form["parent_id"] or ""
    form["constraints"] = _constraints_form(form["constraints"])
    form["blocks"] = [_block_form(block) for block in form["blocks"]] if "blocks" in inline else []
    form["evidence"] = form["evidence"] if "evidence" in inline else []
    form["depth"] = depth
    return wire_json.from_python(ir_pb2.Node, form)


def constraints_message(constraints: model.Constraints) -> ir_pb2.Constraints:
    """Constraints on the wire."""
    return wire_json.from_python(ir_pb2.Constraints, _constraints_form(_form(constraints)))


def _constraints_form(form: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in form.items() if value is not None}
    if terms := found.get("glossary"):
        found |= {"glossary": [entry["term"] for entry in terms], "glossary_terms": terms}
    return found


def _block_form(block: dict[str, Any]) -> dict[str, Any]:
    kind = block.pop("type")
    return {"block_id": block.pop("block_id"), kind: block}


def action_form(message: ir_pb2.Action, default_key: str) -> dict[str, Any]:
    """An action as the JSON of proposals has it; raises ValueError where it has not one kind."""
    form = wire_json.to_python(message)
    key = form.pop("idempotency_key", "") or default_key
    if len(form) != 1:
        raise ValueError("an action has one kind")
    kind, values = form.popitem()
    if kind == "insert_node":
        values["parent_id"] = values["parent_id"] or None
    if "constraints" in values:
        values["constraints"] = _constraints_of(values["constraints"])
    if "block" in values:
        values["block"] = _block_of(values["block"])
    return {"action": kind, "key": key, **values}


def _constraints_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """On the wire an empty list inherits; here what inherits is left out."""
    found = {key: value for key, value in form.items() if key not in FIELDS or value != []}
    terms, names = found.pop("glossary_terms", []), found.pop("glossary", [])
    if terms and names and names != [entry["term"] for entry in terms]:
        raise ValueError("glossary and glossary_terms name other terms; give glossary_terms alone")
    if terms or names:
        found["glossary"] = terms or [{"term": name} for name in names]
    return found


def _block_of(form: dict[str, Any]) -> dict[str, Any]:
    block_id = form.pop("block_id", "")
    if len(form) != 1:
        raise ValueError("a block has one kind")
    kind, values = form.popitem()
    block = {"type": kind, "block_id": block_id, **values}
    for part, ident in (("sentences", "sentence_id"), ("items", "item_id"), ("rows", "row_id")):
        for item in block.get(part, ()):
            item.setdefault(ident, "")
    return block


def source_message(source: model.Source) -> ir_pb2.SourceRef:
    """A source as documents cite it, on the wire."""
    return wire_json.from_python(ir_pb2.SourceRef, _form(source))


def _form(value: msgspec.Struct) -> dict[str, Any]:
    """A value as parsed JSON: lists where it has tuples."""
    form: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return form
