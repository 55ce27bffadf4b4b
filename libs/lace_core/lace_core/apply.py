"""Deterministic apply: the only way a document changes. Pure, total: the same inputs give the same bytes.

An action that does not fit is rejected with a code (lace_core.rejections) and a JSON Pointer and changes nothing; an
action applied again changes nothing; text is normalised to NFC as it enters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from lace_core import actions as act
from lace_core.applying import block_actions, node_actions
from lace_core.applying.draft import Draft
from lace_core.applying.rebasing import Three
from lace_core.applying.results import Applied, Change, Policy, Refused, Rejection
from lace_core.canonical import sha256_hex
from lace_core.index import Index, index_of
from lace_core.ir import Artifact
from lace_core.merkle import ir_hash
from lace_core.rejections import RejectionCode

__all__ = ["Applied", "Change", "Policy", "Rejection", "apply", "digest_of"]

_ENCODER = msgspec.json.Encoder(order="sorted")
_HANDLERS: dict[type, Callable[[Draft, Any], None]] = {
    act.InsertNode: node_actions.insert_node,
    act.UpdateNode: node_actions.update_node,
    act.MoveNode: node_actions.move_node,
    act.RemoveNode: node_actions.remove_node,
    act.SetNodeState: node_actions.set_node_state,
    act.SetConstraints: node_actions.set_constraints,
    act.InsertBlock: block_actions.insert_block,
    act.ReplaceBlock: block_actions.replace_block,
    act.MoveBlock: block_actions.move_block,
    act.RemoveBlock: block_actions.remove_block,
    act.SetSummary: node_actions.set_summary,
}


def apply(artifact: Artifact, proposal: act.Proposal, policy: Policy = Policy()) -> Applied:
    """Apply the actions in order; see the module's docstring.

    A base that is not the document's hash rejects everything (BASE_CHANGED) unless the policy rebases or overwrites;
    so does a document that is no tree (DOCUMENT_BROKEN).
    """
    index = index_of(artifact)
    if index is None:
        message = "The document is no tree of nodes in order; it cannot be changed. Bring an earlier revision back."
        return _refused_whole(artifact, RejectionCode.DOCUMENT_BROKEN, "", message)
    made_for = artifact if policy.on_conflict == "reject" else policy.base if policy.on_conflict == "rebase" else None
    if made_for is not None and not _is_base(proposal.base_hash, made_for):
        message = "These actions were made for another revision; read the head and make them anew."
        return _refused_whole(artifact, RejectionCode.BASE_CHANGED, "/base_hash", message)
    draft = Draft(artifact, index, policy)
    three = _three(policy, artifact, index)
    digests: dict[str, str] = {}
    rejections: list[Rejection] = []
    for place, action in enumerate(proposal.actions):
        try:
            _one(draft, three, action, digests)
        except Refused as refused:
            rejections.append(Rejection(refused.code, f"/actions/{place}/{refused.member}", refused.message))
    return Applied(draft.freeze(), tuple(draft.changes), tuple(rejections), digests)


def digest_of(action: act.Action) -> str:
    """SHA-256 of an action as it was asked, which tells it from another one of the same key."""
    return sha256_hex(_ENCODER.encode(action))


def _one(draft: Draft, three: Three | None, action: act.Action, digests: dict[str, str]) -> None:
    """Apply one action unless that was done already, in this proposal or before it."""
    digest = digest_of(action)
    known = digests.get(action.key) or draft.policy.history.get(action.key)
    if known is not None:
        if known != digest:
            message = f"The key {action.key} stands for another action already; send this one under a key of its own."
            raise Refused(RejectionCode.KEY_REUSED, "key", message)
    elif three is None or not three.is_done(action):
        _HANDLERS[type(action)](draft, action)
    digests[action.key] = digest


def _three(policy: Policy, artifact: Artifact, head: Index) -> Three | None:
    """What each action is compared with; None where the base is the head, or nothing is to be compared."""
    if policy.base is None or policy.on_conflict != "rebase" or policy.base is artifact:
        return None
    base = index_of(policy.base)
    return None if base is None or ir_hash(policy.base) == ir_hash(artifact) else Three(base, head)


def _is_base(base_hash: str, artifact: Artifact) -> bool:
    return (not base_hash and not artifact.nodes) or base_hash == ir_hash(artifact)


def _refused_whole(artifact: Artifact, code: RejectionCode, pointer: str, message: str) -> Applied:
    return Applied(artifact, (), (Rejection(code, pointer, message),))
