"""Keeping what a policy holds fast on a document against changes by hand."""

from __future__ import annotations

from lace_core.errors import Detail, LaceError, Reason
from lace_core.ir import Artifact, Node
from lace_core.policies.in_force import PolicyInForce
from lace_core.policies.ruling import Place, loosened


def refuse_loosened(policy: PolicyInForce | None, before: Artifact, after: Artifact) -> None:
    """Raises LaceError POLICY_FORBIDS where a change takes back constraints that the tenant's policy locks.

    What did not meet the policy before need not meet it now: it was written under another one, or none.
    """
    if policy is None:
        return
    known = {node.node_id: node for node in before.nodes}
    changed = [
        (known[node.node_id], node)
        for node in after.nodes
        if node.node_id in known and node.constraints != known[node.node_id].constraints
    ]
    details = [
        Detail(f"/nodes/{node.node_id}/constraints/{name}", f"{name} is held fast by {policy.link.name}.")
        for was, node in changed
        for name in loosened(policy, _place(node))
        if name not in loosened(policy, _place(was))
    ]
    if details:
        raise LaceError(Reason.POLICY_FORBIDS, f"{details[0].field}: {details[0].description}", details=details)


def _place(node: Node) -> Place:
    return Place(node.title, node.parent_id is None, node.constraints)
