"""Deterministic apply: the only way a document changes. Pure, total: the same inputs give the same bytes.

An action that does not fit is rejected with a code and a JSON Pointer and changes nothing; an action applied
again changes nothing; text is normalised to NFC as it enters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec

from lace_core import actions as act
from lace_core.constraints import FIELDS
from lace_core.ids import derive
from lace_core.ir import (
    Artifact,
    Block,
    Callout,
    Code,
    Constraints,
    Equation,
    Evidence,
    Figure,
    ListBlock,
    Node,
    NodeState,
    Opaque,
    Paragraph,
    Quote,
    Table,
    cited_parts,
    in_order,
)
from lace_core.merkle import block_hash, ir_hash, node_hash
from lace_core.order import between, is_key

_MOVES: dict[NodeState, frozenset[NodeState]] = {
    NodeState.EMPTY: frozenset({NodeState.OUTLINED, NodeState.DRAFT}),
    NodeState.OUTLINED: frozenset({NodeState.DRAFT}),
    NodeState.DRAFT: frozenset({NodeState.FINAL}),
    NodeState.FINAL: frozenset({NodeState.DRAFT}),  # the explicit reopen
}


@dataclass(frozen=True)
class Policy:
    """What a proposal may do. `scope` limits it to these nodes and what is below them (None: the whole document);
    `may_remove` allows content to be removed; `on_conflict` decides when the base is not the head.
    """

    scope: frozenset[str] | None = None
    may_remove: bool = False
    on_conflict: Literal["reject", "rebase"] = "reject"


@dataclass(frozen=True)
class Change:
    """One change of a node or block, with hashes before ("" if added) and after ("" if removed)."""

    subject_id: str
    change: Literal["added", "replaced", "moved", "removed"]
    before_hash: str
    after_hash: str
    action_key: str


@dataclass(frozen=True)
class Rejection:
    """An action that was not applied: stable code, JSON Pointer into the proposal, and why."""

    code: str
    pointer: str
    message: str


@dataclass(frozen=True)
class Applied:
    """The document after the proposal, what changed, and what was refused."""

    artifact: Artifact
    changes: tuple[Change, ...]
    rejections: tuple[Rejection, ...]


class _Refused(Exception):
    def __init__(self, code: str, member: str, message: str) -> None:
        super().__init__(message)
        self.code, self.member, self.message = code, member, message


def apply(artifact: Artifact, proposal: act.Proposal, policy: Policy = Policy()) -> Applied:
    """Apply the actions in order; see the module's docstring.

    A base that is not the document's hash rejects everything (BASE_CHANGED) unless the policy rebases; so does a
    document that is no tree (DOCUMENT_BROKEN).
    """
    if not _is_tree(artifact):
        broken = Rejection("DOCUMENT_BROKEN", "", "The document is no tree of nodes in order; it cannot be changed.")
        return Applied(artifact, (), (broken,))
    if policy.on_conflict == "reject" and not _is_base(proposal.base_hash, artifact):
        rejection = Rejection("BASE_CHANGED", "/base_hash", "The document changed since these actions were made.")
        return Applied(artifact, (), (rejection,))
    draft = _Draft(artifact, policy)
    rejections: list[Rejection] = []
    for index, action in enumerate(proposal.actions):
        try:
            _HANDLERS[type(action)](draft, action)
        except _Refused as refused:
            rejections.append(Rejection(refused.code, f"/actions/{index}/{refused.member}", refused.message))
    return Applied(draft.freeze(), tuple(draft.changes), tuple(rejections))


def _is_tree(artifact: Artifact) -> bool:
    places = {(node.parent_id, node.order_key) for node in artifact.nodes}
    return (
        len({node.node_id for node in artifact.nodes}) == len(places) == len(artifact.nodes)
        and sum(node.parent_id is None for node in artifact.nodes) == min(1, len(artifact.nodes))
        and all(is_key(node.order_key) for node in artifact.nodes)
        and sum(1 for _ in artifact.walk()) == len(artifact.nodes)
    )


def _is_base(base_hash: str, artifact: Artifact) -> bool:
    return base_hash == ir_hash(artifact) or (not base_hash and not artifact.nodes)


@dataclass
class _Draft:
    """The document under change: nodes by id; lookups by id only."""

    artifact: Artifact
    policy: Policy
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes: dict[str, Node] = {node.node_id: node for node in self.artifact.nodes}

    def freeze(self) -> Artifact:
        loose = msgspec.structs.replace(self.artifact, nodes=tuple(self.nodes.values()))
        return msgspec.structs.replace(loose, nodes=tuple(node for _, node in loose.walk()))

    def node(self, node_id: str, member: str = "node_id") -> Node:
        node = self.nodes.get(node_id)
        if node is None:
            raise _Refused("NODE_NOT_FOUND", member, f"There is no node {node_id}.")
        return node

    def writable(self, node_id: str, member: str = "node_id") -> Node:
        node = self.node(node_id, member)
        self.check_scope(node_id, member)
        if node.state is NodeState.FINAL:
            raise _Refused("NODE_FINAL", member, f"{node_id} is final; reopen it first.")
        return node

    def check_parent(self, node: Node) -> None:
        """A final node keeps its children."""
        if node.parent_id is not None and self.nodes[node.parent_id].state is NodeState.FINAL:
            raise _Refused("NODE_FINAL", "node_id", f"{node.parent_id}, which holds it, is final; reopen it first.")

    def check_scope(self, node_id: str, member: str) -> None:
        if self.policy.scope is None:
            return
        at: str | None = node_id
        while at is not None and at not in self.policy.scope:
            at = self.nodes[at].parent_id
        if at is None:
            raise _Refused("OUT_OF_SCOPE", member, f"{node_id} is outside what this run may change.")

    def holder(self, block_id: str) -> tuple[Node, int]:
        for node in self.nodes.values():
            for index, block in enumerate(node.blocks):
                if block.block_id == block_id:
                    return self.writable(node.node_id, "block_id"), index
        raise _Refused("BLOCK_NOT_FOUND", "block_id", f"There is no block {block_id}.")

    def put(self, node: Node) -> None:
        self.nodes[node.node_id] = node

    def record(self, action: act.Action, subject: str, before: str, after: str, moved: bool = False) -> None:
        kind: Any = "moved" if moved else "added" if not before else "removed" if not after else "replaced"
        if moved or before != after:
            self.changes.append(Change(subject, kind, before, after, action.key))

    def change_node(self, action: act.Action, node: Node, **values: Any) -> None:
        changed = msgspec.structs.replace(node, **values)
        self.record(action, node.node_id, node_hash(node), node_hash(changed))
        self.put(changed)

    def children(self, parent_id: str | None) -> list[Node]:
        return in_order(node for node in self.nodes.values() if node.parent_id == parent_id)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _nfc_constraints(constraints: Constraints) -> Constraints:
    """Text in them is compared with the document's, so it is normalised like that."""
    values = {name: getattr(constraints, name) for name in FIELDS}
    text = {name: _nfc(value) for name, value in values.items() if isinstance(value, str)}
    texts = {name: tuple(map(_nfc, value)) for name, value in values.items() if isinstance(value, tuple)}
    return msgspec.structs.replace(constraints, **text, **texts)


