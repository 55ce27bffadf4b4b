"""Hashes of documents: a change costs its path in the tree, not the whole document.

`ir_hash` is a Merkle root over the nodes with their ids; `content_hash` is the same with every id, order key and
retrieval score left out, so that it depends on what the document says and on the source versions it cites alone.

Nodes and documents are immutable, so that their hashes are kept with them (see lace_core.index). A document that apply
made starts from those of the one before: what changed is hashed again, and what is above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

import msgspec
import orjson

from lace_core.canonical import canonical_json, sha256_hex
from lace_core.index import Index, index_of
from lace_core.ir import Artifact, Block, Evidence, Node, in_order

# What is kept with a node: its own hash with ids, and without; with a document: hashes of its subtrees of both kinds,
# or those of the document that it was made of with the nodes to hash again, and its root.
_OWN, _BARE, _ROOT = "_own_hash", "_bare_hash", "_ir_hash"
_TREES, _BARE_TREES = "_subtree_hashes", "_bare_subtree_hashes"
_STALE = {_TREES: "_stale_hashes", _BARE_TREES: "_stale_bare_hashes"}
_ENCODER = msgspec.json.Encoder(order="sorted")
_OWN_FIELDS = tuple(field for field in msgspec.structs.fields(Node) if field.name != "parent_id")
# A node without its place in the tree: encoding it is three times as fast as making a dictionary of the node first.
_OwnForm = msgspec.defstruct("_OwnForm", [(field.encode_name, field.type) for field in _OWN_FIELDS], frozen=True)


def block_hash(block: Block) -> str:
    """SHA-256 of a block's canonical form, ids included."""
    return sha256_hex(_canonical(block))


def node_hash(node: Node) -> str:
    """SHA-256 of a node's own canonical form: its place in the tree left out, its blocks and evidence included."""
    kept = node.__dict__
    if _OWN not in kept:
        kept[_OWN] = sha256_hex(_canonical(_OwnForm(*(getattr(node, field.name) for field in _OWN_FIELDS))))
    return str(kept[_OWN])


def subtree_hashes(artifact: Artifact) -> Mapping[str, str]:
    """For each node that the root reaches, the hash of it and all below it, ids included."""
    return _kept_trees(artifact, _TREES, node_hash)


def keep_stale_hashes(before: Artifact, after: Artifact, changed: Set[str]) -> None:
    """Keep with a document what is known of the one that it was made of.

    `changed` are the nodes that are other or gone, and those whose children are others.
    """
    kept = before.__dict__
    for fresh, stale in _STALE.items():
        if fresh in kept:
            after.__dict__[stale] = (kept[fresh], frozenset(changed))
        elif stale in kept:
            hashes, earlier = kept[stale]
            after.__dict__[stale] = (hashes, earlier | changed)


def ir_hash(artifact: Artifact) -> str:
    """Merkle root with ids."""
    kept = artifact.__dict__
    if _ROOT not in kept:
        sources = sorted(artifact.sources, key=lambda source: (source.source_id, source.version))
        head = {
            "artifact_id": artifact.artifact_id,
            "ir_schema_version": artifact.ir_schema_version,
            "title": artifact.title,
            "language": artifact.language,
            "sources": msgspec.to_builtins(sources),
        }
        kept[_ROOT] = _root(artifact, head, subtree_hashes(artifact))
    return str(kept[_ROOT])


def content_hash(artifact: Artifact) -> str:
    """Merkle root without ids."""
    versions = {source.source_id: source.version for source in artifact.sources}
    head = {"title": artifact.title, "language": artifact.language, "sources": sorted(versions.values())}
    return _root(artifact, head, _kept_trees(artifact, _BARE_TREES, lambda node: _bare_hash(node, versions)))


def _kept_trees(artifact: Artifact, kind: str, own: Callable[[Node], str]) -> Mapping[str, str]:
    kept = artifact.__dict__
    if kind not in kept:
        stale = kept.pop(_STALE[kind], None)
        index = index_of(artifact) if stale else None
        kept[kind] = _subtrees(artifact, own) if index is None else _refreshed(index, own, *stale)
    found: Mapping[str, str] = kept[kind]
    return found


