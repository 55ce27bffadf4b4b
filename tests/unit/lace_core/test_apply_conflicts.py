"""What happens where actions were made for another revision than the head, or are sent again."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Applied, Policy, apply, digest_of
from lace_core.ids import derive
from lace_core.merkle import ir_hash

from .strategies import EVIDENCE, action, artifact, names_of, paragraph, planted, seeded

_NODE, _BLOCK = "nod_", "blk_"


def _free(document: ir.Artifact, *wanted: act.Action, **more: Any) -> Applied:
    policy = Policy(may_remove=True, on_conflict="overwrite", **more)
    return apply(document, act.Proposal(base_hash="", actions=wanted), policy)


def _rebased(base: ir.Artifact, head: ir.Artifact, *wanted: act.Action) -> Applied:
    policy = Policy(may_remove=True, on_conflict="rebase", base=base)
    return apply(head, act.Proposal(base_hash=ir_hash(base) if base.nodes else "", actions=wanted), policy)


def _id(title: str) -> str:
    return next(node.node_id for node in planted().nodes if node.title == title)


def _blocks(title: str) -> list[str]:
    return [block.block_id for block in planted().node(_id(title)).blocks]


_ROOT, _ONE, _TWO, _THREE, _NESTED = (_id(title) for title in ("Root", "One", "Two", "Three", "Nested"))
_FIRST, _SECOND = _blocks("One")
_RULES, _OTHER_RULES = ir.Constraints(max_words=5), ir.Constraints(max_words=6)


def _other(block_id: str, text: str) -> act.ReplaceBlock:
    return act.ReplaceBlock(key=f"other {text}", block_id=block_id, block=paragraph(text))


# (what was done to the head since, what is asked for the base, where the conflict is)
_CONFLICTS: list[tuple[act.Action, act.Action, str]] = [
    (act.UpdateNode(key="h", node_id=_ONE, title="A"), act.UpdateNode(key="k", node_id=_ONE, title="B"), "title"),
    (act.UpdateNode(key="h", node_id=_ONE, brief="A"), act.UpdateNode(key="k", node_id=_ONE, brief="B"), "brief"),
    (act.SetSummary(key="h", node_id=_ONE, summary="A"), act.SetSummary(key="k", node_id=_ONE, summary="B"), "summary"),
    (
        act.SetNodeState(key="h", node_id=_ONE, state=ir.NodeState.OUTLINED),
        act.SetNodeState(key="k", node_id=_ONE, state=ir.NodeState.DRAFT),
        "state",
    ),
    (
        act.SetConstraints(key="h", node_id=_ONE, constraints=_RULES),
        act.SetConstraints(key="k", node_id=_ONE, constraints=_OTHER_RULES),
        "constraints",
    ),
    (
        act.MoveNode(key="h", node_id=_THREE, parent_id=_ONE),
        act.MoveNode(key="k", node_id=_THREE, parent_id=_TWO),
        "node_id",
    ),
    (act.RemoveNode(key="h", node_id=_TWO), act.UpdateNode(key="k", node_id=_TWO, title="B"), "node_id"),
    (act.RemoveNode(key="h", node_id=_TWO), act.MoveNode(key="k", node_id=_ONE, parent_id=_TWO), "parent_id"),
    (act.RemoveNode(key="h", node_id=_TWO), act.InsertNode(key="k", parent_id=_TWO, title="B"), "parent_id"),
    (
        act.RemoveNode(key="h", node_id=_TWO),
        act.InsertNode(key="k", parent_id=_ROOT, title="B", after_id=_TWO),
        "after_id",
    ),
    (act.RemoveNode(key="h", node_id=_TWO), act.InsertBlock(key="k", node_id=_TWO, block=paragraph("B")), "node_id"),
    (act.UpdateNode(key="h", node_id=_NESTED, title="A"), act.RemoveNode(key="k", node_id=_ONE), "node_id"),
    (act.InsertNode(key="h", parent_id=_NESTED, title="A"), act.RemoveNode(key="k", node_id=_ONE), "node_id"),
    (act.InsertBlock(key="h", node_id=_NESTED, block=paragraph("A")), act.RemoveNode(key="k", node_id=_ONE), "node_id"),
    (_other(_FIRST, "A"), _other(_FIRST, "B"), "block"),
    (_other(_FIRST, "A"), act.RemoveBlock(key="k", block_id=_FIRST), "block_id"),
    (act.RemoveBlock(key="h", block_id=_FIRST), _other(_FIRST, "B"), "block_id"),
    (
        act.RemoveBlock(key="h", block_id=_FIRST),
        act.MoveBlock(key="k", block_id=_FIRST, node_id=_TWO),
        "block_id",
    ),
    (
        act.RemoveBlock(key="h", block_id=_FIRST),
        act.InsertBlock(key="k", node_id=_ONE, block=paragraph("B"), after_id=_FIRST),
        "after_id",
    ),
    (
        act.MoveBlock(key="h", block_id=_FIRST, node_id=_TWO),
        act.MoveBlock(key="k", block_id=_FIRST, node_id=_THREE),
        "block_id",
    ),
    (act.MoveBlock(key="h", block_id=_FIRST, node_id=_TWO), act.RemoveBlock(key="k", block_id=_FIRST), "block_id"),
    (act.MoveBlock(key="h", block_id=_FIRST, node_id=_ONE), act.RemoveBlock(key="k", block_id=_FIRST), "block_id"),
]


@pytest.mark.parametrize(("since", "asked", "member"), _CONFLICTS)
def test_what_differs_between_base_and_head_is_a_conflict(since: act.Action, asked: act.Action, member: str) -> None:
    base = planted()
    head = _free(base, since).artifact
    applied = _rebased(base, head, asked)
    assert [(r.code, r.pointer) for r in applied.rejections] == [("CONFLICT", f"/actions/0/{member}")]
    assert applied.artifact == head


_SAME: list[tuple[act.Action, act.Action]] = [
    (act.UpdateNode(key="h", node_id=_ONE, title="A"), act.UpdateNode(key="k", node_id=_ONE, title="A")),
    (act.SetSummary(key="h", node_id=_ONE, summary="A"), act.SetSummary(key="k", node_id=_ONE, summary="A")),
    (
        act.SetNodeState(key="h", node_id=_ONE, state=ir.NodeState.DRAFT),
        act.SetNodeState(key="k", node_id=_ONE, state=ir.NodeState.DRAFT),
    ),
    (
        act.SetConstraints(key="h", node_id=_ONE, constraints=_RULES),
        act.SetConstraints(key="k", node_id=_ONE, constraints=_RULES),
    ),
    (
        act.MoveNode(key="h", node_id=_THREE, parent_id=_ONE),
        act.MoveNode(key="k", node_id=_THREE, parent_id=_ONE),
    ),
    (act.RemoveNode(key="h", node_id=_TWO), act.RemoveNode(key="k", node_id=_TWO)),
    (act.RemoveBlock(key="h", block_id=_FIRST), act.RemoveBlock(key="k", block_id=_FIRST)),
    (
        act.MoveBlock(key="h", block_id=_FIRST, node_id=_TWO),
        act.MoveBlock(key="k", block_id=_FIRST, node_id=_TWO),
    ),
    (_other(_FIRST, "A"), _other(_FIRST, "A")),
    (
        act.InsertNode(key="k", parent_id=_TWO, title="A"),
        act.InsertNode(key="k", parent_id=_TWO, title="A"),
    ),
]


@pytest.mark.parametrize(("since", "asked"), _SAME)
def test_where_both_say_the_same_nothing_is_to_be_done(since: act.Action, asked: act.Action) -> None:
    base = planted()
    head = _free(base, since).artifact
    applied = _rebased(base, head, asked)
    assert (applied.artifact, applied.changes, applied.rejections) == (head, (), ())


def test_who_renames_and_who_writes_are_not_in_each_others_way() -> None:
    base = planted()
    head = _free(base, act.UpdateNode(key="h", node_id=_ONE, title="A")).artifact
    applied = _rebased(base, head, _other(_FIRST, "B"), act.SetSummary(key="k", node_id=_ONE, summary="S"))
    assert applied.rejections == ()
    made = applied.artifact.node(_ONE)
    assert (made.title, made.summary) == ("A", "S")


def test_evidence_that_the_base_held_comes_along() -> None:
    """The head dropped the block that cited it; who wrote for the base counted on it."""
    base = planted()
    head = _free(base, act.RemoveBlock(key="h", block_id=_FIRST)).artifact
    cites = act.InsertBlock(key="k", node_id=_ONE, block=paragraph("The pump failed.", "evd_a"))
    assert [r.code for r in _free(head, cites).rejections] == ["EVIDENCE_NOT_FOUND"]
    applied = _rebased(base, head, cites)
    assert applied.rejections == ()
    assert {e.evidence_id for e in applied.artifact.node(_ONE).evidence} == {"evd_a", "evd_b"}


def test_a_proposal_is_for_the_base_that_is_given() -> None:
    base = planted()
    head = _free(base, act.UpdateNode(key="h", node_id=_ONE, title="A")).artifact
    wanted = act.Proposal(base_hash=ir_hash(head), actions=(act.UpdateNode(key="k", node_id=_TWO, title="B"),))
    applied = apply(head, wanted, Policy(on_conflict="rebase", base=base))
    assert [(r.code, r.pointer) for r in applied.rejections] == [("BASE_CHANGED", "/base_hash")]


def test_overwriting_is_by_id_whatever_was_changed() -> None:
    base = planted()
    head = _free(base, act.UpdateNode(key="h", node_id=_ONE, title="A")).artifact
    applied = _free(head, act.UpdateNode(key="k", node_id=_ONE, title="B"))
    assert (applied.rejections, applied.artifact.node(_ONE).title) == ((), "B")


def _two_edits(draw: Random) -> tuple[ir.Artifact, act.Action, act.Action]:
    document = artifact(draw)
    one, other = action(draw, document), action(draw, document)
    return document, msgspec.structs.replace(one, key="one"), msgspec.structs.replace(other, key="other")


def _about(wanted: act.Action, base: ir.Artifact) -> set[str]:
    """All that an action changes, makes, hangs on or stands beside: nodes, and the nodes of blocks."""
    homes = {block.block_id: node.node_id for node in base.nodes for block in node.blocks}
    parents = {node.node_id: node.parent_id for node in base.nodes}
    named = {getattr(wanted, name, None) for name in ("node_id", "parent_id", "block_id", "after_id")} - {
        None,
        "",
        "end",
    }
    # What an action makes is named after its key, and may stand in the base: then the action is about just that.
    named |= {derive(prefix, base.artifact_id, wanted.key) for prefix in ("nod", "blk")}
    found = {homes.get(str(ident), str(ident)) for ident in named}
    if isinstance(wanted, act.InsertNode | act.MoveNode | act.RemoveNode | act.SetNodeState):
        below = {str(ident) for ident in found}
        for node in base.nodes:  # in document order, parents first
            if node.parent_id in below:
                below.add(node.node_id)
        found |= below | {str(parents.get(str(ident)) or ident) for ident in found}
    return {str(ident) for ident in found}


@settings(max_examples=120)
@example(_two_edits(Random(11037987)))  # a node that the one would make is there already, and the other removes it
@given(seeded(_two_edits))
def test_rebasing_independent_edits_commutes(case: tuple[ir.Artifact, act.Action, act.Action]) -> None:
    base, one, other = case
    if _about(one, base) & _about(other, base):
        return
    first, second = _free(base, one), _free(base, other)
    if first.rejections or second.rejections:
        return
    there = _rebased(base, first.artifact, other)
    back = _rebased(base, second.artifact, one)
    assert (there.rejections, back.rejections) == ((), ())
    assert ir.encode(there.artifact) == ir.encode(back.artifact)


_INDEPENDENT: list[tuple[act.Action, act.Action]] = [
    (act.InsertNode(key="a", parent_id=_TWO, title="A"), act.InsertNode(key="b", parent_id=_NESTED, title="B")),
    (
        act.InsertNode(key="a", parent_id=_ROOT, title="A", after_id=_ONE),
        act.InsertNode(key="b", parent_id=_ROOT, title="B", after_id=_TWO),
    ),
    (
        act.MoveNode(key="a", node_id=_THREE, parent_id=_ROOT, after_id=""),
        act.MoveNode(key="b", node_id=_NESTED, parent_id=_TWO),
    ),
    (
        act.InsertBlock(key="a", node_id=_ONE, block=paragraph("A"), after_id=_FIRST),
        act.InsertBlock(key="b", node_id=_ONE, block=paragraph("B"), after_id=_SECOND),
    ),
    (_other(_FIRST, "A"), act.MoveBlock(key="b", block_id=_SECOND, node_id=_THREE)),
    (act.RemoveBlock(key="a", block_id=_FIRST), _other(_SECOND, "B")),
]


@pytest.mark.parametrize(("one", "other"), _INDEPENDENT)
def test_rebasing_commutes_side_by_side(one: act.Action, other: act.Action) -> None:
    base = planted()
    there = _rebased(base, _free(base, one).artifact, other)
    back = _rebased(base, _free(base, other).artifact, one)
    assert (there.rejections, back.rejections) == ((), ())
    assert ir.encode(there.artifact) == ir.encode(back.artifact) != ir.encode(base)


@settings(max_examples=50)
@given(seeded(_two_edits))
def test_rebasing_is_total_and_never_undoes_what_was_done_since(
    case: tuple[ir.Artifact, act.Action, act.Action],
) -> None:
    base, one, other = case
    head = _free(base, one).artifact
    applied = _rebased(base, head, other)
    if applied.rejections:
        assert applied.artifact == head
    # what the head did stands: doing it again on what came of both changes nothing, or is about what was removed
    again = _rebased(base, applied.artifact, one)
    assert {r.code for r in again.rejections} <= {
        "CONFLICT", "NODE_NOT_FOUND", "BLOCK_NOT_FOUND", "SIBLING_NOT_FOUND", "NODE_FINAL", "STATE_ILLEGAL", "CYCLE",
        "ROOT_EXISTS", "ROOT_STAYS", "EVIDENCE_NOT_FOUND", "TABLE_RAGGED",
    }  # fmt: skip


# -- actions that are sent again ------------------------------------------------------------------------------------


def _resent(draw: Random) -> tuple[ir.Artifact, act.Action, act.Action]:
    document = artifact(draw)
    one = msgspec.structs.replace(action(draw, document), key="one")
    after = _free(document, one).artifact
    return document, one, msgspec.structs.replace(action(draw, after), key="other")


@settings(max_examples=60)
@given(seeded(_resent))
def test_an_action_of_the_history_does_nothing_even_where_its_result_was_changed(
    case: tuple[ir.Artifact, act.Action, act.Action],
) -> None:
    document, one, other = case
    first = _free(document, one)
    if first.rejections:
        return
    assert first.digests == {"one": digest_of(one)}
    later = _free(first.artifact, other, history=first.digests).artifact
    again = _free(later, one, history=first.digests)
    assert (again.artifact, again.changes, again.rejections) == (later, (), ())


def test_an_inserted_block_that_was_removed_does_not_come_back_by_sending_its_action_again() -> None:
    insert = act.InsertBlock(key="one", node_id=_TWO, block=paragraph("The pump failed.", "evd_a"), evidence=EVIDENCE)
    first = _free(planted(), insert)
    block_id = (set(names_of(first.artifact)[1]) - set(names_of(planted())[1])).pop()
    gone = _free(first.artifact, act.RemoveBlock(key="two", block_id=block_id)).artifact
    assert _free(gone, insert, history=first.digests).artifact == gone
    assert _free(gone, insert).artifact != gone, "without a history nobody knows"


@pytest.mark.parametrize("where", ["proposal", "history"])
def test_a_key_that_stands_for_another_action_is_refused(where: str) -> None:
    one = act.SetSummary(key="k", node_id=_ONE, summary="A")
    other = act.SetSummary(key="k", node_id=_ONE, summary="B")
    if where == "history":
        applied = _free(planted(), other, history={"k": digest_of(one)})
        assert applied.changes == ()
    else:
        applied = _free(planted(), one, other)
        assert applied.artifact.node(_ONE).summary == "A"
    assert [r.code for r in applied.rejections] == ["KEY_REUSED"]
    assert applied.rejections[0].pointer.endswith("/key")
    assert _free(planted(), one, one).rejections == ()


def test_an_action_that_was_refused_is_not_remembered() -> None:
    applied = _free(planted(), act.SetSummary(key="k", node_id="nod_x", summary="A"))
    assert applied.digests == {}
