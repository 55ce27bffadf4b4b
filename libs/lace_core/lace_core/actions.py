"""The closed set of actions by which a document changes, defined once for prompts, validators and apply alike."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from lace_core.ir import Block, Constraints, Evidence, NodeState

LAST = "end"


class _Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="action"):
    """`key` makes an action idempotent: the ids of what it makes are derived from it."""

    key: str


class InsertNode(_Action, frozen=True, tag="insert_node"):
    """Adds a node below `parent_id` (None makes the root), after the sibling `after_id` ("" first, "end" last)."""

    parent_id: str | None
    title: str
    after_id: str = LAST
    brief: str = ""
    constraints: Constraints = Constraints()


class UpdateNode(_Action, frozen=True, tag="update_node"):
    """Changes a node's title or brief; None leaves it."""

    node_id: str
    title: str | None = None
    brief: str | None = None


class MoveNode(_Action, frozen=True, tag="move_node"):
    """Puts a node, with all below it, elsewhere."""

    node_id: str
    parent_id: str
    after_id: str = LAST


class RemoveNode(_Action, frozen=True, tag="remove_node"):
    """Removes a node and all below it."""

    node_id: str


class SetNodeState(_Action, frozen=True, tag="set_node_state"):
    """Moves a node in its life; back from final only to draft."""

    node_id: str
    state: NodeState


class SetConstraints(_Action, frozen=True, tag="set_constraints"):
    """Replaces a node's own constraints."""

    node_id: str
    constraints: Constraints


class InsertBlock(_Action, frozen=True, tag="insert_block"):
    """Adds a block with the evidence that it cites; the ids inside it are derived, whatever they were."""

    node_id: str
    block: Block
    after_id: str = LAST
    evidence: tuple[Evidence, ...] = ()


class ReplaceBlock(_Action, frozen=True, tag="replace_block"):
    """Replaces a block's content; its id stays."""

    block_id: str
    block: Block
    evidence: tuple[Evidence, ...] = ()


class MoveBlock(_Action, frozen=True, tag="move_block"):
    """Puts a block elsewhere, with its evidence."""

    block_id: str
    node_id: str
    after_id: str = LAST


class RemoveBlock(_Action, frozen=True, tag="remove_block"):
    """Removes a block."""

    block_id: str


class SetSummary(_Action, frozen=True, tag="set_summary"):
    """Replaces a node's summary."""

    node_id: str
    summary: str


Action = (
    InsertNode
    | UpdateNode
    | MoveNode
    | RemoveNode
    | SetNodeState
    | SetConstraints
    | InsertBlock
    | ReplaceBlock
    | MoveBlock
    | RemoveBlock
    | SetSummary
)


class Proposal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Actions in order, made for the revision `base_hash` (its ir_hash; empty for an empty document)."""

    base_hash: str
    actions: tuple[Action, ...]


def proposal_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a proposal."""
    return msgspec.json.schema(Proposal)