def _canonical(value: msgspec.Struct) -> bytes:
    """The canonical form of IR values, whose types have neither floats nor keys beyond ASCII."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:  # a lone surrogate: refused there
        return canonical_json(msgspec.to_builtins(value))


def _subtrees(artifact: Artifact, own: Callable[[Node], str]) -> dict[str, str]:
    found: dict[str, str] = {}
    below: dict[str | None, list[str]] = {}
    for _, node in reversed(list(artifact.walk())):  # children before their parents
        children = below.pop(node.node_id, [])[::-1]
        found[node.node_id] = _subtree(own(node), children)
        below.setdefault(node.parent_id, []).append(found[node.node_id])
    return found


def _refreshed(
    index: Index, own: Callable[[Node], str], hashes: Mapping[str, str], changed: Set[str]
) -> dict[str, str]:
    """The hashes of a document made of another: those of what changed and of what is above it are worked out anew."""
    found = dict(hashes)
    depths: dict[str, int] = {}
    for node_id in changed:
        if node_id not in index.nodes:
            found.pop(node_id, None)
            continue
        path: list[str] = []
        at: str | None = node_id
        while at is not None and at not in depths:
            path.append(at)
            at = index.nodes[at].parent_id
        depth = depths[at] if at is not None else -1
        for place, ident in enumerate(reversed(path), start=1):
            depths[ident] = depth + place
    for ident in sorted(depths, key=depths.__getitem__, reverse=True):  # children before their parents
        children = [found[child] for child in index.children.get(ident, ())]
        found[ident] = _subtree(own(index.nodes[ident]), children)
    return found


def _subtree(own: str, children: list[str]) -> str:
    return sha256_hex(orjson.dumps([own, children]))


def _root(artifact: Artifact, head: dict[str, Any], subtrees: Mapping[str, str]) -> str:
    roots = [node for node in artifact.nodes if node.parent_id is None]
    tops = [subtrees[node.node_id] for node in in_order(roots)]
    return sha256_hex(canonical_json([head, tops]))


def _bare_hash(node: Node, versions: Mapping[str, str]) -> str:
    """A node's own hash without ids; it hangs on the versions of the sources that the node cites as well."""
    cited = frozenset((e.source_id, versions.get(e.source_id)) for e in node.evidence)
    kept = node.__dict__.get(_BARE)
    if kept is None or kept[0] != cited:
        kept = node.__dict__[_BARE] = (cited, _digest(_bare_node(node, versions)))
    return str(kept[1])


def _digest(form: Any) -> str:
    """SHA-256 of the canonical form of parsed IR values, which have neither floats nor keys beyond ASCII."""
    try:
        return sha256_hex(orjson.dumps(form, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError:  # a lone surrogate, or too large a number: refused or written there
        return sha256_hex(canonical_json(form))


def _bare_node(node: Node, versions: Mapping[str, str]) -> dict[str, Any]:
    form = msgspec.to_builtins(node)
    for key in ("node_id", "parent_id", "order_key", "evidence"):
        del form[key]
    cited = {evidence.evidence_id: _bare_evidence(evidence, versions) for evidence in node.evidence}
    form["blocks"] = [_bare(block, cited) for block in form["blocks"]]
    form["constraints"].pop("allowed_fact_ids", None)
    return dict(form)


def _bare_evidence(evidence: Evidence, versions: Mapping[str, str]) -> list[Any]:
    version = versions.get(evidence.source_id, evidence.source_version)
    return [version, evidence.extraction, evidence.start, evidence.end, evidence.quote_hash]


def _bare(value: Any, cited: Mapping[str, list[Any]]) -> Any:
    """A block's form with ids dropped and citations replaced by what they cite."""
    if isinstance(value, dict):
        return {
            key: [cited.get(evidence_id) for evidence_id in item] if key == "evidence_ids" else _bare(item, cited)
            for key, item in value.items()
            if key not in ("block_id", "sentence_id", "item_id", "row_id")
        }
    return [_bare(item, cited) for item in value] if isinstance(value, list | tuple) else value
