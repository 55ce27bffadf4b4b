"""Deterministic apply: total, repeatable, and never a silent loss."""

from __future__ import annotations

import re
import unicodedata
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Applied, Policy, apply
from lace_core.merkle import block_hash, ir_hash

from .strategies import (
    EVIDENCE,
    action,
    actions,
    artifact,
    broken_artifact,
    names_of,
    paragraph,
    planted,
    seeded,
    texts,
)

_FREE = Policy(may_remove=True, on_conflict="rebase")
_CAREFUL = Policy(on_conflict="rebase")


def _apply(document: ir.Artifact, *wanted: act.Action, policy: Policy = _CAREFUL) -> Applied:
    return apply(document, act.Proposal(base_hash="", actions=wanted), policy)


def _codes(applied: Applied) -> list[str]:
    return [rejection.code for rejection in applied.rejections]


def _id(document: ir.Artifact, title: str) -> str:
    return next(node.node_id for node in document.nodes if node.title == title)


def _state(document: ir.Artifact, title: str, *states: ir.NodeState) -> ir.Artifact:
    for state in states:
        wanted = act.SetNodeState(key=f"{title}{state}", node_id=_id(document, title), state=state)
        document = _apply(document, wanted).artifact
    return document


def _finished(document: ir.Artifact, title: str) -> ir.Artifact:
    return _state(document, title, ir.NodeState.DRAFT, ir.NodeState.FINAL)


def _resolves(pointer: str, form: Any) -> bool:
    """Whether a JSON Pointer leads into a JSON value."""
    if pointer == "":
        return True
    if not re.fullmatch(r"(?:/(?:[^~/]|~[01])*)+", pointer):
        return False
    for part in pointer.split("/")[1:]:
        form = form[int(part)] if isinstance(form, list) else form[part]
    return True


def _case(draw: Random) -> tuple[ir.Artifact, act.Proposal, Policy]:
    document = artifact(draw)
    scope = frozenset(draw.sample(names_of(document)[0], 1))
    policy = Policy(
        scope=draw.choice((None, scope)),
        may_remove=draw.random() < 0.5,
        on_conflict=draw.choice(("reject", "rebase")),
    )
    base = draw.choice((ir_hash(document), ir_hash(document), ""))
    return document, act.Proposal(base_hash=base, actions=actions(draw, document)), policy


def _step(draw: Random) -> tuple[ir.Artifact, act.Action]:
    document = artifact(draw)
    return document, action(draw, document)


def _break(draw: Random) -> tuple[ir.Artifact, tuple[act.Action, ...]]:
    document = broken_artifact(draw)
    return document, actions(draw, document)


_cases, _steps, _breaks = seeded(_case), seeded(_step), seeded(_break)


@settings(max_examples=100)
@given(_cases)
def test_the_same_inputs_give_the_same_bytes(case: tuple[ir.Artifact, act.Proposal, Policy]) -> None:
    one, other = apply(*case), apply(*case)
    assert ir.encode(one.artifact) == ir.encode(other.artifact)
    assert one == other


@settings(max_examples=100)
@given(_cases)
def test_rejections_point_into_the_proposal(case: tuple[ir.Artifact, act.Proposal, Policy]) -> None:
    applied = apply(*case)
    form = msgspec.json.decode(msgspec.json.encode(case[1]))
    for rejection in applied.rejections:
        assert re.fullmatch(r"[A-Z]+(?:_[A-Z]+)*", rejection.code)
        assert _resolves(rejection.pointer, form)
        assert rejection.message.endswith(".")


@settings(max_examples=100)
@given(_steps)
def test_an_action_that_is_refused_changes_nothing(step: tuple[ir.Artifact, act.Action]) -> None:
    document, wanted = step
    applied = _apply(document, wanted)
    if applied.rejections:
        assert applied.artifact == document
        assert applied.changes == ()


@settings(max_examples=100)
@given(_steps)
def test_an_action_applied_again_changes_nothing(step: tuple[ir.Artifact, act.Action]) -> None:
    document, wanted = step
    once = _apply(document, wanted, policy=_FREE).artifact
    again = _apply(once, wanted, policy=_FREE)
    assert ir.encode(again.artifact) == ir.encode(once)
    assert again.changes == ()


