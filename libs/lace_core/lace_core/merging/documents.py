"""Three ways of a document: by id, over its own fields, its sources, its tree, and what stands in its sections."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from lace_core.ir import Artifact, Block, Constraints, Evidence, Node, NodeState, Source, cited_parts
from lace_core.merging.blocks import merge_block, ordered
from lace_core.merging.conflicts import MISSING, Conflict, Decisions, Resolution, fields_of, plain
from lace_core.merging.removals import SIDES, Side, Sides, removed_nodes
from lace_core.merging.sequences import order_keys

T = TypeVar("T")

_PLACE = ("node_id", "parent_id", "order_key", "blocks", "evidence")


@dataclass(frozen=True)
class Merged:
    """The document after both sides, and where they disagree. With conflicts it stands as ours has it there."""

    artifact: Artifact
    conflicts: tuple[Conflict, ...]


def three_way(
    base: Artifact, ours: Artifact, theirs: Artifact, resolutions: Mapping[str, Resolution] | None = None
) -> Merged:
    """What comes of both sides' changes to `base`; all are trees of one document. Pure and total.

    What one side alone changed is taken; what both changed differently is a conflict, unless it is resolved by the
    conflict's id. Independent changes commute: the sides may be swapped. Raises ResolutionError.
    """
    decisions = Decisions(resolutions or {})
    merge = _Merge(Sides(base, ours, theirs), decisions)
    artifact = merge.artifact()
    decisions.check_all_met()
    return Merged(artifact, tuple(decisions.open))


class _Merge:
    """The three documents, and what was decided so far."""

    def __init__(self, sides: Sides, decisions: Decisions) -> None:
        self._sides, self._decisions = sides, decisions
        self._base, self._ours, self._theirs = sides.base, sides.ours, sides.theirs

    def artifact(self) -> Artifact:
        """The merged document."""
        if len(self._roots()) > 1:
            return self._one_of_two_roots()
        kept = self._kept(removed_nodes(self._sides, self._decisions))
        own = {ident: self._own_fields(ident) for ident in kept}
        parents = self._parents(kept)
        kept = _reached(kept, parents)
        homes, blocks = self._blocks(kept)
        keys = self._order_keys(kept, parents)
        nodes = [
            msgspec.structs.replace(
                own[ident], parent_id=parents[ident], order_key=keys[ident], **self._content(ident, homes, blocks)
            )
            for ident in kept
        ]
        fields = {name: self._document_field(name) for name in ("title", "language")}
        loose = msgspec.structs.replace(self._ours, **fields, nodes=tuple(nodes), sources=self._sources(nodes))
        return msgspec.structs.replace(loose, nodes=tuple(node for _, node in loose.walk()))

    def _roots(self) -> set[str]:
        return {node.node_id for side in (self._ours, self._theirs) for node in side.nodes if node.parent_id is None}

    def _one_of_two_roots(self) -> Artifact:
        titles = [side.root.title if side.nodes else None for side in (self._base, self._ours, self._theirs)]
        conflict = Conflict(
            kind="root", subject="document", subject_id=self._ours.artifact_id,
            base=titles[0], ours=titles[1], theirs=titles[2],
        )  # fmt: skip
        return self._decisions.decide(conflict, self._ours, self._theirs)

    def _document_field(self, name: str) -> str:
        values: list[str] = [getattr(side, name) for side in (self._base, self._ours, self._theirs)]
        conflict = Conflict(
            kind="field", subject="document", subject_id=self._ours.artifact_id, field=name, takes_value=True,
            base=values[0], ours=values[1], theirs=values[2],
        )  # fmt: skip
        return self._decisions.settle(
            values[0], values[1], values[2], lambda: conflict, lambda value: msgspec.convert(value, str)
        )

    def _sources(self, nodes: Iterable[Node]) -> tuple[Source, ...]:
        """By id; one that is cited stays, whoever took it out."""
        old, our, their = ({s.source_id: s for s in side.sources} for side in (self._base, self._ours, self._theirs))
        cited = {evidence.source_id for node in nodes for evidence in node.evidence}
        found: dict[str, Source] = {}
        for ident in dict.fromkeys((*our, *their)):
            source = self._settled_source(ident, old.get(ident), our.get(ident), their.get(ident))
            if source is None and ident in cited:
                source = our.get(ident) or their[ident]
            if source is not None:
                found[ident] = source
        return _as_one_side_has_it(found, our, their)

    def _settled_source(
        self, ident: str, base: Source | None, ours: Source | None, theirs: Source | None
    ) -> Source | None:
        if theirs in (ours, base):
            return ours
        if ours == base:
            return theirs
        values = {name: plain(v or MISSING) for name, v in (("base", base), ("ours", ours), ("theirs", theirs))}
        conflict = Conflict(kind="source", subject="source", subject_id=ident, **values)
        return self._decisions.decide(conflict, ours, theirs)

    def _kept(self, removed: Collection[str]) -> list[str]:
        idents = dict.fromkeys(node.node_id for side in (self._ours, self._theirs) for node in side.nodes)
        return [ident for ident in idents if ident not in removed]

    def _own_fields(self, ident: str) -> Node:
        """The node with what is its own, of whichever side has it, or of both."""
        base, ours, theirs = (self._sides.node(side, ident) for side in SIDES)
        if ours is None or theirs is None:
            kept = ours or theirs
            assert kept is not None
            return kept
        if theirs in (ours, base) or ours == base:
            return theirs if ours == base else ours
        values: dict[str, Any] = {}
        for field in fields_of(Node):
            if field.name == "constraints":
                values[field.name] = self._constraints(ident, base, ours, theirs)
            elif field.name not in _PLACE:
                three = [MISSING if base is None else getattr(base, field.name)]
                three += [getattr(side, field.name) for side in (ours, theirs)]
                values[field.name] = self._field(ident, field.name, three, field.type)
        values["state"] = self._state(ident, values["state"], base, ours, theirs)
        return msgspec.structs.replace(ours, **values)

    def _constraints(self, ident: str, base: Node | None, ours: Node, theirs: Node) -> Constraints:
        values: dict[str, Any] = {}
        for field in fields_of(Constraints):
            three = [MISSING if base is None else getattr(base.constraints, field.name)]
            three += [getattr(side.constraints, field.name) for side in (ours, theirs)]
            values[field.name] = self._field(ident, f"constraints.{field.name}", three, field.type)
        return Constraints(**values)

    def _field(self, ident: str, name: str, three: list[Any], kind: Any) -> Any:
        def conflict() -> Conflict:
            base, ours, theirs = map(plain, three)
            return Conflict(
                kind="field", subject="node", subject_id=ident, node_id=ident, field=name,
                base=base, ours=ours, theirs=theirs, takes_value=True,
            )  # fmt: skip

        return self._decisions.settle(three[0], three[1], three[2], conflict, lambda v: msgspec.convert(v, kind))

    def _state(self, ident: str, merged: NodeState, base: Node | None, ours: Node, theirs: Node) -> NodeState:
        """A section that one side made final while the other changed it is final only if somebody says so."""
        if base is None or merged is not NodeState.FINAL or base.state is NodeState.FINAL or ours.state is theirs.state:
            return merged
        other = theirs if ours.state is NodeState.FINAL else ours
        if other.state is not base.state or not self._sides.differs(base, other):
            return merged
        conflict = Conflict(
            kind="field", subject="node", subject_id=ident, node_id=ident, field="state", takes_value=True,
            base=base.state.value, ours=ours.state.value, theirs=theirs.state.value,
        )  # fmt: skip
        return self._decisions.decide(conflict, ours.state, theirs.state, lambda v: msgspec.convert(v, NodeState))

    def _parents(self, kept: Iterable[str]) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for ident in kept:
            base, ours, theirs = (self._sides.node(side, ident) for side in SIDES)
            if ours is None or theirs is None:
                found[ident] = (ours or theirs).parent_id  # type: ignore[union-attr]
                continue
            three = [MISSING if base is None else base.parent_id, ours.parent_id, theirs.parent_id]
            if three[1] == three[2] or three[2] == three[0]:
                found[ident] = ours.parent_id
            elif three[1] == three[0]:
                found[ident] = theirs.parent_id
            else:
                conflict = self._placed("place", ident, three)
                found[ident] = self._decisions.decide(conflict, ours.parent_id, theirs.parent_id)
        circle = _circle(found)
        return self._without_circle(found, circle) if circle else found

    def _without_circle(self, found: Mapping[str, str | None], circle: list[str]) -> dict[str, str | None]:
        """Each side's moves by themselves make no circle: one side's are taken, all of them."""
        hangs = {
            side: {i: node.parent_id for i in circle if (node := self._sides.node(side, i)) is not None}
            for side in SIDES
        }
        conflict = Conflict(
            kind="cycle", subject="node", subject_id=circle[0], node_id=circle[0], field="parent_id",
            base=hangs["base"], ours=hangs["ours"], theirs=hangs["theirs"],
        )  # fmt: skip
        kept: tuple[Side, Side] = ("ours", "theirs")
        side = self._decisions.decide(conflict, *kept)
        nodes = {ident: self._sides.node(side, ident) for ident in found}
        return {ident: found[ident] if node is None else node.parent_id for ident, node in nodes.items()}

    def _placed(self, kind: Any, ident: str, three: list[Any], subject: Any = "node") -> Conflict:
        base, ours, theirs = ({"parent_id": plain(v)} if v is not MISSING else None for v in three)
        return Conflict(
            kind=kind, subject=subject, subject_id=ident, node_id=ident, field="parent_id",
            base=base, ours=ours, theirs=theirs,
        )  # fmt: skip

    def _order_keys(self, kept: Iterable[str], parents: Mapping[str, str | None]) -> dict[str, str]:
        """Keys under which the children of each node stand in their merged order; as few as can be are new."""
        below: dict[str | None, dict[str, None]] = {}
        for ident in kept:
            below.setdefault(parents[ident], {})[ident] = None
        found: dict[str, str] = {}
        for parent, members in below.items():
            rows = [self._sides.children(side, parent) for side in SIDES]
            order = ordered(self._decisions, (rows[0], rows[1], rows[2]), members, self._node_place)
            order += sorted(members.keys() - set(order))  # where a circle was cut
            found.update(zip(order, order_keys([self._wanted_key(ident, parent) for ident in order]), strict=True))
        return found

    def _node_place(self, ident: str) -> Conflict:
        return Conflict(kind="place", subject="node", subject_id=ident, node_id=ident, field="order_key")

    def _wanted_key(self, ident: str, parent: str | None) -> str:
        """The key of the side that put the node below this parent; of both, that of the one that moved it."""
        base, ours, theirs = (self._sides.node(side, ident) for side in SIDES)
        here = [node for node in (ours, theirs) if node is not None and node.parent_id == parent]
        keys = [node.order_key for node in here or (ours, theirs) if node is not None]
        was = base.order_key if base is not None and base.parent_id == parent else ""
        return min((key for key in keys if key != was), default=was)

    def _blocks(self, kept: Collection[str]) -> tuple[dict[str, str], dict[str, Block]]:
        """Where each block is, and what it is."""
        homes: dict[str, str] = {}
        blocks: dict[str, Block] = {}
        nodes = set(kept)
        for ident in dict.fromkeys((*self._sides.places["ours"], *self._sides.places["theirs"])):
            found = self._block(ident, nodes)
            if found is not None and found[0] in nodes:
                homes[ident], blocks[ident] = found
        return homes, blocks

    def _block(self, ident: str, kept: set[str]) -> tuple[str, Block] | None:
        base, ours, theirs = (self._sides.places[side].get(ident) for side in SIDES)
        if ours is None or theirs is None:
            found = ours or theirs
            if (
                base is None
                or found is None
                or (base[0] == found[0] and self._gone_with_its_node(base[0], ours is None))
            ):
                return found
            if found == base:
                return None
            told = [v and {"node_id": v[0], "block": plain(v[1])} for v in (base, ours, theirs)]
            conflict = Conflict(
                kind="removal", subject="block", subject_id=ident, node_id=found[0], block_id=ident,
                base=told[0], ours=told[1], theirs=told[2],
            )  # fmt: skip
            return self._decisions.decide(conflict, ours, theirs)
        home = self._home(ident, base[0] if base else None, ours[0], theirs[0])
        return home, merge_block(self._decisions, home, base[1] if base else None, ours[1], theirs[1])

    def _gone_with_its_node(self, node_id: str, from_ours: bool) -> bool:
        """Whether the block is missing on a side because its node is: then what was decided of the node holds."""
        return self._sides.node("ours" if from_ours else "theirs", node_id) is None

    def _home(self, ident: str, base: str | None, ours: str, theirs: str) -> str:
        if theirs in (ours, base):
            return ours
        if ours == base:
            return theirs
        conflict = Conflict(
            kind="place", subject="block", subject_id=ident, node_id=ours, block_id=ident, field="node_id",
            base=base, ours=ours, theirs=theirs,
        )  # fmt: skip
        return self._decisions.decide(conflict, ours, theirs)

    def _content(self, ident: str, homes: Mapping[str, str], blocks: Mapping[str, Block]) -> dict[str, Any]:
        """A node's blocks in their merged order, and the evidence that they cite."""
        rows = []
        for side in SIDES:
            node = self._sides.node(side, ident)
            rows.append([block.block_id for block in node.blocks] if node else [])
        here = {block_id: None for row in rows[1:] for block_id in row if homes.get(block_id) == ident}
        ours = self._sides.node("ours", ident)
        if ours is not None and all(self._sides.node(side, ident) == ours for side in SIDES) and list(here) == rows[0]:
            return {"blocks": ours.blocks, "evidence": ours.evidence}
        order = ordered(self._decisions, (rows[0], rows[1], rows[2]), here, lambda b: self._block_place(ident, b))
        found = tuple(blocks[block_id] for block_id in order)
        return {"blocks": found, "evidence": self._evidence(ident, found)}

    def _block_place(self, node_id: str, ident: str) -> Conflict:
        return Conflict(kind="place", subject="block", subject_id=ident, node_id=node_id, block_id=ident, field="order")

    def _evidence(self, ident: str, blocks: Iterable[Block]) -> tuple[Evidence, ...]:
        """What the blocks cite, and what a side kept in the node without citing it."""
        ours, theirs = (self._sides.node(side, ident) for side in ("ours", "theirs"))
        wanted = _cited(blocks) & self._sides.evidence.keys()
        for node in (ours, theirs):
            if node is not None:
                wanted |= {e.evidence_id for e in node.evidence} - _cited(node.blocks)
        found = {evidence_id: self._sides.evidence[evidence_id] for evidence_id in wanted}
        sides = [{e.evidence_id: e for e in node.evidence} if node else {} for node in (ours, theirs)]
        return _as_one_side_has_it(found, *sides)


