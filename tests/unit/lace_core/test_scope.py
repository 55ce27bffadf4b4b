"""The no-loss rule: whatever is proposed, nothing outside the scope changes a byte, and what may not be lost is not."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import given, settings

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.merkle import node_hash
from lace_core.scope import Scope, Way, apply_within, breaches, conflicts, dropped, nodes_of

from .strategies import EVIDENCE, actions, artifact, paragraph, planted, seeded

DOCUMENT = planted()
IDS = {node.title: node.node_id for node in DOCUMENT.nodes}
BLOCKS = {title: DOCUMENT.node(IDS[title]).blocks for title in IDS}
ONE, TWO, NESTED, ROOT = IDS["One"], IDS["Two"], IDS["Nested"], IDS["Root"]


def _bytes(node: ir.Node) -> bytes:
    return msgspec.json.encode(node, order="sorted")


def _said(document: ir.Artifact, node_ids: frozenset[str]) -> Counter[tuple[str, str]]:
    return Counter(
        (node.node_id, part.text)
        for node in document.nodes
        if node.node_id in node_ids
        for block in node.blocks
        for part in ir.cited_parts(block)
    )


def _citations(document: ir.Artifact) -> Counter[tuple[str, str]]:
    return Counter(
        (block.block_id, evidence_id)
        for node in document.nodes
        for block in node.blocks
        for part in ir.cited_parts(block)
        for evidence_id in part.evidence_ids
    )


def _case(draw: Random) -> tuple[ir.Artifact, Scope, tuple[act.Action, ...]]:
    document = artifact(draw)
    way = draw.choice(list(Way))
    node_ids = nodes_of(document, draw.choice(document.nodes).node_id, subtree=draw.random() < 0.5)
    wanted = actions(draw, document, most=3)
    if draw.random() < 0.7:  # few arbitrary actions fit together; those that add always do
        inside = draw.choice(node_ids)
        wanted = (*wanted[:1], act.InsertBlock(
            key=f"new-{draw.random()}", node_id=inside, block=paragraph("It is new.", "evd_a"), evidence=EVIDENCE
        ))  # fmt: skip
    return document, Scope(way, frozenset(node_ids)), wanted


@settings(max_examples=150, deadline=None)
@given(seeded(_case))
def test_no_action_outside_the_scope_changes_a_byte(
    case: tuple[ir.Artifact, Scope, tuple[act.Action, ...]],
) -> None:
    document, scope, wanted = case
    applied = apply_within(document, wanted, scope)
    now = {node.node_id: node for node in applied.artifact.nodes}
    for node in document.nodes:
        if node.node_id not in scope.node_ids:
            assert _bytes(now[node.node_id]) == _bytes(node)
    assert set(now) >= {node.node_id for node in document.nodes}
    if applied.rejections:
        assert applied.artifact is document
        assert applied.changes == ()
        assert all(rejection.code and rejection.pointer.startswith("/") for rejection in applied.rejections)


@settings(max_examples=150, deadline=None)
@given(seeded(_case))
def test_expand_and_enrich_lose_no_sentence_and_no_citation(
    case: tuple[ir.Artifact, Scope, tuple[act.Action, ...]],
) -> None:
    document, scope, wanted = case
    if scope.way not in (Way.EXPAND, Way.ENRICH):
        scope = Scope(Way.EXPAND, scope.node_ids)
    applied = apply_within(document, wanted, scope)
    everything = frozenset(node.node_id for node in document.nodes)
    assert _said(applied.artifact, everything) >= _said(document, everything)
    assert _citations(applied.artifact) >= _citations(document)
    assert dropped(document, applied.artifact) == ()


@settings(max_examples=150, deadline=None)
@given(seeded(_case))
def test_the_rule_holds_for_the_result_whatever_made_it(
    case: tuple[ir.Artifact, Scope, tuple[act.Action, ...]],
) -> None:
    document, scope, wanted = case
    free = Policy(may_remove=True, on_conflict="rebase")
    after = apply(document, act.Proposal(base_hash="", actions=wanted), free).artifact
    found = list(breaches(document, after, scope))
    now = {node.node_id: node for node in after.nodes}
    untouched = all(now.get(node.node_id) == node for node in document.nodes if node.node_id not in scope.node_ids)
    if not found:
        assert untouched
    if document == after:
        assert found == []


def _refused(way: Way, node_ids: tuple[str, ...], *wanted: act.Action) -> list[tuple[str, str]]:
    applied = apply_within(DOCUMENT, wanted, Scope(way, frozenset(node_ids)))
    assert applied.artifact is DOCUMENT
    return [(rejection.code, rejection.pointer) for rejection in applied.rejections]


def _new(key: str, node_id: str, after_id: str = act.LAST) -> act.InsertBlock:
    return act.InsertBlock(
        key=key, node_id=node_id, block=paragraph("New.", "evd_c"), after_id=after_id, evidence=EVIDENCE
    )


@pytest.mark.parametrize(
    ("way", "action", "code", "pointer"),
    [
        (
            Way.PATCH,
            act.RemoveBlock(key="k", block_id=BLOCKS["Two"][0].block_id),
            "OUT_OF_SCOPE",
            "/actions/0/block_id",
        ),
        (Way.PATCH, _new("k", TWO), "OUT_OF_SCOPE", "/actions/0/node_id"),
        (
            Way.PATCH,
            act.MoveBlock(key="k", block_id=BLOCKS["One"][0].block_id, node_id=TWO),
            "OUT_OF_SCOPE",
            "/actions/0/node_id",
        ),
        (Way.PATCH, _new("k", NESTED), "OUT_OF_SCOPE", "/actions/0/node_id"),
        (Way.PATCH, act.RemoveNode(key="k", node_id=ONE), "ACTION_NOT_ALLOWED", "/actions/0/action"),
        (Way.PATCH, act.UpdateNode(key="k", node_id=ONE, title="Other"), "ACTION_NOT_ALLOWED", "/actions/0/action"),
        (Way.REGENERATE, act.InsertNode(key="k", parent_id=ONE, title="x"), "ACTION_NOT_ALLOWED", "/actions/0/action"),
        (
            Way.EXPAND,
            act.RemoveBlock(key="k", block_id=BLOCKS["One"][0].block_id),
            "ACTION_NOT_ALLOWED",
            "/actions/0/action",
        ),
        (Way.EXPAND, act.InsertNode(key="k", parent_id=TWO, title="x"), "OUT_OF_SCOPE", "/actions/0/parent_id"),
        (
            Way.ENRICH,
            act.ReplaceBlock(key="k", block_id=BLOCKS["One"][0].block_id, block=paragraph("The pump failed!", "evd_a")),
            "TEXT_CHANGED",
            f"/nodes/{ONE}/blocks/{BLOCKS['One'][0].block_id}",
        ),
        (
            Way.ENRICH,
            act.ReplaceBlock(key="k", block_id=BLOCKS["One"][0].block_id, block=paragraph("The pump failed.")),
            "CITATION_LOST",
            f"/nodes/{ONE}/blocks/{BLOCKS['One'][0].block_id}",
        ),
    ],
)
def test_what_reaches_too_far_is_refused_with_a_pointer(way: Way, action: act.Action, code: str, pointer: str) -> None:
    assert _refused(way, (ONE,), action) == [(code, pointer)]


def test_one_refusal_leaves_all_as_it_was() -> None:
    assert _refused(Way.PATCH, (ONE,), _new("good", ONE), _new("bad", TWO)) == [("OUT_OF_SCOPE", "/actions/1/node_id")]


def test_a_final_section_is_reopened_by_nobody_but_a_person() -> None:
    document = DOCUMENT
    for state in (ir.NodeState.DRAFT, ir.NodeState.FINAL):
        wanted = act.SetNodeState(key=state, node_id=ONE, state=state)
        free = Policy(on_conflict="rebase")
        document = apply(document, act.Proposal(base_hash="", actions=(wanted,)), free).artifact
    reopen = act.SetNodeState(key="k", node_id=ONE, state=ir.NodeState.DRAFT)
    tries: tuple[tuple[act.Action, ...], ...] = ((reopen,), (_new("n", ONE),), (reopen, _new("n", ONE)))
    for attempt in tries:
        applied = apply_within(document, attempt, Scope(Way.PATCH, frozenset({ONE})))
        assert {rejection.code for rejection in applied.rejections} == {"NODE_FINAL"}


def test_each_way_does_what_it_is_for() -> None:
    block = BLOCKS["One"][0]
    more = act.ReplaceBlock(
        key="cite", block_id=block.block_id, block=paragraph("The pump failed.", "evd_a", "evd_c"), evidence=EVIDENCE
    )
    enriched = apply_within(DOCUMENT, (more,), Scope(Way.ENRICH, frozenset({ONE})))
    assert enriched.rejections == ()
    part = next(iter(ir.cited_parts(enriched.artifact.node(ONE).blocks[0])))
    before = next(iter(ir.cited_parts(block)))
    assert (part.part_id, part.evidence_ids) == (before.part_id, ("evd_a", "evd_c"))
    child = act.InsertNode(key="child", parent_id=ONE, title="More", brief="b")
    expanded = apply_within(DOCUMENT, (child, _new("n", ONE)), Scope(Way.EXPAND, frozenset({ONE})))
    assert expanded.rejections == ()
    assert [node.title for node in expanded.artifact.children(ONE)] == ["Nested", "More"]
    gone = tuple(act.RemoveBlock(key=b.block_id, block_id=b.block_id) for b in BLOCKS["One"])
    anew = apply_within(DOCUMENT, (*gone, _new("n", ONE)), Scope(Way.REGENERATE, frozenset({ONE})))
    assert anew.rejections == ()
    assert {item.evidence.evidence_id for item in dropped(DOCUMENT, anew.artifact)} == {"evd_a", "evd_b"}
    assert {item.node_id for item in dropped(DOCUMENT, anew.artifact)} == {ONE}


def test_what_may_not_be_split_is_not() -> None:
    rule = act.SetConstraints(key="r", node_id=ONE, constraints=ir.Constraints(no_split=True))
    free = Policy(on_conflict="rebase")
    document = apply(DOCUMENT, act.Proposal(base_hash="", actions=(rule,)), free).artifact
    child = act.InsertNode(key="child", parent_id=ONE, title="More")
    applied = apply_within(document, (child,), Scope(Way.EXPAND, frozenset({ONE})))
    assert [rejection.code for rejection in applied.rejections] == ["NO_SPLIT"]


def test_a_scope_is_a_node_or_it_and_all_below() -> None:
    assert nodes_of(DOCUMENT, ONE, subtree=False) == (ONE,)
    assert nodes_of(DOCUMENT, ONE, subtree=True) == (ONE, NESTED)
    assert set(nodes_of(DOCUMENT, ROOT, subtree=True)) == set(IDS.values())
    with pytest.raises(LookupError):
        nodes_of(DOCUMENT, "nod_none", subtree=True)


def test_changes_elsewhere_do_not_conflict_and_those_in_scope_do() -> None:
    free = Policy(on_conflict="rebase")
    elsewhere = apply(DOCUMENT, act.Proposal(base_hash="", actions=(_new("e", TWO),)), free).artifact
    assert conflicts(DOCUMENT, elsewhere, {ONE}) == []
    assert conflicts(DOCUMENT, elsewhere, {ONE, TWO}) == [TWO]
    child = act.InsertNode(key="c", parent_id=ONE, title="Child")
    grown = apply(DOCUMENT, act.Proposal(base_hash="", actions=(child,)), free).artifact
    assert conflicts(DOCUMENT, grown, {ONE}) == [ONE]
    assert node_hash(grown.node(ONE)) == node_hash(DOCUMENT.node(ONE))