_T = TypeVar("_T")


def _place(siblings: Sequence[_T], ident: Callable[[_T], str], after_id: str) -> int:
    """The index at which something comes that is to stand after `after_id`."""
    if after_id == act.LAST:
        return len(siblings)
    if not after_id:
        return 0
    for index, sibling in enumerate(siblings):
        if ident(sibling) == after_id:
            return index + 1
    raise _Refused("SIBLING_NOT_FOUND", "after_id", f"{after_id} is not a sibling there.")


def _order_key(draft: _Draft, parent_id: str | None, after_id: str, moving: str = "") -> str:
    siblings = [node for node in draft.children(parent_id) if node.node_id != moving]
    place = _place(siblings, lambda node: node.node_id, after_id)
    low = siblings[place - 1].order_key if place else ""
    high = siblings[place].order_key if place < len(siblings) else ""
    return between(low, high)


def _insert_node(draft: _Draft, action: act.InsertNode) -> None:
    node_id = derive("nod", draft.artifact.artifact_id, action.key)
    if node_id in draft.nodes:
        return
    if action.parent_id is None:
        if draft.children(None):
            raise _Refused("ROOT_EXISTS", "parent_id", "The document has a root already.")
        if draft.policy.scope is not None:
            raise _Refused("OUT_OF_SCOPE", "parent_id", "A root is outside what this run may change.")
    else:
        draft.writable(action.parent_id, "parent_id")
    node = Node(
        node_id=node_id,
        parent_id=action.parent_id,
        order_key=_order_key(draft, action.parent_id, action.after_id),
        title=_nfc(action.title),
        state=NodeState.OUTLINED if action.brief else NodeState.EMPTY,
        brief=_nfc(action.brief),
        constraints=_nfc_constraints(action.constraints),
    )
    draft.put(node)
    draft.record(action, node_id, "", node_hash(node))


