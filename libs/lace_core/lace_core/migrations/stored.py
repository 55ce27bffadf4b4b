"""A stored document: as it is stored, with the hashes that it had when it was written, and as this code reads it.

The hashes of a document are over its form in its own schema version, so that what is stored can be verified for ever,
whatever later versions add. Only the form of the current version is hashed by lace_core.merkle; the earlier ones here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lace_core.canonical import canonical_json, hash_json
from lace_core.ir import IR_SCHEMA_VERSION, Artifact, artifact_of, decode, encode, schema_version
from lace_core.merkle import content_hash, ir_hash
from lace_core.migrations.chain import Form, version_of


@dataclass(frozen=True)
class Stored:
    """`artifact` is the document in the current version; `form` its stored form where that is of an earlier one."""

    artifact: Artifact
    form: Form | None = None

    def data(self) -> bytes:
        """Canonical JSON bytes of the document as it was stored."""
        return encode(self.artifact) if self.form is None else canonical_json(self.form)

    def ir_hash(self) -> str:
        """Merkle root with ids of the document as it was stored."""
        return ir_hash(self.artifact) if self.form is None else ir_hash_of_form(self.form)

    def content_hash(self) -> str:
        """Merkle root without ids of the document as it was stored."""
        return content_hash(self.artifact) if self.form is None else content_hash_of_form(self.form)


def stored_of_form(form: Form) -> Stored:
    """The stored document of its form, of any version; raises ValueError (UnknownVersion where it is of none)."""
    artifact = artifact_of(form)
    return Stored(artifact, None if version_of(form) == IR_SCHEMA_VERSION else form)


def stored_of(data: bytes) -> Stored:
    """The stored document of its JSON bytes; raises as `stored_of_form` does."""
    if schema_version(data) == IR_SCHEMA_VERSION:
        return Stored(decode(data))
    return stored_of_form(msgspec.json.decode(data))


def ir_hash_of_form(form: Form) -> str:
    """What lace_core.merkle.ir_hash is of a document, of its form in any version."""
    sources = sorted(form["sources"], key=lambda source: (source["source_id"], source["version"]))
    names = ("artifact_id", "ir_schema_version", "title", "language")
    head = {**{name: form[name] for name in names}, "sources": sources}
    own = {
        node["node_id"]: hash_json({name: value for name, value in node.items() if name != "parent_id"})
        for node in form["nodes"]
    }
    return _root(form["nodes"], own, head)


def content_hash_of_form(form: Form) -> str:
    """What lace_core.merkle.content_hash is of a document, of its form in any version."""
    versions = {source["source_id"]: source["version"] for source in form["sources"]}
    head = {"title": form["title"], "language": form["language"], "sources": sorted(versions.values())}
    own = {node["node_id"]: hash_json(_bare_node(node, versions)) for node in form["nodes"]}
    return _root(form["nodes"], own, head)


def _root(nodes: Sequence[Form], own: Mapping[str, str], head: Form) -> str:
    subtrees: dict[str, str] = {}
    below: dict[str | None, list[str]] = {}
    for node in reversed(list(_walk(nodes))):  # children before their parents
        ident = node["node_id"]
        subtrees[ident] = hash_json([own[ident], below.pop(ident, [])[::-1]])
        below.setdefault(node["parent_id"], []).append(subtrees[ident])
    return hash_json([head, below.get(None, [])[::-1]])


def _walk(nodes: Sequence[Form]) -> Iterator[Form]:
    """Nodes that the root reaches, in document order."""
    by_parent: dict[str | None, list[Form]] = {}
    for node in nodes:
        by_parent.setdefault(node["parent_id"], []).append(node)
    stack = _last_first(by_parent.pop(None, []))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(_last_first(by_parent.pop(node["node_id"], [])))


def _last_first(siblings: Sequence[Form]) -> list[Form]:
    return sorted(siblings, key=lambda node: (node["order_key"], node["node_id"]), reverse=True)


def _bare_node(node: Form, versions: Mapping[str, str]) -> dict[str, Any]:
    cited = {
        evidence["evidence_id"]: [
            versions.get(evidence["source_id"], evidence["source_version"]),
            *(evidence[name] for name in ("extraction", "start", "end", "quote_hash")),
        ]
        for evidence in node["evidence"]
    }
    left_out = ("node_id", "parent_id", "order_key", "evidence")
    bare = {name: value for name, value in node.items() if name not in left_out}
    bare["blocks"] = [_bare(block, cited) for block in node["blocks"]]
    bare["constraints"] = {k: v for k, v in node["constraints"].items() if k != "allowed_fact_ids"}
    return bare


def _bare(value: Any, cited: Mapping[str, list[Any]]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: [cited.get(ident) for ident in item] if key == "evidence_ids" else _bare(item, cited)
            for key, item in value.items()
            if key not in ("block_id", "sentence_id", "item_id", "row_id")
        }
    return [_bare(item, cited) for item in value] if isinstance(value, list | tuple) else value
