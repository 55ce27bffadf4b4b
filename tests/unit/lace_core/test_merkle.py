"""Hashes of documents: a change costs its path; content is told from ids."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.canonical import hash_json
from lace_core.merkle import block_hash, content_hash, ir_hash, node_hash, subtree_hashes

from .strategies import artifacts, planted

_replace = msgspec.structs.replace


def _change(document: ir.Artifact, *actions: act.Action) -> ir.Artifact:
    applied = apply(
        document, act.Proposal(base_hash="", actions=actions), Policy(on_conflict="rebase", may_remove=True)
    )
    assert applied.rejections == ()
    return applied.artifact


def _titled(document: ir.Artifact, title: str) -> ir.Node:
    return next(node for node in document.nodes if node.title == title)


def test_a_change_costs_its_path() -> None:
    before = planted()
    nested = _titled(before, "Nested")
    after = _change(before, act.UpdateNode(key="k", node_id=nested.node_id, title="Changed"))
    old, new = subtree_hashes(before), subtree_hashes(after)
    path = {nested.node_id, _titled(before, "One").node_id, before.root.node_id}
    assert {node_id for node_id in old if old[node_id] != new[node_id]} == path


@settings(max_examples=40)
@given(artifacts)
def test_other_ids_leave_the_content_hash_alone(document: ir.Artifact) -> None:
    raw = re.sub(r'"(art|nod|blk|sen|itm|row|evd|src|unt)_(?!id")', r'"\1_z', ir.encode(document).decode())
    renamed = ir.decode(raw.encode())
    assert content_hash(renamed) == content_hash(document)
    assert ir_hash(renamed) != ir_hash(document)


@settings(max_examples=40)
@given(artifacts)
def test_the_same_document_has_the_same_hashes(document: ir.Artifact) -> None:
    again = ir.decode(ir.encode(document))
    assert (ir_hash(again), content_hash(again)) == (ir_hash(document), content_hash(document))


def test_scores_and_order_keys_are_no_content() -> None:
    document = planted()
    nodes = tuple(
        _replace(
            node,
            order_key=f"{node.order_key}x",
            evidence=tuple(_replace(e, score="0.1", method="m") for e in node.evidence),
        )
        for node in document.nodes
    )
    assert content_hash(_replace(document, nodes=nodes)) == content_hash(document)


_SOURCE_CHANGES: list[dict[str, Any]] = [
    {"version": "v2"},
    {"filename": "b.md"},
    {"title": "B"},
    {"labels": ("secret",)},
]


@pytest.mark.parametrize("change", _SOURCE_CHANGES, ids=str)
def test_the_ir_hash_sees_every_change_of_a_source(change: dict[str, Any]) -> None:
    document = planted()
    changed = _replace(document, sources=(_replace(document.sources[0], **change),))
    assert ir_hash(changed) != ir_hash(document)
    assert (content_hash(changed) != content_hash(document)) == ("version" in change)


_NODE_CHANGES: list[dict[str, Any]] = [
    {"title": "x"},
    {"brief": "x"},
    {"summary": "x"},
    {"state": ir.NodeState.FINAL},
    {"constraints": ir.Constraints(max_words=1)},
    {"blocks": ()},
]


@pytest.mark.parametrize("change", _NODE_CHANGES, ids=lambda change: next(iter(change)))
def test_both_hashes_see_what_a_node_says(change: dict[str, Any]) -> None:
    document = planted()
    nodes = tuple(_replace(node, **change) if node.title == "One" else node for node in document.nodes)
    changed = _replace(document, nodes=nodes)
    assert ir_hash(changed) != ir_hash(document)
    assert content_hash(changed) != content_hash(document)


@pytest.mark.parametrize("change", [{"title": "x"}, {"language": "de"}], ids=str)
def test_both_hashes_see_the_head(change: dict[str, str]) -> None:
    document = planted()
    changed = _replace(document, **change)
    assert ir_hash(changed) != ir_hash(document)
    assert content_hash(changed) != content_hash(document)


def test_the_order_of_sections_counts() -> None:
    document = planted()
    moved = _change(
        document,
        act.MoveNode(key="m", node_id=_titled(document, "Three").node_id, parent_id=document.root.node_id, after_id=""),
    )
    assert content_hash(moved) != content_hash(document)
    assert node_hash(_titled(moved, "One")) == node_hash(_titled(document, "One"))


def test_the_cited_span_is_content() -> None:
    document = planted()
    nodes = tuple(
        _replace(node, evidence=tuple(_replace(e, start=e.start + 1, end=e.end + 1) for e in node.evidence))
        for node in document.nodes
    )
    assert content_hash(_replace(document, nodes=nodes)) != content_hash(document)


def test_a_block_hash_includes_ids() -> None:
    block = _titled(planted(), "One").blocks[0]
    assert block_hash(_replace(block, block_id="blk_other")) != block_hash(block)


@given(artifacts)
@settings(max_examples=100)
def test_the_hashes_are_those_of_the_canonical_form(artifact: ir.Artifact) -> None:
    for node in artifact.nodes:
        form = msgspec.to_builtins(node)
        del form["parent_id"]
        assert node_hash(node) == hash_json(form)
        for block in node.blocks:
            assert block_hash(block) == hash_json(msgspec.to_builtins(block))