def _update_node(draft: _Draft, action: act.UpdateNode) -> None:
    node = draft.writable(action.node_id)
    title = node.title if action.title is None else _nfc(action.title)
    brief = node.brief if action.brief is None else _nfc(action.brief)
    draft.change_node(action, node, title=title, brief=brief)


def _move_node(draft: _Draft, action: act.MoveNode) -> None:
    node = draft.writable(action.node_id)
    draft.check_parent(node)
    above: str | None = draft.writable(action.parent_id, "parent_id").node_id
    while above is not None:
        if above == node.node_id:
            raise _Refused("CYCLE", "parent_id", "A node cannot be put below itself.")
        above = draft.nodes[above].parent_id
    siblings = [sibling.node_id for sibling in draft.children(action.parent_id)]
    if node.node_id in siblings:
        before = siblings[siblings.index(node.node_id) - 1] if siblings[0] != node.node_id else ""
        wanted = siblings[-1] if action.after_id == act.LAST else action.after_id
        if wanted in (before, node.node_id):
            return
    key = _order_key(draft, action.parent_id, action.after_id, moving=node.node_id)
    moved = msgspec.structs.replace(node, parent_id=action.parent_id, order_key=key)
    draft.put(moved)
    draft.record(action, node.node_id, node_hash(node), node_hash(moved), moved=True)


def _remove_node(draft: _Draft, action: act.RemoveNode) -> None:
    node = draft.writable(action.node_id)
    if node.parent_id is None:
        raise _Refused("ROOT_STAYS", "node_id", "The root cannot be removed.")
    draft.check_parent(node)
    doomed = [node]
    for gone in doomed:
        doomed.extend(draft.children(gone.node_id))
    for gone in doomed:
        draft.writable(gone.node_id)
        if gone.blocks and not draft.policy.may_remove:
            raise _Refused("REMOVAL_OUT_OF_SCOPE", "node_id", f"{gone.node_id} holds content that may not be removed.")
    for gone in doomed:
        del draft.nodes[gone.node_id]
        for block in gone.blocks:
            draft.record(action, block.block_id, block_hash(block), "")
        draft.record(action, gone.node_id, node_hash(gone), "")


def _set_node_state(draft: _Draft, action: act.SetNodeState) -> None:
    node = draft.node(action.node_id)
    draft.check_scope(node.node_id, "node_id")
    if node.state is action.state:
        return
    if action.state not in _MOVES[node.state]:
        raise _Refused("STATE_ILLEGAL", "state", f"{node.node_id} cannot go from {node.state} to {action.state}.")
    draft.change_node(action, node, state=action.state)


def _set_constraints(draft: _Draft, action: act.SetConstraints) -> None:
    draft.change_node(action, draft.writable(action.node_id), constraints=_nfc_constraints(action.constraints))