def _cited(blocks: Iterable[Block]) -> set[str]:
    found: set[str] = set()
    for block in blocks:
        found.update(getattr(block, "evidence_ids", ()))
        found.update(evidence_id for part in cited_parts(block) for evidence_id in part.evidence_ids)
    return found


def _as_one_side_has_it(found: Mapping[str, T], ours: Mapping[str, T], theirs: Mapping[str, T]) -> tuple[T, ...]:
    """In the order of the side that has just these, by id where neither or both do, each in another."""
    orders = {tuple(side) for side in (ours, theirs) if side.keys() == found.keys()}
    order: Iterable[str] = next(iter(orders)) if len(orders) == 1 else sorted(found)
    return tuple(found[ident] for ident in order)


def _reached(kept: Iterable[str], parents: Mapping[str, str | None]) -> list[str]:
    """The nodes whose parents were all kept, in order."""
    known: dict[str | None, bool] = {None: True}
    for ident in kept:
        path: list[str] = []
        at: str | None = ident
        while at not in known:
            if at is None or at not in parents:
                known[at] = False
                break
            path.append(at)
            at = parents[at]
        known.update(dict.fromkeys(path, known[at]))
    return [ident for ident in kept if known[ident]]


def _circle(parents: Mapping[str, str | None]) -> list[str]:
    """The nodes that hang in circles, sorted."""
    state: dict[str, int] = {}  # 1 on the path under way, 2 done
    found: set[str] = set()
    for start in parents:
        path: list[str] = []
        at: str | None = start
        while at is not None and at in parents and at not in state:
            state[at] = 1
            path.append(at)
            at = parents[at]
        if at is not None and state.get(at) == 1:
            found.update(path[path.index(at) :])
        state.update(dict.fromkeys(path, 2))
    return sorted(found)