@settings(max_examples=100)
@given(_breaks)
def test_nothing_that_is_given_makes_it_raise(case: tuple[ir.Artifact, tuple[act.Action, ...]]) -> None:
    document, wanted = case
    applied = _apply(document, *wanted, policy=_FREE)
    if "DOCUMENT_BROKEN" in _codes(applied):
        assert applied.artifact == document


@settings(max_examples=100)
@given(_cases)
def test_what_apply_makes_is_a_tree_with_resolved_evidence(case: tuple[ir.Artifact, act.Proposal, Policy]) -> None:
    made = apply(*case).artifact
    assert [node for _, node in made.walk()] == list(made.nodes)
    for node in made.nodes:
        known = {evidence.evidence_id for evidence in node.evidence}
        for block in node.blocks:
            assert {e for part in ir.cited_parts(block) for e in part.evidence_ids} <= known


@settings(max_examples=100)
@given(_cases)
def test_without_permission_no_block_is_lost(case: tuple[ir.Artifact, act.Proposal, Policy]) -> None:
    document = case[0]
    made = _apply(document, *case[1].actions).artifact
    assert set(names_of(document)[1]) <= set(names_of(made)[1])


@settings(max_examples=100)
@given(seeded(lambda draw: actions(draw, planted(), 6)))
def test_outside_its_scope_nothing_changes(wanted: tuple[act.Action, ...]) -> None:
    document = planted()
    scope = _id(document, "One")
    policy = Policy(scope=frozenset({scope}), may_remove=True, on_conflict="rebase")
    made = _apply(document, *wanted, policy=policy).artifact
    inside = {scope, *(node.node_id for node in document.nodes if node.parent_id == scope)}
    for node in document.nodes:
        if node.node_id not in inside:
            assert made.node(node.node_id) == node


@given(texts, texts)
def test_text_enters_in_normal_form(title: str, text: str) -> None:
    document = planted()
    node_id = _id(document, "Two")
    rules = ir.Constraints(audience=title, forbidden_phrases=(text,))
    made = _apply(
        document,
        act.UpdateNode(key="k1", node_id=node_id, title=title, brief=text),
        act.SetSummary(key="k2", node_id=node_id, summary=text),
        act.InsertBlock(key="k3", node_id=node_id, block=paragraph(text)),
        act.InsertBlock(key="k4", node_id=node_id, block=ir.Figure(block_id="", uri="u", alt=text, caption=title)),
        act.SetConstraints(key="k5", node_id=node_id, constraints=rules),
    ).artifact.node(node_id)
    for value in (made.title, made.brief, made.summary, *(p.text for b in made.blocks for p in ir.cited_parts(b))):
        assert unicodedata.is_normalized("NFC", value)
    assert made.constraints.forbidden_phrases == (unicodedata.normalize("NFC", text),)


def test_code_and_unknown_blocks_keep_their_bytes() -> None:
    document = planted()
    node_id = _id(document, "Two")
    given_blocks: tuple[ir.Block, ...] = (
        ir.Code(block_id="", text="e\u0301 = 1"),
        ir.Opaque(block_id="", raw='{"a": "e\u0301" }'),
    )
    made = _apply(
        document, *(act.InsertBlock(key=f"k{at}", node_id=node_id, block=b) for at, b in enumerate(given_blocks))
    ).artifact.node(node_id)
    code, opaque = made.blocks[-2:]
    assert isinstance(code, ir.Code)
    assert isinstance(opaque, ir.Opaque)
    assert (code.text, opaque.raw) == ("e\u0301 = 1", '{"a": "e\u0301" }')


def test_ids_come_from_the_artifact_and_the_key() -> None:
    one, other = planted("art_1"), planted("art_2")
    assert ir.encode(one) == ir.encode(planted("art_1"))
    assert not {node.node_id for node in one.nodes} & {node.node_id for node in other.nodes}


def test_a_base_that_is_not_the_head_rejects_everything() -> None:
    document = planted()
    wanted = (act.UpdateNode(key="k", node_id=_id(document, "One"), title="x"),)
    for base in ("", "0" * 64):
        applied = apply(document, act.Proposal(base_hash=base, actions=wanted))
        assert (_codes(applied), applied.artifact) == (["BASE_CHANGED"], document)
    assert apply(document, act.Proposal(base_hash=ir_hash(document), actions=wanted)).rejections == ()


