"""The no-loss rule: what a run may change of a written document, and what it must leave to the byte.

Every way of changing has one rule, and it is held twice: by each action before it is applied (so that a refusal
points to the action), and by the document that comes of all of them (so that no sum of actions slips through).
Nothing here trusts whoever made the proposal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from lace_core import actions as act
from lace_core.apply import Applied, Policy, Rejection, apply
from lace_core.constraints import resolve
from lace_core.ir import Artifact, Block, Evidence, ListBlock, Node, NodeState, Sentence, Table, cited_parts
from lace_core.merkle import block_hash
from lace_core.rejections import RejectionCode


class Way(StrEnum):
    """How a written document is changed."""

    REGENERATE = "regenerate"
    EXPAND = "expand"
    ENRICH = "enrich"
    PATCH = "patch"


@dataclass(frozen=True)
class Scope:
    """The nodes that may be changed, and in which way; all else stays to the byte."""

    way: Way
    node_ids: frozenset[str]


@dataclass(frozen=True)
class Dropped:
    """A citation that is in no block of its node any more."""

    node_id: str
    evidence: Evidence


def nodes_of(artifact: Artifact, node_id: str, *, subtree: bool) -> tuple[str, ...]:
    """The node, and with `subtree` all below it, in document order; raises LookupError for an unknown node."""
    root = artifact.node(node_id)
    if not subtree:
        return (root.node_id,)
    below = {node_id}
    for _, node in artifact.walk():
        if node.parent_id in below:
            below.add(node.node_id)
    return tuple(node.node_id for _, node in artifact.walk() if node.node_id in below)


def apply_within(artifact: Artifact, actions: Sequence[act.Action], scope: Scope) -> Applied:
    """Apply the actions, or none of them: with any rejection the document is what it was.

    Rejections of actions point into the proposal (/actions/3/node_id), those of their sum into the document.
    """
    refused = list(_refused(artifact, actions, scope))
    if refused:
        return Applied(artifact, (), tuple(refused))
    may_remove = scope.way in (Way.REGENERATE, Way.PATCH)
    policy = Policy(scope=scope.node_ids, may_remove=may_remove, on_conflict="rebase")
    applied = apply(artifact, act.Proposal(base_hash="", actions=tuple(actions)), policy)
    found = applied.rejections or tuple(breaches(artifact, applied.artifact, scope))
    return Applied(artifact, (), found) if found else applied


def breaches(before: Artifact, after: Artifact, scope: Scope) -> Iterator[Rejection]:
    """Where the document after breaks the rule, in document order."""
    for name in ("artifact_id", "title", "language", "ir_schema_version"):
        if getattr(before, name) != getattr(after, name):
            yield Rejection(
                RejectionCode.OUT_OF_SCOPE, f"/{name}", f"The document's {name} is outside what this run may change."
            )
    now = {node.node_id: node for node in after.nodes}
    known = {node.node_id for node in before.nodes}
    for node in before.nodes:
        at = f"/nodes/{node.node_id}"
        left = now.get(node.node_id)
        if left is None:
            yield Rejection(RejectionCode.NODE_LOST, at, f"The section {node.title} is gone.")
        elif node.node_id not in scope.node_ids:
            if left != node:
                yield Rejection(
                    RejectionCode.OUT_OF_SCOPE, at, f"The section {node.title} is outside what this run may change."
                )
        else:
            yield from _node_breaches(node, left, scope.way)
    for node in after.nodes:
        if node.node_id not in known:
            yield from _new_node_breaches(node, before, after, scope)


def conflicts(base: Artifact, head: Artifact, node_ids: Set[str]) -> list[str]:
    """The nodes in scope that differ between the two, so that changes made for the base do not fit the head."""
    then = {node.node_id: node for node in base.nodes if node.node_id in node_ids}
    now = {node.node_id: node for node in head.nodes if node.node_id in node_ids}
    differ = [ident for ident in then if ident not in now or _placed(then[ident]) != _placed(now[ident])]
    grown = [node.parent_id or "" for node in head.nodes if node.parent_id in node_ids]
    had = [node.parent_id or "" for node in base.nodes if node.parent_id in node_ids]
    return sorted({*differ, *(ident for ident in then if grown.count(ident) != had.count(ident))})


def dropped(before: Artifact, after: Artifact) -> tuple[Dropped, ...]:
    """Every citation of a node that the node does not have any more, in document order."""
    now = {node.node_id: {e.evidence_id for e in node.evidence} for node in after.nodes}
    return tuple(
        Dropped(node.node_id, evidence)
        for _, node in before.walk()
        for evidence in node.evidence
        if evidence.evidence_id not in now.get(node.node_id, set())
    )


def _placed(node: Node) -> tuple[Node, str | None]:
    return node, node.parent_id


# -- each action by itself ------------------------------------------------------------------------------------------

_BLOCKS = (act.InsertBlock, act.ReplaceBlock, act.MoveBlock, act.RemoveBlock)
_ALLOWED: Mapping[Way, tuple[type, ...]] = {
    Way.REGENERATE: (*_BLOCKS, act.SetSummary, act.SetNodeState),
    Way.PATCH: (*_BLOCKS, act.SetSummary, act.SetNodeState),
    Way.EXPAND: (act.InsertNode, act.InsertBlock, act.SetSummary, act.SetNodeState),
    Way.ENRICH: (act.InsertBlock, act.ReplaceBlock, act.SetNodeState),
}


def _refused(artifact: Artifact, actions: Sequence[act.Action], scope: Scope) -> Iterator[Rejection]:
    states = {node.node_id: node.state for node in artifact.nodes}
    holders = {block.block_id: node.node_id for node in artifact.nodes for block in node.blocks}
    known = set(states)
    for place, action in enumerate(actions):
        if not isinstance(action, _ALLOWED[scope.way]):
            tag = msgspec.to_builtins(action)["action"]
            yield Rejection(RejectionCode.ACTION_NOT_ALLOWED, f"/actions/{place}/action", f"{scope.way} may not {tag}.")
            continue
        for member, node_id in _touched(action, holders):
            if node_id in known and node_id not in scope.node_ids:
                message = f"{node_id} is outside what this run may change."
                yield Rejection(RejectionCode.OUT_OF_SCOPE, f"/actions/{place}/{member}", message)
        if isinstance(action, act.SetNodeState) and states.get(action.node_id) is NodeState.FINAL:
            message = f"{action.node_id} is final; only a person reopens it."
            yield Rejection(RejectionCode.NODE_FINAL, f"/actions/{place}/node_id", message)


def _touched(action: act.Action, holders: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The nodes that an action changes, each with the member that names it."""
    for member in ("node_id", "parent_id"):
        node_id = getattr(action, member, None)
        if node_id:
            yield member, node_id
    block_id = getattr(action, "block_id", "")
    if block_id in holders:
        yield "block_id", holders[block_id]