def _set_summary(draft: _Draft, action: act.SetSummary) -> None:
    draft.change_node(action, draft.writable(action.node_id), summary=_nfc(action.summary))


def _insert_block(draft: _Draft, action: act.InsertBlock) -> None:
    node = draft.writable(action.node_id)
    block_id = derive("blk", draft.artifact.artifact_id, action.key)
    if any(block.block_id == block_id for holder in draft.nodes.values() for block in holder.blocks):
        return
    block = _with_ids(action.block, block_id, action.key)
    place = _place(node.blocks, lambda b: b.block_id, action.after_id)
    evidence = _evidence(node, block, action.evidence)
    blocks = (*node.blocks[:place], block, *node.blocks[place:])
    draft.put(msgspec.structs.replace(node, blocks=blocks, evidence=evidence))
    draft.record(action, block_id, "", block_hash(block))


def _replace_block(draft: _Draft, action: act.ReplaceBlock) -> None:
    node, index = draft.holder(action.block_id)
    old = node.blocks[index]
    block = _with_known_ids(old, _with_ids(action.block, action.block_id, action.key))
    if 2 * _words(block) < _words(old) and not draft.policy.may_remove:
        raise _Refused("SHRINK_OUT_OF_SCOPE", "block", "The new block drops more than half of the old one.")
    evidence = _evidence(node, block, action.evidence)
    blocks = (*node.blocks[:index], block, *node.blocks[index + 1 :])
    draft.put(_pruned(msgspec.structs.replace(node, blocks=blocks, evidence=evidence)))
    draft.record(action, action.block_id, block_hash(old), block_hash(block))


def _move_block(draft: _Draft, action: act.MoveBlock) -> None:
    node, index = draft.holder(action.block_id)
    block = node.blocks[index]
    target = draft.writable(action.node_id)
    rest = (*node.blocks[:index], *node.blocks[index + 1 :])
    if target.node_id == node.node_id:
        place = _place(rest, lambda b: b.block_id, action.after_id)
        if place == index:
            return
        draft.put(msgspec.structs.replace(node, blocks=(*rest[:place], block, *rest[place:])))
    else:
        place = _place(target.blocks, lambda b: b.block_id, action.after_id)
        blocks = (*target.blocks[:place], block, *target.blocks[place:])
        evidence = _evidence(target, block, node.evidence)
        draft.put(_pruned(msgspec.structs.replace(node, blocks=rest)))
        draft.put(_pruned(msgspec.structs.replace(target, blocks=blocks, evidence=evidence)))
    digest = block_hash(block)
    draft.record(action, action.block_id, digest, digest, moved=True)


def _remove_block(draft: _Draft, action: act.RemoveBlock) -> None:
    node, index = draft.holder(action.block_id)
    if not draft.policy.may_remove:
        raise _Refused("REMOVAL_OUT_OF_SCOPE", "block_id", "Content may not be removed here.")
    old = node.blocks[index]
    draft.put(_pruned(msgspec.structs.replace(node, blocks=(*node.blocks[:index], *node.blocks[index + 1 :]))))
    draft.record(action, action.block_id, block_hash(old), "")


def _with_ids(block: Block, block_id: str, key: str) -> Block:
    """The block with every id derived and every text in NFC; code and opaque blocks keep their bytes."""

    def part(index: int, prefix: str) -> str:
        return derive(prefix, block_id, key, str(index))

    match block:
        case Opaque():
            return msgspec.structs.replace(block, block_id=block_id)
        case Paragraph() | Quote() | Callout():
            sentences = tuple(
                msgspec.structs.replace(s, sentence_id=part(i, "sen"), text=_nfc(s.text))
                for i, s in enumerate(block.sentences)
            )
            return msgspec.structs.replace(block, block_id=block_id, sentences=sentences)
        case ListBlock():
            items = tuple(
                msgspec.structs.replace(item, item_id=part(i, "itm"), text=_nfc(item.text))
                for i, item in enumerate(block.items)
            )
            return msgspec.structs.replace(block, block_id=block_id, items=items)
        case Table():
            return _table_with_ids(block, block_id, part)
        case Figure():
            return msgspec.structs.replace(block, block_id=block_id, alt=_nfc(block.alt), caption=_nfc(block.caption))
        case Equation():
            return msgspec.structs.replace(block, block_id=block_id, tex=_nfc(block.tex))
        case Code():
            return msgspec.structs.replace(block, block_id=block_id)


