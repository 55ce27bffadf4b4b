"""What a proposal may not touch stays to the byte; the life of a node is one table, walked over all pairs."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Applied, Policy, apply
from lace_core.applying.node_actions import MOVES
from lace_core.merkle import node_hash, subtree_hashes

from .strategies import actions, artifact, names_of, paragraph, planted, seeded


def _apply(document: ir.Artifact, *wanted: act.Action, policy: Policy) -> Applied:
    return apply(document, act.Proposal(base_hash="", actions=wanted), policy)


def _scoped(draw: Random) -> tuple[ir.Artifact, tuple[act.Action, ...], frozenset[str], bool]:
    document = artifact(draw)
    scope = frozenset(draw.sample(names_of(document)[0], draw.randint(0, 2)))
    return document, actions(draw, document, 6), scope, draw.random() < 0.7


@settings(max_examples=60)
@given(seeded(_scoped))
def test_no_action_outside_its_scope_changes_a_byte(
    case: tuple[ir.Artifact, tuple[act.Action, ...], frozenset[str], bool],
) -> None:
    document, wanted, scope, may_remove = case
    policy = Policy(scope=scope, may_remove=may_remove, on_conflict="overwrite")
    made = _apply(document, *wanted, policy=policy).artifact
    inside = set(scope)
    for node in document.nodes:  # parents first
        if node.parent_id in inside:
            inside.add(node.node_id)
    left = {node.node_id: node for node in made.nodes}
    for node in document.nodes:
        if node.node_id not in inside:
            assert ir.encode(ir.Artifact(artifact_id="", title="", nodes=(left[node.node_id],))) == ir.encode(
                ir.Artifact(artifact_id="", title="", nodes=(node,))
            )
            assert node_hash(left[node.node_id]) == node_hash(node)
    for node in made.nodes:
        if node.node_id not in {old.node_id for old in document.nodes}:
            assert node.parent_id in inside | {new.node_id for new in made.nodes}
            at: str | None = node.node_id
            while at is not None and at not in inside:
                at = left[at].parent_id
            assert at is not None, "what was added hangs below the scope"


@settings(max_examples=50)
@given(seeded(_scoped))
def test_what_is_not_allowed_to_go_does_not(
    case: tuple[ir.Artifact, tuple[act.Action, ...], frozenset[str], bool],
) -> None:
    """Neither by removal, nor by shrinking, nor by moving: every block is there, with half of its words at least."""
    document, wanted, _, _ = case
    made = _apply(document, *wanted[:1], policy=Policy(on_conflict="overwrite")).artifact
    now = {block.block_id: block for node in made.nodes for block in node.blocks}
    for node in document.nodes:
        for block in node.blocks:
            before = sum(len(part.text.split()) for part in ir.cited_parts(block))
            left = now[block.block_id]
            after = (
                len(left.raw.split())
                if isinstance(left, ir.Opaque)
                else sum(len(part.text.split()) for part in ir.cited_parts(left))
            )
            assert 2 * after >= before


def test_nodes_are_made_only_where_that_was_declared() -> None:
    document = planted()
    root = document.root.node_id
    insert = act.InsertNode(key="k", parent_id=root, title="More")
    applied = _apply(document, insert, policy=Policy(on_conflict="overwrite", may_split=False))
    assert [(r.code, r.pointer) for r in applied.rejections] == [("SPLIT_OUT_OF_SCOPE", "/actions/0/parent_id")]
    assert applied.artifact is document


@pytest.mark.parametrize("old", ir.NodeState)
@pytest.mark.parametrize("new", ir.NodeState)
def test_the_table_of_states_is_what_apply_does(old: ir.NodeState, new: ir.NodeState) -> None:
    node = ir.Node(node_id="nod_1", parent_id=None, order_key="i", title="One", state=old)
    document = ir.Artifact(artifact_id="art_1", title="", nodes=(node,))
    wanted = act.SetNodeState(key="k", node_id="nod_1", state=new)
    applied = _apply(document, wanted, policy=Policy(on_conflict="overwrite"))
    if new is old:
        assert (applied.changes, applied.rejections) == ((), ())
    elif new in MOVES[old]:
        assert applied.artifact.root.state is new
        assert len(applied.changes) == 1
    else:
        assert [r.code for r in applied.rejections] == ["STATE_ILLEGAL"]
        assert applied.artifact is document


def test_every_state_but_final_can_be_left_and_final_by_reopening_alone() -> None:
    assert set(MOVES) == set(ir.NodeState)
    assert MOVES[ir.NodeState.FINAL] == {ir.NodeState.DRAFT}
    order = list(ir.NodeState)
    for state, following in MOVES.items():
        assert all(order.index(one) > order.index(state) for one in following) or state is ir.NodeState.FINAL


def test_a_document_with_an_id_twice_cannot_be_changed() -> None:
    document = planted()
    one = document.nodes[1]
    twice = document.nodes[3].__class__(
        node_id="nod_twice", parent_id=document.root.node_id, order_key="zz", title="", blocks=one.blocks
    )
    broken = ir.Artifact(artifact_id="art_1", title="", nodes=(*document.nodes, twice))
    applied = _apply(
        broken,
        act.InsertBlock(key="k", node_id=one.node_id, block=paragraph("x")),
        policy=Policy(on_conflict="overwrite"),
    )
    assert [r.code for r in applied.rejections] == ["DOCUMENT_BROKEN"]


def test_a_change_leaves_the_hashes_of_other_subtrees() -> None:
    document = planted()
    one, two = document.nodes[1].node_id, document.nodes[3].node_id
    made = _apply(
        document, act.SetSummary(key="k", node_id=two, summary="S"), policy=Policy(on_conflict="overwrite")
    ).artifact
    before, after = subtree_hashes(document), subtree_hashes(made)
    differ = {ident for ident in before if before[ident] != after[ident]}
    assert differ == {two, document.root.node_id}
    assert one not in differ
