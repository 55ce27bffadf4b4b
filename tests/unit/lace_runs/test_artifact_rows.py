"""Documents as rows and back: what Postgres is given is the whole document, whatever is in it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given

from lace_core import ir
from lace_core.merkle import ir_hash, node_hash
from lace_runs.adapters import artifacts as rows
from tests.unit.lace_core.strategies import artifacts


def _as_jsonb(value: Any) -> Any:
    """What comes back of a jsonb column: lists for tuples, keys in another order."""
    return json.loads(json.dumps(msgspec.to_builtins(value), sort_keys=True))


@given(artifacts)
def test_a_document_of_rows_is_the_document(document: ir.Artifact) -> None:
    hashes = {node.node_id: node_hash(node) for node in document.nodes}
    nodes, blocks, evidence = (json.loads(part) for part in rows._content_rows(document.nodes, hashes))
    places = _as_jsonb([rows._place(at, node, hashes) for at, node in enumerate(document.nodes)])
    bodies = {(row["node_id"], row["node_hash"]): row["body"] for row in nodes}
    found: list[Any] = []
    for place in sorted(places, key=lambda each: int(each["position"])):
        own = [row for row in blocks if (row["node_id"], row["node_hash"]) == (place["node_id"], place["node_hash"])]
        node = bodies[place["node_id"], place["node_hash"]] | {
            "parent_id": place["parent_id"],
            "order_key": place["order_key"],
            "blocks": [row["body"] for row in sorted(own, key=lambda each: int(each["position"]))],
        }
        found.insert(0, SimpleNamespace(position=place["position"], node=json.dumps(node)))
    head = SimpleNamespace(
        title=document.title,
        language=document.language,
        ir_schema_version=document.ir_schema_version,
        sources=_as_jsonb(document.sources),
    )
    stored = rows._stored_of_rows(document.artifact_id, head, found)
    assert stored.artifact == document
    assert stored.ir_hash() == ir_hash(document)
    assert {row["body"]["evidence_id"] for row in evidence} == {
        e.evidence_id for node in document.nodes for e in node.evidence
    }
