"""What each action on blocks does to a document under change."""

from __future__ import annotations

from collections.abc import Iterable

from lace_core import actions as act
from lace_core.applying.draft import Draft
from lace_core.applying.identities import with_ids, with_known_ids, words
from lace_core.applying.results import Refused
from lace_core.applying.section import place_after
from lace_core.ids import derive
from lace_core.ir import Evidence
from lace_core.merkle import block_hash
from lace_core.rejections import RejectionCode


def insert_block(draft: Draft, action: act.InsertBlock) -> None:
    """Add a block; one of this key is there already: nothing."""
    node = draft.writable(action.node_id)
    block_id = derive("blk", draft.artifact.artifact_id, action.key)
    if draft.home(block_id) is not None:
        return
    block = with_ids(action.block, block_id, action.key)
    section = draft.section(node)
    place = place_after(section.ids, action.after_id)
    evidence = section.evidence_for(block, _offered(draft, node.node_id, action.evidence))
    section.insert(place, block, evidence)
    draft.house(block_id, node.node_id)
    draft.record(action, block_id, "", block_hash(block))


def _offered(draft: Draft, node_id: str, given: Iterable[Evidence]) -> Iterable[Evidence]:
    """The evidence that comes with an action; what the node held in its base is known to who made it."""
    base = draft.base.nodes.get(node_id) if draft.base is not None else None
    return given if base is None else (*base.evidence, *given)


def replace_block(draft: Draft, action: act.ReplaceBlock) -> None:
    """Replace a block's content; its id stays, and those of its parts that say what they said."""
    section, place, node = draft.holder(action.block_id)
    old = section.blocks[place]
    block = with_known_ids(old, with_ids(action.block, action.block_id, action.key))
    if not draft.policy.may_remove and 2 * words(block) < words(old):
        message = "The new block drops more than half of the old one; keep what is there."
        raise Refused(RejectionCode.SHRINK_OUT_OF_SCOPE, "block", message)
    evidence = section.evidence_for(block, _offered(draft, node.node_id, action.evidence))
    section.replace(place, block, evidence)
    draft.record(action, action.block_id, block_hash(old), block_hash(block))


def move_block(draft: Draft, action: act.MoveBlock) -> None:
    """Put a block elsewhere, with its evidence; where it stands there already: nothing."""
    section, place, node = draft.holder(action.block_id)
    target = draft.writable(action.node_id)
    block = section.blocks[place]
    if target.node_id == node.node_id:
        rest = section.ids[:place] + section.ids[place + 1 :]
        to = place_after(rest, action.after_id)
        if to == place:
            return
        section.move(place, to)
    else:
        other = draft.section(target)
        to = place_after(other.ids, action.after_id)
        evidence = other.evidence_for(block, section.evidence())
        section.take(place)
        other.insert(to, block, evidence)
        other.prune()
        draft.house(block.block_id, target.node_id)
    digest = block_hash(block)
    draft.record(action, action.block_id, digest, digest, moved=True)


def remove_block(draft: Draft, action: act.RemoveBlock) -> None:
    """Remove a block."""
    section, place, _ = draft.holder(action.block_id)
    if not draft.policy.may_remove:
        message = "Content may not be removed here; leave the block, or ask for a run that may remove."
        raise Refused(RejectionCode.REMOVAL_OUT_OF_SCOPE, "block_id", message)
    old = section.take(place)
    draft.house(action.block_id, None)
    draft.record(action, action.block_id, block_hash(old), "")
