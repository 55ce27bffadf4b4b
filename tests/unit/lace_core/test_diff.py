"""Differences between documents: what is the same thing, what became of it, and nothing where nothing did."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from lace_core.actions import Action, Proposal
from lace_core.apply import Policy, apply
from lace_core.diff import Diff, changes, diff
from lace_core.ir import Artifact, Block, Node, Paragraph, Row, Sentence, Source, Table
from lace_core.merkle import block_hash, ir_hash, node_hash
from tests.unit.lace_core.strategies import actions, artifacts, planted, seeded

SOURCE = Source(source_id="src_a", version="1", filename="a.md", title="A", media_type="text/markdown")


def _paragraph(block_id: str, *texts: str, tag: str = "") -> Paragraph:
    ids = [f"{block_id}{tag}_{index}" for index in range(len(texts))]
    return Paragraph(
        block_id=block_id, sentences=tuple(Sentence(sentence_id=i, text=t) for i, t in zip(ids, texts, strict=True))
    )


def _node(node_id: str, parent: str | None, key: str, *blocks: Block, title: str = "") -> Node:
    return Node(node_id=node_id, parent_id=parent, order_key=key, title=title or node_id, blocks=blocks)


def _document(*nodes: Node, **values: Any) -> Artifact:
    return Artifact(artifact_id="art_1", title=values.pop("title", "T"), nodes=nodes, sources=(SOURCE,), **values)


ROOT = _node("root", None, "1", _paragraph("p", "One.", "Two.", "Three."))
A = _node("a", "root", "1", _paragraph("pa", "A one."), _paragraph("pb", "B one."), _paragraph("pc", "C one."))
B = _node("b", "root", "2", _paragraph("pd", "D one."))
C = _node("c", "b", "1", _paragraph("pe", "E one."))
BASE = _document(ROOT, A, B, C)


def _with(node: Node, **values: Any) -> Artifact:
    changed = msgspec.structs.replace(node, **values)
    nodes = tuple(changed if n.node_id == node.node_id else n for n in BASE.nodes)
    return msgspec.structs.replace(BASE, nodes=nodes)


def _told(found: Diff) -> list[tuple[str, str, str]]:
    return [(d.subject, d.change, d.subject_id) for d in found.differences]


def test_equal_documents_have_no_differences() -> None:
    found = diff(BASE, BASE)
    assert (found.differences, found.before_hash, found.counts()) == ((), ir_hash(BASE), {})


CASES: dict[str, tuple[Artifact, list[tuple[str, str, str]]]] = {
    "title": (msgspec.structs.replace(BASE, title="U"), [("document", "changed", "art_1")]),
    "source added": (
        msgspec.structs.replace(BASE, sources=(SOURCE, msgspec.structs.replace(SOURCE, source_id="src_b"))),
        [("source", "added", "src_b")],
    ),
    "node renamed": (_with(A, title="Other"), [("node", "changed", "a")]),
    "node moved with all below it": (_with(C, parent_id="a"), [("node", "moved", "c")]),
    "subtree removed": (
        _document(ROOT, A),
        [
            ("node", "removed", "b"), ("block", "removed", "pd"), ("sentence", "removed", "pd_0"),
            ("node", "removed", "c"), ("block", "removed", "pe"), ("sentence", "removed", "pe_0"),
        ],
    ),
    "node added": (
        _document(ROOT, A, B, C, _node("d", "root", "3", _paragraph("pf", "F one."))),
        [("node", "added", "d"), ("block", "added", "pf"), ("sentence", "added", "pf_0")],
    ),
    "sentence rewritten": (
        _with(ROOT, blocks=(_paragraph("p", "One.", "2.", "Three."),)),
        [("block", "changed", "p"), ("sentence", "changed", "p_1")],
    ),
    "block replaced, its sentences with new ids": (
        _with(ROOT, blocks=(_paragraph("p", "One.", "2.", "Three.", tag="x"),)),
        [("block", "changed", "p"), ("sentence", "changed", "px_1")],
    ),
    "sentence inserted in front": (
        _with(ROOT, blocks=(_paragraph("p", "Zero.", "One.", "Two.", "Three.", tag="x"),)),
        [("block", "changed", "p"), ("sentence", "added", "px_0")],
    ),
    "last sentence first": (
        _with(ROOT, blocks=(_paragraph("p", "Three.", "One.", "Two.", tag="x"),)),
        [("block", "changed", "p"), ("sentence", "moved", "px_0")],
    ),
    "first block last": (_with(A, blocks=(A.blocks[1], A.blocks[2], A.blocks[0])), [("block", "moved", "pa")]),
}  # fmt: skip


@pytest.mark.parametrize(("after", "expected"), CASES.values(), ids=CASES)
def test_each_change_is_told_as_what_it_is_and_nothing_else(
    after: Artifact, expected: list[tuple[str, str, str]]
) -> None:
    assert _told(diff(BASE, after)) == expected


def test_a_block_that_went_to_another_node_is_moved_not_removed_and_added() -> None:
    shrunk, grown = msgspec.structs.replace(A, blocks=A.blocks[1:]), msgspec.structs.replace(
        B, blocks=(A.blocks[0], *B.blocks)
    )  # fmt: skip
    found = diff(BASE, _document(ROOT, shrunk, grown, C))
    assert _told(found) == [("block", "moved", "pa")]
    assert found.differences[0].node_id == "b"


def test_texts_and_hashes_are_those_of_both_sides() -> None:
    after = _with(ROOT, blocks=(_paragraph("p", "One.", "2.", "Three."),))
    block, sentence = diff(BASE, after).differences
    assert (block.before_hash, block.after_hash) == tuple(block_hash(d.root.blocks[0]) for d in (BASE, after))
    assert (sentence.before_text, sentence.after_text, sentence.fields) == ("Two.", "2.", ("text",))


def test_another_citation_of_the_same_words_is_a_change() -> None:
    cited = Paragraph(block_id="p", sentences=(Sentence(sentence_id="p_0", text="One.", evidence_ids=("e",)),))
    plain = Paragraph(block_id="p", sentences=(Sentence(sentence_id="p_0", text="One."),))
    found = diff(_document(_node("r", None, "1", plain)), _document(_node("r", None, "1", cited)))
    assert [d.fields for d in found.differences if d.subject == "sentence"] == [("evidence_ids",)]


def test_rows_of_a_table_are_compared_one_by_one() -> None:
    def table(*cells: str) -> Artifact:
        rows = tuple(Row(row_id=f"r{index}", cells=(cell,)) for index, cell in enumerate(cells))
        return _document(_node("root", None, "1", Table(block_id="t", header=("h",), rows=rows)))

    assert _told(diff(table("1", "2"), table("1", "3"))) == [("block", "changed", "t"), ("sentence", "changed", "r1")]


def test_what_changed_becomes_change_events_of_nodes_and_blocks() -> None:
    after = _with(ROOT, blocks=(_paragraph("p", "One."),), title="New")
    made = changes(diff(BASE, after), "rollback")
    assert [(c.subject_id, c.change, c.action_key) for c in made] == [
        ("root", "replaced", "rollback"),
        ("p", "replaced", "rollback"),
    ]
    assert (made[0].before_hash, made[0].after_hash) == (node_hash(ROOT), node_hash(after.root))


@given(artifacts, artifacts)
@settings(max_examples=60)
def test_any_two_documents_differ_in_the_same_things_both_ways(one: Artifact, other: Artifact) -> None:
    """What is added one way is removed the other; there is a difference exactly where the roots differ."""
    there, back = diff(one, other), diff(other, one)

    def those(found: Diff, how: str) -> set[tuple[str, str]]:
        return {(d.subject, d.subject_id) for d in found.differences if d.change == how and d.subject != "sentence"}

    assert those(there, "added") == those(back, "removed")
    assert those(there, "removed") == those(back, "added")
    assert (there.differences == ()) == (ir_hash(one) == ir_hash(other))


@given(seeded(lambda draw: (start := planted(), actions(draw, start))))
@settings(max_examples=60)
def test_what_apply_changed_is_found(case: tuple[Artifact, tuple[Action, ...]]) -> None:
    start, asked = case
    applied = apply(start, Proposal(base_hash=ir_hash(start), actions=asked), Policy(may_remove=True))
    found = diff(start, applied.artifact)
    assert (found.differences == ()) == (ir_hash(start) == ir_hash(applied.artifact))
    told = {d.subject_id for d in found.differences}
    touched = {change.subject_id for change in applied.changes}
    # Of two blocks that changed places either may be said to have moved.
    changed = {d.subject_id for d in found.differences if d.subject == "block" and d.change != "moved"}
    assert changed <= touched
    there = {node.node_id for node in start.nodes} & {node.node_id for node in applied.artifact.nodes}
    assert {node_id for node_id in touched & there if start.node(node_id) != applied.artifact.node(node_id)} <= told