def _table_with_ids(block: Table, block_id: str, part: Callable[[int, str], str]) -> Table:
    width = len(block.header)
    if any(len(row.cells) != width for row in block.rows):
        raise _Refused("TABLE_RAGGED", "block", "Every row needs as many cells as the table has columns.")
    rows = tuple(
        msgspec.structs.replace(row, row_id=part(i, "row"), cells=tuple(map(_nfc, row.cells)))
        for i, row in enumerate(block.rows)
    )
    header = tuple(map(_nfc, block.header))
    return msgspec.structs.replace(block, block_id=block_id, rows=rows, header=header, caption=_nfc(block.caption))


_PARTS = {"sentences": "sentence_id", "items": "item_id", "rows": "row_id"}


def _with_known_ids(old: Block, block: Block) -> Block:
    """The block with its old ids for the parts that say what they said: who cites a sentence finds it again."""
    for member, ident in _PARTS.items():
        before, after = getattr(old, member, ()), getattr(block, member, ())
        if not before or not after:
            continue
        free = list(before)
        parts = []
        for part in after:
            same = next((known for known in free if _said(known) == _said(part)), None)
            if same is None:
                parts.append(part)
                continue
            free.remove(same)
            parts.append(msgspec.structs.replace(part, **{ident: getattr(same, ident)}))
        if len({getattr(part, ident) for part in parts}) == len(parts):  # a key that was used before gave ids before
            block = msgspec.structs.replace(block, **{member: tuple(parts)})
    return block


def _said(part: Any) -> Any:
    return getattr(part, "text", None) or getattr(part, "cells", None)


def _cited_ids(block: Block) -> set[str]:
    own = {evidence_id for part in cited_parts(block) for evidence_id in part.evidence_ids}
    return own | set(getattr(block, "evidence_ids", ()))


def _evidence(node: Node, block: Block, given: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The node's evidence with what the block cites added; refused where a citation resolves to nothing."""
    known = {evidence.evidence_id: evidence for evidence in node.evidence}
    offered = {evidence.evidence_id: evidence for evidence in given}
    for evidence_id in sorted(_cited_ids(block)):
        if evidence_id not in known:
            if evidence_id not in offered:
                raise _Refused("EVIDENCE_NOT_FOUND", "block", f"{evidence_id} is cited but not given.")
            known[evidence_id] = offered[evidence_id]
    return tuple(known[evidence_id] for evidence_id in sorted(known))


def _pruned(node: Node) -> Node:
    cited = set().union(*(_cited_ids(block) for block in node.blocks)) if node.blocks else set()
    return msgspec.structs.replace(node, evidence=tuple(e for e in node.evidence if e.evidence_id in cited))


def _words(block: Block) -> int:
    if isinstance(block, Opaque):
        return len(block.raw.split())
    return sum(len(part.text.split()) for part in cited_parts(block))


_HANDLERS: dict[type, Callable[[_Draft, Any], None]] = {
    act.InsertNode: _insert_node,
    act.UpdateNode: _update_node,
    act.MoveNode: _move_node,
    act.RemoveNode: _remove_node,
    act.SetNodeState: _set_node_state,
    act.SetConstraints: _set_constraints,
    act.InsertBlock: _insert_block,
    act.ReplaceBlock: _replace_block,
    act.MoveBlock: _move_block,
    act.RemoveBlock: _remove_block,
    act.SetSummary: _set_summary,
}
