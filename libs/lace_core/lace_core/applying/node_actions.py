"""What each action on nodes does to a document under change."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lace_core import actions as act
from lace_core.applying.draft import Draft
from lace_core.applying.identities import nfc, nfc_constraints
from lace_core.applying.results import Refused
from lace_core.applying.section import place_after
from lace_core.ids import derive
from lace_core.ir import Node, NodeState
from lace_core.merkle import block_hash, node_hash
from lace_core.order import between
from lace_core.rejections import RejectionCode

# The life of a node. It goes forward; back from final only to draft, which is the explicit reopening.
MOVES: Mapping[NodeState, frozenset[NodeState]] = {
    NodeState.EMPTY: frozenset({NodeState.OUTLINED, NodeState.DRAFT}),
    NodeState.OUTLINED: frozenset({NodeState.DRAFT}),
    NodeState.DRAFT: frozenset({NodeState.FINAL}),
    NodeState.FINAL: frozenset({NodeState.DRAFT}),
}


def insert_node(draft: Draft, action: act.InsertNode) -> None:
    """Add a node; one of this key is there already: nothing."""
    node_id = derive("nod", draft.artifact.artifact_id, action.key)
    if draft.get(node_id) is not None:
        return
    if action.parent_id is None:
        _check_new_root(draft)
    else:
        draft.writable(action.parent_id, "parent_id")
        if not draft.policy.may_split:
            message = f"This run may not make nodes; write into {action.parent_id} itself."
            raise Refused(RejectionCode.SPLIT_OUT_OF_SCOPE, "parent_id", message)
    siblings = draft.children(action.parent_id)
    place = place_after(siblings, action.after_id)
    node = Node(
        node_id=node_id,
        parent_id=action.parent_id,
        order_key=_key_at(draft, siblings, place),
        title=nfc(action.title),
        state=NodeState.OUTLINED if action.brief else NodeState.EMPTY,
        brief=nfc(action.brief),
        constraints=nfc_constraints(action.constraints),
    )
    draft.hang(node, place)
    draft.record(action, node_id, "", node_hash(node))


def _check_new_root(draft: Draft) -> None:
    if draft.children(None):
        message = "The document has a root already; name it as the parent."
        raise Refused(RejectionCode.ROOT_EXISTS, "parent_id", message)
    if draft.policy.scope is not None:
        message = "A root is outside what this run may change."
        raise Refused(RejectionCode.OUT_OF_SCOPE, "parent_id", message)


def _key_at(draft: Draft, siblings: list[str], place: int) -> str:
    low = draft.node(siblings[place - 1]).order_key if place else ""
    high = draft.node(siblings[place]).order_key if place < len(siblings) else ""
    return between(low, high)


def update_node(draft: Draft, action: act.UpdateNode) -> None:
    """Give a node another title or brief."""
    node = draft.writable(action.node_id)
    title = node.title if action.title is None else nfc(action.title)
    brief = node.brief if action.brief is None else nfc(action.brief)
    draft.change_node(action, node.node_id, title=title, brief=brief)


def move_node(draft: Draft, action: act.MoveNode) -> None:
    """Put a node elsewhere; where it stands there already: nothing."""
    node = draft.writable(action.node_id)
    draft.check_parent(node)
    above: Node | None = draft.writable(action.parent_id, "parent_id")
    while above is not None:
        if above.node_id == node.node_id:
            raise Refused(RejectionCode.CYCLE, "parent_id", "A node cannot be put below itself; name another parent.")
        above = draft.get(above.parent_id) if above.parent_id is not None else None
    if stands_there(draft, node, action):
        return
    siblings = [ident for ident in draft.children(action.parent_id) if ident != node.node_id]
    place = place_after(siblings, action.after_id)
    before = draft.whole(node.node_id)
    key = _key_at(draft, siblings, place)
    draft.take_down(before)
    moved = msgspec.structs.replace(before, parent_id=action.parent_id, order_key=key)
    draft.hang(moved, place)
    draft.record(action, node.node_id, node_hash(before), node_hash(moved), moved=True)


def stands_there(draft: Draft, node: Node, action: act.MoveNode) -> bool:
    """Whether a node is where it is to be put."""
    siblings = draft.children(action.parent_id)
    if node.node_id not in siblings:
        return False
    place = siblings.index(node.node_id)
    before = siblings[place - 1] if place else ""
    wanted = siblings[-1] if action.after_id == act.LAST else action.after_id
    return wanted in (before, node.node_id)


def remove_node(draft: Draft, action: act.RemoveNode) -> None:
    """Remove a node and all below it."""
    node = draft.writable(action.node_id)
    if node.parent_id is None:
        message = "The root cannot be removed; remove what is below it."
        raise Refused(RejectionCode.ROOT_STAYS, "node_id", message)
    draft.check_parent(node)
    doomed = [draft.whole(node.node_id)]
    for gone in doomed:
        doomed.extend(draft.whole(child) for child in draft.children(gone.node_id))
    for gone in doomed:
        draft.writable(gone.node_id)
        if gone.blocks and not draft.policy.may_remove:
            message = f"{gone.node_id} holds content that may not be removed."
            raise Refused(RejectionCode.REMOVAL_OUT_OF_SCOPE, "node_id", message)
    draft.take_down(node)
    for gone in doomed:
        draft.remove(gone)
        for block in gone.blocks:
            draft.record(action, block.block_id, block_hash(block), "")
        draft.record(action, gone.node_id, node_hash(gone), "")


def set_node_state(draft: Draft, action: act.SetNodeState) -> None:
    """Move a node in its life; where it is already: nothing."""
    node = draft.node(action.node_id)
    draft.check_scope(node, "node_id")
    if node.state is action.state:
        return
    if action.state not in MOVES[node.state]:
        ways = " or ".join(sorted(MOVES[node.state]))
        message = f"{node.node_id} cannot go from {node.state} to {action.state}, only to {ways}."
        raise Refused(RejectionCode.STATE_ILLEGAL, "state", message)
    draft.change_node(action, node.node_id, state=action.state)


def set_constraints(draft: Draft, action: act.SetConstraints) -> None:
    """Replace a node's own constraints."""
    node = draft.writable(action.node_id)
    draft.change_node(action, node.node_id, constraints=nfc_constraints(action.constraints))


def set_summary(draft: Draft, action: act.SetSummary) -> None:
    """Replace a node's summary."""
    node = draft.writable(action.node_id)
    draft.change_node(action, node.node_id, summary=nfc(action.summary))