def test_an_empty_document_has_an_empty_base() -> None:
    empty = ir.Artifact(artifact_id="art_1", title="")
    root = (act.InsertNode(key="root", parent_id=None, title="Root"),)
    assert apply(empty, act.Proposal(base_hash="", actions=root)).rejections == ()
    assert _codes(apply(empty, act.Proposal(base_hash="0" * 64, actions=root))) == ["BASE_CHANGED"]


def test_each_code_of_rejection_once() -> None:
    document = _finished(planted(), "Three")
    root, one, three, nested = (_id(document, title) for title in ("Root", "One", "Three", "Nested"))
    block = document.node(one).blocks[1].block_id
    ragged = ir.Table(block_id="", header=("a", "b"), rows=(ir.Row(row_id="", cells=("1",)),))
    cases: list[tuple[str, str, act.Action]] = [
        ("NODE_NOT_FOUND", "node_id", act.UpdateNode(key="k", node_id="nod_x", title="x")),
        ("BLOCK_NOT_FOUND", "block_id", act.RemoveBlock(key="k", block_id="blk_x")),
        ("NODE_FINAL", "node_id", act.UpdateNode(key="k", node_id=three, title="x")),
        ("ROOT_EXISTS", "parent_id", act.InsertNode(key="k", parent_id=None, title="x")),
        ("SIBLING_NOT_FOUND", "after_id", act.InsertNode(key="k", parent_id=root, title="x", after_id=nested)),
        ("CYCLE", "parent_id", act.MoveNode(key="k", node_id=one, parent_id=nested)),
        ("CYCLE", "parent_id", act.MoveNode(key="k", node_id=root, parent_id=one)),
        ("ROOT_STAYS", "node_id", act.RemoveNode(key="k", node_id=root)),
        ("REMOVAL_OUT_OF_SCOPE", "node_id", act.RemoveNode(key="k", node_id=one)),
        ("REMOVAL_OUT_OF_SCOPE", "block_id", act.RemoveBlock(key="k", block_id=block)),
        ("SHRINK_OUT_OF_SCOPE", "block", act.ReplaceBlock(key="k", block_id=block, block=paragraph("Short."))),
        ("STATE_ILLEGAL", "state", act.SetNodeState(key="k", node_id=one, state=ir.NodeState.FINAL)),
        ("TABLE_RAGGED", "block", act.InsertBlock(key="k", node_id=one, block=ragged)),
        ("EVIDENCE_NOT_FOUND", "block", act.InsertBlock(key="k", node_id=one, block=paragraph("x", "evd_x"))),
    ]
    for code, member, wanted in cases:
        applied = _apply(document, wanted)
        assert [(r.code, r.pointer) for r in applied.rejections] == [(code, f"/actions/0/{member}")]


def test_a_final_node_keeps_its_children_and_blocks() -> None:
    document = _finished(planted(), "One")
    one, two, nested = (_id(document, title) for title in ("One", "Two", "Nested"))
    block = document.node(one).blocks[0].block_id
    refused: list[act.Action] = [
        act.RemoveNode(key="a", node_id=nested),
        act.MoveNode(key="b", node_id=nested, parent_id=two),
        act.InsertNode(key="c", parent_id=one, title="x"),
        act.MoveBlock(key="d", block_id=block, node_id=two),
        act.RemoveBlock(key="e", block_id=block),
        act.SetSummary(key="f", node_id=one, summary="x"),
    ]
    applied = _apply(document, *refused, policy=_FREE)
    assert _codes(applied) == ["NODE_FINAL"] * len(refused)
    reopened = _state(document, "One", ir.NodeState.DRAFT)
    for wanted in refused:
        assert _apply(reopened, wanted, policy=_FREE).rejections == ()


