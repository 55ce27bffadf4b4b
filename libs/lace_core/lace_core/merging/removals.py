"""Sections that one side took away: gone, unless the other side did something with them meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from lace_core.ir import Artifact, Block, Evidence, Node, in_order
from lace_core.merging.conflicts import Conflict, Decisions

Side = Literal["base", "ours", "theirs"]
SIDES: tuple[Side, Side, Side] = ("base", "ours", "theirs")
_ROLES: tuple[tuple[Side, Side], ...] = (("ours", "theirs"), ("theirs", "ours"))


class Sides:
    """Three revisions of one document, with what is looked up by id."""

    def __init__(self, base: Artifact, ours: Artifact, theirs: Artifact) -> None:
        self.base, self.ours, self.theirs = base, ours, theirs
        artifacts: Mapping[Side, Artifact] = dict(zip(SIDES, (base, ours, theirs), strict=True))
        self.nodes = {side: {node.node_id: node for node in a.nodes} for side, a in artifacts.items()}
        self.places: dict[Side, dict[str, tuple[str, Block]]] = {
            side: {block.block_id: (node.node_id, block) for node in a.nodes for block in node.blocks}
            for side, a in artifacts.items()
        }
        self.evidence: dict[str, Evidence] = {
            e.evidence_id: e for a in (base, theirs, ours) for node in a.nodes for e in node.evidence
        }
        self._children: dict[tuple[Side, str | None], list[Node]] = {}
        for side, a in artifacts.items():
            for node in a.nodes:
                self._children.setdefault((side, node.parent_id), []).append(node)

    def node(self, side: Side, node_id: str) -> Node | None:
        """A node as a side has it."""
        return self.nodes[side].get(node_id)

    def children(self, side: Side, parent_id: str | None) -> list[str]:
        """Ids of a node's children in order."""
        return [node.node_id for node in in_order(self._children.get((side, parent_id), ()))]

    @staticmethod
    def differs(one: Node, other: Node) -> bool:
        """Whether a node says something else, wherever it hangs and in whatever state it is."""
        return _bare(one) != _bare(other)


def removed_nodes(sides: Sides, decisions: Decisions) -> set[str]:
    """Ids of the nodes that are gone. What one side took away and the other worked on is one conflict for each of
    the topmost nodes that were taken away together.
    """
    gone = {ident for ident in sides.nodes["base"] if ident not in sides.nodes["ours"]}
    gone &= {ident for ident in sides.nodes["base"] if ident not in sides.nodes["theirs"]}
    for taker, worker in _ROLES:
        taken = _taken(sides, taker, worker)
        groups: dict[str, list[str]] = {}
        for ident in taken:
            groups.setdefault(_top(sides, ident, taken), []).append(ident)
        worked_on = _worked_on(sides, taken, taker, worker)
        for top, idents in groups.items():
            touched = sorted(ident for ident in idents if ident in worked_on)
            conflict = _conflict(sides, top, touched, worker) if touched else None
            if conflict is None or decisions.decide(conflict, taker == "ours", taker != "ours"):
                gone.update(idents)
    return gone


def _taken(sides: Sides, taker: Side, worker: Side) -> dict[str, None]:
    """What the taker took away and the worker still has, in the order before."""
    return {i: None for i in sides.nodes["base"] if i not in sides.nodes[taker] and i in sides.nodes[worker]}


def _top(sides: Sides, ident: str, taken: Mapping[str, None]) -> str:
    at = ident
    while (parent := sides.nodes["base"][at].parent_id) is not None and parent in taken:
        at = parent
    return at


def _worked_on(sides: Sides, taken: Mapping[str, None], taker: Side, worker: Side) -> set[str]:
    """Of what was taken away, the nodes that the worker changed, moved, or put something into."""
    found: set[str] = set()
    for ident in taken:
        before, now = sides.nodes["base"][ident], sides.nodes[worker][ident]
        placed = (before.parent_id, before.order_key) != (now.parent_id, now.order_key)
        if placed or _own(before) != _own(now) or _has_new_blocks(sides, now, taker):
            found.add(ident)
    for ident, node in sides.nodes[worker].items():
        was = sides.nodes["base"].get(ident)
        if node.parent_id in taken and (was is None or was.parent_id != node.parent_id):
            found.add(str(node.parent_id))
    return found


def _has_new_blocks(sides: Sides, node: Node, taker: Side) -> bool:
    """Whether the node holds a block that was not in it before, or, where the taker has it no more, not as it is."""
    for block in node.blocks:
        was = sides.places["base"].get(block.block_id)
        if was is None or was[0] != node.node_id:
            return True
        if was[1] != block and block.block_id not in sides.places[taker]:
            return True
    return False


def _conflict(sides: Sides, top: str, touched: list[str], worker: Side) -> Conflict:
    values = {side: None if side not in ("base", worker) else sides.nodes[side][top].title for side in SIDES}
    told = {"title": values[worker], "changed_node_ids": touched}
    return Conflict(
        kind="removal", subject="node", subject_id=top, node_id=top, base={"title": values["base"]},
        ours=told if worker == "ours" else None, theirs=told if worker == "theirs" else None,
    )  # fmt: skip


def _own(node: Node) -> Node:
    return msgspec.structs.replace(node, parent_id=None, order_key="", blocks=(), evidence=())


def _bare(node: Node) -> Node:
    return msgspec.structs.replace(node, parent_id=None, order_key="", state=node.state.EMPTY, evidence=())