# -- what comes of them ---------------------------------------------------------------------------------------------


def _node_breaches(before: Node, after: Node, way: Way) -> Iterator[Rejection]:
    at = f"/nodes/{before.node_id}"
    for name in ("parent_id", "order_key", "title", "brief", "constraints"):
        if getattr(before, name) != getattr(after, name):
            yield Rejection(
                RejectionCode.OUT_OF_SCOPE, f"{at}/{name}", f"{way} leaves the {name} of {before.title} as it is."
            )
    if before.state is NodeState.FINAL and after != before:
        yield Rejection(RejectionCode.NODE_FINAL, at, f"The section {before.title} is final; reopen it first.")
    if way in (Way.EXPAND, Way.ENRICH):
        if before.summary and after.summary != before.summary:
            yield Rejection(
                RejectionCode.TEXT_LOST, f"{at}/summary", f"{way} leaves the summary of {before.title} as it is."
            )
        yield from _block_breaches(before, after, way)


def _block_breaches(before: Node, after: Node, way: Way) -> Iterator[Rejection]:
    now = {block.block_id: block for block in after.blocks}
    had = {block.block_id for block in before.blocks}
    for block in before.blocks:
        at = f"/nodes/{before.node_id}/blocks/{block.block_id}"
        left = now.get(block.block_id)
        if left is None:
            yield Rejection(RejectionCode.TEXT_LOST, at, f"{way} may not remove a block.")
        elif way is Way.EXPAND and block_hash(left) != block_hash(block):
            yield Rejection(RejectionCode.TEXT_CHANGED, at, "expand leaves what is there as it is.")
        elif way is Way.ENRICH:
            yield from _enriched_breaches(block, left, at)
    order = [block.block_id for block in after.blocks if block.block_id in had]
    if order != [block.block_id for block in before.blocks if block.block_id in now]:
        yield Rejection(
            RejectionCode.OUT_OF_SCOPE, f"/nodes/{before.node_id}/blocks", f"{way} leaves the blocks in their order."
        )


def _enriched_breaches(before: Block, after: Block, at: str) -> Iterator[Rejection]:
    """A block may gain citations and nothing else."""
    if _bare(before) != _bare(after):
        yield Rejection(RejectionCode.TEXT_CHANGED, at, "enrich adds evidence; it leaves the text as it is.")
        return
    for old, new in zip(_citations(before), _citations(after), strict=True):
        if not set(old) <= set(new):
            yield Rejection(
                RejectionCode.CITATION_LOST, at, f"enrich may not drop the citation of {min(set(old) - set(new))}."
            )


def _bare(block: Block) -> Block:
    """The block without its citations."""
    match block:
        case Table():
            rows = tuple(msgspec.structs.replace(row, evidence_ids=()) for row in block.rows)
            return msgspec.structs.replace(block, rows=rows, evidence_ids=())
        case ListBlock():
            return msgspec.structs.replace(
                block, items=tuple(msgspec.structs.replace(item, evidence_ids=()) for item in block.items)
            )
        case _ if hasattr(block, "sentences"):
            sentences: tuple[Sentence, ...] = block.sentences
            bare = tuple(msgspec.structs.replace(sentence, evidence_ids=()) for sentence in sentences)
            return msgspec.structs.replace(block, sentences=bare)
        case _ if hasattr(block, "evidence_ids"):
            return msgspec.structs.replace(block, evidence_ids=())
    return block


def _citations(block: Block) -> list[tuple[str, ...]]:
    own: tuple[str, ...] = getattr(block, "evidence_ids", ())
    return [own, *(part.evidence_ids for part in cited_parts(block))]


def _new_node_breaches(node: Node, before: Artifact, after: Artifact, scope: Scope) -> Iterator[Rejection]:
    at = f"/nodes/{node.node_id}"
    if scope.way is not Way.EXPAND:
        yield Rejection(RejectionCode.OUT_OF_SCOPE, at, f"{scope.way} adds no sections.")
        return
    known = {old.node_id for old in before.nodes}
    above: str | None = node.parent_id
    while above is not None and above not in known:
        above = after.node(above).parent_id
    if above is None or above not in scope.node_ids:
        yield Rejection(
            RejectionCode.OUT_OF_SCOPE, at, f"The section {node.title} is outside what this run may change."
        )
    elif resolve(before, above)[0].no_split:
        yield Rejection(RejectionCode.NO_SPLIT, at, f"{above} may not be split.")
