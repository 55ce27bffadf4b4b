"""What is looked up in a document by id, made once for each document and kept with it.

A document is an immutable value, so what follows from it can be kept beside its fields for as long as it lives
(msgspec's `dict=True`); it takes no part in comparison, encoding or copying. A document that apply makes gets its
index from that of the one before: a change then costs what changed, and a copy of the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lace_core.ir import Artifact, Node, in_order
from lace_core.order import is_key

_INDEX = "_index"


@dataclass(frozen=True, slots=True)
class Index:
    """`children` has ids in order by parent, `places` where each node stands in the document's tuple, `homes` the node
    of each block; `is_ordered` says that the tuple is in document order.
    """

    nodes: Mapping[str, Node]
    children: Mapping[str | None, tuple[str, ...]]
    places: Mapping[str, int]
    homes: Mapping[str, str]
    is_ordered: bool


def index_of(artifact: Artifact) -> Index | None:
    """The document's index; None where it is no tree of nodes in order, or holds an id of a node or block twice."""
    kept = artifact.__dict__
    if _INDEX not in kept:
        kept[_INDEX] = _build(artifact)
    found: Index | None = kept[_INDEX]
    return found


def keep_index(artifact: Artifact, index: Index) -> None:
    """Keep with a document the index that its maker knows already."""
    artifact.__dict__[_INDEX] = index


def walked(children: Mapping[str | None, tuple[str, ...]]) -> list[str]:
    """Ids of all nodes in document order."""
    found: list[str] = []
    stack = list(reversed(children.get(None, ())))
    while stack:
        node_id = stack.pop()
        found.append(node_id)
        below = children.get(node_id)
        if below:
            stack.extend(reversed(below))
    return found


def loose_index(artifact: Artifact) -> Index:
    """An index of what need be no tree: of nodes that its root reaches, and of ids that are there twice the last."""
    reached = {node.node_id: node for _, node in artifact.walk()}
    below: dict[str | None, dict[str, None]] = {}
    for _, node in artifact.walk():
        if reached[node.node_id] is node:
            below.setdefault(node.parent_id, {})[node.node_id] = None
    homes = {block.block_id: node.node_id for node in reached.values() for block in node.blocks}
    places = {node.node_id: place for place, node in enumerate(artifact.nodes)}
    return Index(reached, {parent: tuple(own) for parent, own in below.items()}, places, homes, is_ordered=False)


def _build(artifact: Artifact) -> Index | None:
    nodes = {node.node_id: node for node in artifact.nodes}
    places = {(node.parent_id, node.order_key) for node in artifact.nodes}
    roots = sum(node.parent_id is None for node in artifact.nodes)
    if not len(nodes) == len(places) == len(artifact.nodes) or roots != min(1, len(nodes)):
        return None
    if not all(is_key(key) for _, key in places):
        return None
    homes = {block.block_id: node.node_id for node in artifact.nodes for block in node.blocks}
    if len(homes) != sum(len(node.blocks) for node in artifact.nodes):
        return None
    below: dict[str | None, list[Node]] = {}
    for node in artifact.nodes:
        below.setdefault(node.parent_id, []).append(node)
    children = {parent: tuple(node.node_id for node in in_order(own)) for parent, own in below.items()}
    order = walked(children)
    if len(order) != len(nodes):  # some hang in a circle, or below what is not there
        return None
    is_ordered = order == list(nodes)
    return Index(nodes, children, {node_id: place for place, node_id in enumerate(nodes)}, homes, is_ordered)
