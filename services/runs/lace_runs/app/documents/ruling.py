"""What a policy, and the constraints of a document, ask of its nodes as they are planned, written and put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lace_core import ir as model
from lace_core.actions import Action, SetConstraints
from lace_core.policies.in_force import PolicyInForce
from lace_core.policies.ruling import Place, places_to, ruled, rules_of
from lace_runs.domain import steps as out


def rules_for(policy: PolicyInForce | None, base: model.Artifact, node: out.PlannedNode) -> model.Constraints:
    """What holds for a node, whether it is there or is to be."""
    return rules_of(policy, _places(base, node))


def constraint_actions(
    policy: PolicyInForce | None,
    base: model.Artifact,
    nodes: Sequence[out.PlannedNode],
    root_id: str,
    run_id: str,
    *,
    must_cite: bool,
) -> list[Action]:
    """The actions that write down what is asked of the nodes that are there and of those that are made.

    What the run asks of the document stays with it, for later changes too.
    """
    actions: list[Action] = []
    for node_id, place in _all_places(base, nodes):
        own = place.own
        if node_id == root_id and must_cite:
            own = msgspec.structs.replace(own, must_cite=True)
        asked = ruled(policy, Place(place.title, node_id == root_id, own))
        if asked != place.own:
            key = f"{run_id}/rules" if node_id == root_id else f"{run_id}/rules/{node_id}"
            actions.append(SetConstraints(key=key, node_id=node_id, constraints=asked))
    return actions


def _all_places(base: model.Artifact, nodes: Sequence[out.PlannedNode]) -> Iterator[tuple[str, Place]]:
    known = {node.node_id for node in base.nodes}
    for node in base.nodes:
        if node.state is not model.NodeState.FINAL:
            yield node.node_id, Place(node.title, node.parent_id is None, node.constraints)
    for planned in nodes:
        if planned.node_id not in known:
            yield planned.node_id, Place(planned.title, planned.depth == 0)


def _places(base: model.Artifact, node: out.PlannedNode) -> tuple[Place, ...]:
    known = {each.node_id for each in base.nodes}
    if node.node_id in known:
        return places_to(base, node.node_id)
    own = Place(node.title, node.depth == 0)
    if node.parent_id in known:
        return (*places_to(base, node.parent_id), own)
    root = base.root.constraints if base.nodes else model.Constraints()
    above = (Place(title, at == 0, root if at == 0 else model.Constraints()) for at, title in enumerate(node.path))
    return (*above, own)
