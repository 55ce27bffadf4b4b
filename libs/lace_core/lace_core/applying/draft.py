"""A document under change: what was touched laid over what the document has, both looked up by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from lace_core import actions as act
from lace_core.applying.results import Change, Policy, Refused
from lace_core.applying.section import Section
from lace_core.index import Index, index_of, keep_index, walked
from lace_core.ir import Artifact, Node, NodeState
from lace_core.merkle import keep_stale_hashes, node_hash
from lace_core.rejections import RejectionCode

K = TypeVar("K")
V = TypeVar("V")


class Draft:
    """One document, changed by actions one after the other; each is checked whole before it changes anything."""

    def __init__(self, artifact: Artifact, index: Index, policy: Policy) -> None:
        self.artifact, self.policy = artifact, policy
        self.changes: list[Change] = []
        self._index = index
        self._nodes: dict[str, Node | None] = {}  # None: removed
        self._children: dict[str | None, list[str]] = {}
        self._homes: dict[str, str | None] = {}
        self._sections: dict[str, Section] = {}
        base = policy.base
        self.base = index_of(base) if base is not None and policy.on_conflict == "rebase" else None

    # -- looking up ---------------------------------------------------------------------------------------------------

    def get(self, node_id: str) -> Node | None:
        """The node as far as its own fields go; its blocks may be stale, see `whole`."""
        return self._nodes[node_id] if node_id in self._nodes else self._index.nodes.get(node_id)

    def node(self, node_id: str, member: str = "node_id") -> Node:
        """The same; raises Refused NODE_NOT_FOUND."""
        node = self.get(node_id)
        if node is None:
            message = f"There is no node {node_id}; take ids from the document as it is now."
            raise Refused(RejectionCode.NODE_NOT_FOUND, member, message)
        return node

    def writable(self, node_id: str, member: str = "node_id") -> Node:
        """A node that may be changed; raises Refused NODE_NOT_FOUND, OUT_OF_SCOPE, NODE_FINAL."""
        node = self.node(node_id, member)
        self.check_scope(node, member)
        if node.state is NodeState.FINAL:
            raise Refused(RejectionCode.NODE_FINAL, member, f"{node_id} is final; reopen it first.")
        return node

    def check_parent(self, node: Node) -> None:
        """A final node keeps its children."""
        parent = self.get(node.parent_id) if node.parent_id is not None else None
        if parent is not None and parent.state is NodeState.FINAL:
            message = f"{parent.node_id}, which holds it, is final; reopen it first."
            raise Refused(RejectionCode.NODE_FINAL, "node_id", message)

    def check_scope(self, node: Node, member: str) -> None:
        """Raises Refused OUT_OF_SCOPE for a node that is neither in the scope nor below one that is."""
        scope = self.policy.scope
        if scope is None:
            return
        at: Node | None = node
        while at is not None and at.node_id not in scope:
            at = self.get(at.parent_id) if at.parent_id is not None else None
        if at is None:
            message = f"{node.node_id} is outside what this run may change."
            raise Refused(RejectionCode.OUT_OF_SCOPE, member, message)

    def children(self, parent_id: str | None) -> list[str]:
        """Ids of the nodes below one, in order; not to be changed."""
        own = self._children.get(parent_id)
        return list(self._index.children.get(parent_id, ())) if own is None else own

    def home(self, block_id: str) -> str | None:
        """The node that holds a block; None where there is none of that id."""
        return self._homes[block_id] if block_id in self._homes else self._index.homes.get(block_id)

    def holder(self, block_id: str) -> tuple[Section, int, Node]:
        """A block's node that may be changed, with the block's place; raises Refused BLOCK_NOT_FOUND and as above."""
        home = self.home(block_id)
        if home is None:
            message = f"There is no block {block_id}; take ids from the document as it is now."
            raise Refused(RejectionCode.BLOCK_NOT_FOUND, "block_id", message)
        node = self.writable(home, "block_id")
        section = self.section(node)
        return section, section.ids.index(block_id), node

    def section(self, node: Node) -> Section:
        """What is in a node, to be changed."""
        found = self._sections.get(node.node_id)
        if found is None:
            found = self._sections[node.node_id] = Section(node)
        return found

    def whole(self, node_id: str) -> Node:
        """The node with its blocks as they are now; it is there."""
        node = self.node(node_id)
        section = self._sections.get(node_id)
        if section is not None and section.is_changed:
            node = self._nodes[node_id] = section.of(node)
        return node

    # -- changing -----------------------------------------------------------------------------------------------------

    def record(self, action: act.Action, subject: str, before: str, after: str, moved: bool = False) -> None:
        """Keep that something changed, if it did."""
        kind: Any = "moved" if moved else "added" if not before else "removed" if not after else "replaced"
        if moved or before != after:
            self.changes.append(Change(subject, kind, before, after, action.key))

    def change_node(self, action: act.Action, node_id: str, **values: Any) -> None:
        """Give a node's own fields other values."""
        before = self.whole(node_id)
        if all(getattr(before, name) == value for name, value in values.items()):
            return
        after = self._nodes[node_id] = msgspec.structs.replace(before, **values)
        self.record(action, node_id, node_hash(before), node_hash(after))

    def hang(self, node: Node, place: int) -> None:
        """Put a new node, or one that was taken down, among the children of its parent."""
        self._nodes[node.node_id] = node
        self._own_children(node.parent_id).insert(place, node.node_id)

    def take_down(self, node: Node) -> None:
        """Take a node from among its parent's children."""
        self._own_children(node.parent_id).remove(node.node_id)

    def remove(self, node: Node) -> None:
        """Forget a node that was taken down, or whose parent was, and its blocks."""
        self._nodes[node.node_id] = None
        self._sections.pop(node.node_id, None)
        self._children[node.node_id] = []
        self._homes.update((block.block_id, None) for block in node.blocks)

    def house(self, block_id: str, node_id: str | None) -> None:
        """Say in which node a block is from now on; None: nowhere."""
        self._homes[block_id] = node_id

    def _own_children(self, parent_id: str | None) -> list[str]:
        if parent_id not in self._children:
            self._children[parent_id] = self.children(parent_id)
        return self._children[parent_id]

    # -- the document after -------------------------------------------------------------------------------------------

    def freeze(self) -> Artifact:
        """The document with everything that was changed; the same object where nothing was and it is in order."""
        for node_id in self._sections:
            self.whole(node_id)
        index = self._index
        changed = {ident: node for ident, node in self._nodes.items() if node is not index.nodes.get(ident)}
        if not changed and not self._children and index.is_ordered:
            return self.artifact
        nodes = _overlaid(index.nodes, changed)
        children, places = index.children, index.places
        if self._children or not index.is_ordered:
            over = {parent: tuple(own) if own else None for parent, own in self._children.items()}
            children = _overlaid(index.children, over)
            order = walked(children)
            places = {node_id: place for place, node_id in enumerate(order)}
            listed = [nodes[node_id] for node_id in order]
        else:
            listed = list(self.artifact.nodes)
            for node_id in changed:
                listed[places[node_id]] = nodes[node_id]
        made = msgspec.structs.replace(self.artifact, nodes=tuple(listed))
        homes = _overlaid(index.homes, self._homes) if self._homes else index.homes
        keep_index(made, Index(nodes, children, places, homes, is_ordered=True))
        keep_stale_hashes(self.artifact, made, {*changed, *(k for k in self._children if k is not None)})
        return made


def _overlaid(base: Mapping[K, V], over: Mapping[K, V | None]) -> dict[K, V]:
    """A copy of `base` with what is in `over`; None takes away."""
    found: dict[K, Any] = {**base, **over}
    for key, value in over.items():
        if value is None:
            del found[key]
    return found
