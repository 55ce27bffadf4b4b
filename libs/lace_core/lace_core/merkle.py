"""Hashes of documents: a change costs its path in the tree, not the whole document.

`ir_hash` is a Merkle root over the nodes with their ids; `content_hash` is the same with every id, order key and
retrieval score left out, so that it depends on what the document says and on the source versions it cites alone.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lace_core.canonical import canonical_json, sha256_hex
from lace_core.ir import Artifact, Block, Evidence, Node


def block_hash(block: Block) -> str:
    """SHA-256 of a block's canonical form, ids included."""
    return _digest(msgspec.to_builtins(block))


def node_hash(node: Node) -> str:
    """SHA-256 of a node's own canonical form: its place in the tree left out, its blocks and evidence included."""
    form = msgspec.to_builtins(node)
    del form["parent_id"]
    return _digest(form)


def subtree_hashes(artifact: Artifact) -> dict[str, str]:
    """For each node that the root reaches, the hash of it and all below it, ids included."""
    return _subtrees(artifact, {node.node_id: node_hash(node) for node in artifact.nodes})


def ir_hash(artifact: Artifact, subtrees: dict[str, str] | None = None) -> str:
    """Merkle root with ids; `subtrees` are the document's subtree hashes where they are known already."""
    sources = sorted(artifact.sources, key=lambda source: (source.source_id, source.version))
    head = {
        "artifact_id": artifact.artifact_id,
        "ir_schema_version": artifact.ir_schema_version,
        "title": artifact.title,
        "language": artifact.language,
        "sources": msgspec.to_builtins(sources),
    }
    return _root(artifact, head, subtrees or subtree_hashes(artifact))


def content_hash(artifact: Artifact) -> str:
    """Merkle root without ids."""
    versions = {source.source_id: source.version for source in artifact.sources}
    own = {node.node_id: sha256_hex(canonical_json(_bare_node(node, versions))) for node in artifact.nodes}
    head = {"title": artifact.title, "language": artifact.language, "sources": sorted(versions.values())}
    return _root(artifact, head, _subtrees(artifact, own))


def _digest(form: Any) -> str:
    """SHA-256 of the canonical form of IR values, whose types have neither floats nor keys beyond ASCII."""
    try:
        return sha256_hex(orjson.dumps(form, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError:  # a lone surrogate, or too large a number: refused or written there
        return sha256_hex(canonical_json(form))


def _subtrees(artifact: Artifact, own: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    below: dict[str | None, list[str]] = {}
    for _, node in reversed(list(artifact.walk())):  # children before their parents
        children = below.pop(node.node_id, [])[::-1]
        found[node.node_id] = sha256_hex(canonical_json([own[node.node_id], children]))
        below.setdefault(node.parent_id, []).append(found[node.node_id])
    return found


def _root(artifact: Artifact, head: dict[str, Any], subtrees: dict[str, str]) -> str:
    tops = [subtrees[node.node_id] for depth, node in artifact.walk() if depth == 0]
    return sha256_hex(canonical_json([head, tops]))


def _bare_node(node: Node, versions: dict[str, str]) -> dict[str, Any]:
    form = msgspec.to_builtins(node)
    for key in ("node_id", "parent_id", "order_key", "evidence"):
        del form[key]
    cited = {evidence.evidence_id: _bare_evidence(evidence, versions) for evidence in node.evidence}
    form["blocks"] = [_bare(block, cited) for block in form["blocks"]]
    form["constraints"].pop("allowed_fact_ids", None)
    return dict(form)


def _bare_evidence(evidence: Evidence, versions: dict[str, str]) -> list[Any]:
    version = versions.get(evidence.source_id, evidence.source_version)
    return [version, evidence.extraction, evidence.start, evidence.end, evidence.quote_hash]


def _bare(value: Any, cited: dict[str, list[Any]]) -> Any:
    """A block's form with ids dropped and citations replaced by what they cite."""
    if isinstance(value, dict):
        return {
            key: [cited.get(evidence_id) for evidence_id in item] if key == "evidence_ids" else _bare(item, cited)
            for key, item in value.items()
            if key not in ("block_id", "sentence_id", "item_id", "row_id")
        }
    return [_bare(item, cited) for item in value] if isinstance(value, list | tuple) else value
