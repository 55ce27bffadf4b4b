"""Three ways of one action: what it was made for (the base), what is there now (the head), and what it asks.

An action fits the head where what it is about is in the head as it was in the base, or as the action wants it already.
Everything is compared by id, and only the aspect that the action changes: who renames a node and who writes into it
are not in each other's way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lace_core import actions as act
from lace_core.applying.identities import content_of, nfc, nfc_constraints, with_ids
from lace_core.applying.results import Refused
from lace_core.index import Index
from lace_core.ir import Block, Node
from lace_core.rejections import RejectionCode


class Three:
    """A base and the head that came of it since."""

    def __init__(self, base: Index, head: Index) -> None:
        self._base, self._head = base, head
        self._checks: Mapping[type, Callable[[Any], bool]] = {
            act.InsertNode: self._insert_node,
            act.UpdateNode: self._update_node,
            act.MoveNode: self._move_node,
            act.RemoveNode: self._remove_node,
            act.SetNodeState: self._set_node_state,
            act.SetConstraints: self._set_constraints,
            act.InsertBlock: self._insert_block,
            act.ReplaceBlock: self._replace_block,
            act.MoveBlock: self._move_block,
            act.RemoveBlock: self._remove_block,
            act.SetSummary: self._set_summary,
        }

    def is_done(self, action: act.Action) -> bool:
        """Whether the head has what the action asks already; raises Refused CONFLICT where it has another thing."""
        return self._checks[type(action)](action)

    # -- nodes --------------------------------------------------------------------------------------------------------

    def _insert_node(self, action: act.InsertNode) -> bool:
        if action.parent_id is not None:
            self._still_there(action.parent_id, "parent_id")
        self._check_anchor(self._base.children, self._head.children, action.parent_id, action.after_id)
        return False

    def _update_node(self, action: act.UpdateNode) -> bool:
        for name in ("title", "brief"):
            wanted = getattr(action, name)
            if wanted is not None:
                self._check_field(action.node_id, name, nfc(wanted))
        return False

    def _set_node_state(self, action: act.SetNodeState) -> bool:
        return self._check_field(action.node_id, "state", action.state)

    def _set_constraints(self, action: act.SetConstraints) -> bool:
        return self._check_field(action.node_id, "constraints", nfc_constraints(action.constraints))

    def _set_summary(self, action: act.SetSummary) -> bool:
        return self._check_field(action.node_id, "summary", nfc(action.summary))

    def _check_field(self, node_id: str, name: str, wanted: Any) -> bool:
        self._still_there(node_id, "node_id")
        base, head = self._base.nodes.get(node_id), self._head.nodes.get(node_id)
        if base is None or head is None or getattr(base, name) == getattr(head, name):
            return False
        if getattr(head, name) != wanted:
            raise _conflict(name, f"The {name} of {node_id} was changed since")
        return True

    def _move_node(self, action: act.MoveNode) -> bool:
        self._still_there(action.node_id, "node_id")
        self._still_there(action.parent_id, "parent_id")
        base, head = self._base.nodes.get(action.node_id), self._head.nodes.get(action.node_id)
        if base is not None and head is not None and _place(base) != _place(head):
            siblings = self._head.children[head.parent_id]
            if head.parent_id != action.parent_id or not _is_behind(siblings, action.node_id, action.after_id):
                raise _conflict("node_id", f"{action.node_id} was moved since")
            return True
        self._check_anchor(self._base.children, self._head.children, action.parent_id, action.after_id)
        return False

    def _remove_node(self, action: act.RemoveNode) -> bool:
        if action.node_id in self._base.nodes and action.node_id not in self._head.nodes:
            return True
        stack = [action.node_id]
        while stack:
            node_id = stack.pop()
            base, head = self._base.nodes.get(node_id), self._head.nodes.get(node_id)
            if (base is None) != (head is None):
                raise _conflict("node_id", f"{node_id}, which would go too, came or went since")
            if base is not None and base is not head and base != head:
                raise _conflict("node_id", f"{node_id}, which would go too, was changed since")
            below = {*self._base.children.get(node_id, ()), *self._head.children.get(node_id, ())}
            stack.extend(sorted(below))
        return False

    def _still_there(self, node_id: str, member: str) -> None:
        if node_id in self._base.nodes and node_id not in self._head.nodes:
            raise _conflict(member, f"{node_id} was removed since")

    # -- blocks -------------------------------------------------------------------------------------------------------

    def _insert_block(self, action: act.InsertBlock) -> bool:
        self._still_there(action.node_id, "node_id")
        self._check_anchor(_Blocks(self._base), _Blocks(self._head), action.node_id, action.after_id)
        return False

    def _replace_block(self, action: act.ReplaceBlock) -> bool:
        base, head = self._block(self._base, action.block_id), self._block(self._head, action.block_id)
        if base is None:
            return False
        if head is None:
            raise _conflict("block_id", f"{action.block_id} was removed since")
        if base == head:
            return False
        if content_of(head) != content_of(with_ids(action.block, action.block_id, action.key)):
            raise _conflict("block", f"{action.block_id} was changed since")
        return True

    def _move_block(self, action: act.MoveBlock) -> bool:
        home, now = self._base.homes.get(action.block_id), self._head.homes.get(action.block_id)
        self._still_there(action.node_id, "node_id")
        if home is None:
            return False
        if now is None:
            raise _conflict("block_id", f"{action.block_id} was removed since")
        if home != now or self._was_moved_within(action.block_id, home):
            if now != action.node_id or not _is_behind(_ids(self._head, now), action.block_id, action.after_id):
                raise _conflict("block_id", f"{action.block_id} was moved since")
            return True
        self._check_anchor(_Blocks(self._base), _Blocks(self._head), action.node_id, action.after_id)
        return False

    def _remove_block(self, action: act.RemoveBlock) -> bool:
        base, head = self._block(self._base, action.block_id), self._block(self._head, action.block_id)
        if base is None:
            return False
        if head is None:
            return True
        if base != head:
            raise _conflict("block_id", f"{action.block_id} was changed since")
        home = self._base.homes[action.block_id]
        if home != self._head.homes[action.block_id] or self._was_moved_within(action.block_id, home):
            raise _conflict("block_id", f"{action.block_id} was moved since")
        return False

    def _block(self, index: Index, block_id: str) -> Block | None:
        home = index.homes.get(block_id)
        if home is None:
            return None
        return next(block for block in index.nodes[home].blocks if block.block_id == block_id)

    def _was_moved_within(self, block_id: str, node_id: str) -> bool:
        """Whether it stands behind another one than it did, of those that are in both."""
        before, after = _ids(self._base, node_id), _ids(self._head, node_id)
        if before == after:
            return False
        common = set(before) & set(after)
        return _predecessor(before, block_id, common) != _predecessor(after, block_id, common)

    def _check_anchor(self, base: Any, head: Any, parent_id: str | None, after_id: str) -> None:
        """What something is to stand behind must still be there."""
        if after_id in ("", act.LAST) or after_id not in base.get(parent_id, ()):
            return
        if after_id not in head.get(parent_id, ()):
            raise _conflict("after_id", f"{after_id} was moved or removed since")


class _Blocks:
    """The ids of a node's blocks, as a mapping of its children is."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def get(self, node_id: str, default: tuple[str, ...]) -> tuple[str, ...]:
        return _ids(self._index, node_id) or default


def _ids(index: Index, node_id: str) -> tuple[str, ...]:
    node = index.nodes.get(node_id)
    return tuple(block.block_id for block in node.blocks) if node is not None else ()


def _place(node: Node) -> tuple[str | None, str]:
    return node.parent_id, node.order_key


def _is_behind(siblings: tuple[str, ...], ident: str, after_id: str) -> bool:
    place = siblings.index(ident)
    if after_id == act.LAST:
        return place == len(siblings) - 1
    return (siblings[place - 1] if place else "") == after_id


def _predecessor(ids: tuple[str, ...], ident: str, common: set[str]) -> str:
    kept = [one for one in ids if one in common]
    place = kept.index(ident)
    return kept[place - 1] if place else ""


def _conflict(member: str, what: str) -> Refused:
    message = f"{what}, and not in the same way; read the head and decide between the two."
    return Refused(RejectionCode.CONFLICT, member, message)