@pytest.mark.parametrize("old", ir.NodeState)
@pytest.mark.parametrize("new", ir.NodeState)
def test_states_move_forward_and_back_only_by_reopening(old: ir.NodeState, new: ir.NodeState) -> None:
    order = list(ir.NodeState)
    way = {ir.NodeState.EMPTY: (), ir.NodeState.FINAL: (ir.NodeState.DRAFT, ir.NodeState.FINAL)}.get(old, (old,))
    document = _state(planted(), "Two", *way)
    applied = _apply(document, act.SetNodeState(key="k", node_id=_id(document, "Two"), state=new))
    skips = new is ir.NodeState.FINAL and old is not ir.NodeState.DRAFT
    reopens = (old, new) == (ir.NodeState.FINAL, ir.NodeState.DRAFT)
    allowed = new is old or reopens or (order.index(new) > order.index(old) and not skips)
    assert (applied.rejections == ()) == allowed


def test_an_out_of_scope_root_is_refused() -> None:
    empty = ir.Artifact(artifact_id="art_1", title="")
    applied = _apply(
        empty, act.InsertNode(key="k", parent_id=None, title="x"), policy=Policy(scope=frozenset({"nod_x"}))
    )
    assert _codes(applied) == ["OUT_OF_SCOPE"]


def test_removing_a_node_tells_of_every_block() -> None:
    document = planted()
    one = document.node(_id(document, "One"))
    nested = _id(document, "Nested")
    applied = _apply(document, act.RemoveNode(key="k", node_id=one.node_id), policy=_FREE)
    assert {change.subject_id for change in applied.changes} == {one.node_id, nested, *(b.block_id for b in one.blocks)}
    assert {(change.change, change.after_hash, change.action_key) for change in applied.changes} == {
        ("removed", "", "k")
    }


def test_replacing_keeps_the_id_and_prunes_evidence() -> None:
    document = planted()
    node = document.node(_id(document, "One"))
    old = node.blocks[0]
    block = paragraph("The pump failed again.", "evd_b")
    applied = _apply(document, act.ReplaceBlock(key="k", block_id=old.block_id, block=block, evidence=EVIDENCE))
    new = applied.artifact.node(node.node_id)
    assert new.blocks[0].block_id == old.block_id
    assert [evidence.evidence_id for evidence in new.evidence] == ["evd_b"]
    (change,) = applied.changes
    assert (change.change, change.before_hash, change.after_hash) == (
        "replaced",
        block_hash(old),
        block_hash(new.blocks[0]),
    )


@pytest.mark.parametrize(("words", "is_allowed"), [(1, False), (2, False), (3, False), (4, True), (8, True)])
def test_shrinking_is_counted_in_words(words: int, is_allowed: bool) -> None:
    document = planted()
    block = document.node(_id(document, "One")).blocks[1]  # eight words
    short = paragraph(" ".join(["word"] * words))
    applied = _apply(document, act.ReplaceBlock(key="k", block_id=block.block_id, block=short))
    assert (applied.rejections == ()) == is_allowed


def test_an_unknown_block_cannot_be_emptied_without_permission() -> None:
    document = planted()
    node_id = _id(document, "Two")
    document = _apply(
        document, act.InsertBlock(key="o", node_id=node_id, block=ir.Opaque(block_id="", raw="{ x }"))
    ).artifact
    block_id = document.node(node_id).blocks[-1].block_id
    applied = _apply(document, act.ReplaceBlock(key="k", block_id=block_id, block=paragraph("")))
    assert _codes(applied) == ["SHRINK_OUT_OF_SCOPE"]


def test_a_moved_block_takes_its_evidence_along() -> None:
    document = planted()
    one, three = _id(document, "One"), _id(document, "Three")
    block = document.node(one).blocks[0]
    applied = _apply(document, act.MoveBlock(key="k", block_id=block.block_id, node_id=three))
    assert [e.evidence_id for e in applied.artifact.node(three).evidence] == ["evd_a"]
    assert [e.evidence_id for e in applied.artifact.node(one).evidence] == ["evd_b"]
    assert [change.change for change in applied.changes] == ["moved"]


def test_moving_one_sibling_leaves_the_others_alone() -> None:
    document = planted()
    three = _id(document, "Three")
    applied = _apply(document, act.MoveNode(key="k", node_id=three, parent_id=document.root.node_id, after_id=""))
    made = applied.artifact
    assert [node.title for node in made.children(made.root.node_id)] == ["Three", "One", "Two"]
    assert all(made.node(node.node_id) == node for node in document.nodes if node.node_id != three)
