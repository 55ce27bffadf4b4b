"""Merging two revisions: what is independent commutes and nothing of it is lost, what is not is a conflict."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given, settings

from lace_core import actions as act
from lace_core import ir
from lace_core.apply import Policy, apply
from lace_core.diff import diff
from lace_core.merging import Conflict, Merged, Resolution, ResolutionError, three_way
from lace_core.merging.sequences import merge_order, order_keys
from lace_core.order import is_key
from lace_core.validate import validate
from tests.unit.lace_core.strategies import EVIDENCE, action, artifacts, paragraph, planted, seeded


def changed(document: ir.Artifact, *wanted: act.Action) -> ir.Artifact:
    """The document after actions, all of which fit."""
    applied = apply(document, act.Proposal(base_hash="", actions=wanted), Policy(may_remove=True, on_conflict="rebase"))
    assert not applied.rejections, applied.rejections
    return applied.artifact


def _edited(draw: Random, document: ir.Artifact, tag: str) -> ir.Artifact:
    """Some arbitrary actions of one side, which has keys of its own."""
    for number in range(draw.randint(0, 4)):
        wanted = msgspec.structs.replace(action(draw, document), key=f"{tag}-{number}")
        policy = Policy(may_remove=True, on_conflict="rebase")
        document = apply(document, act.Proposal(base_hash="", actions=(wanted,)), policy).artifact
    return document


def _three(draw: Random) -> tuple[ir.Artifact, ir.Artifact, ir.Artifact]:
    base = _edited(draw, planted(), "base")
    tags = ("ours", "theirs") if draw.random() < 0.8 else ("same", "same")
    return base, _edited(draw, base, tags[0]), _edited(draw, base, tags[1])


def _disagreements(merged: Merged) -> set[tuple[str, str, str]]:
    return {(c.kind, c.subject_id.rstrip("+"), c.field) for c in merged.conflicts}


@settings(max_examples=40)
@given(artifacts, artifacts)
def test_one_side_alone_is_taken_as_it_is(base: ir.Artifact, other: ir.Artifact) -> None:
    other = msgspec.structs.replace(other, artifact_id=base.artifact_id)
    if base.root.node_id != other.root.node_id:
        return
    assert three_way(base, other, base) == Merged(other, ())
    assert three_way(base, base, other) == Merged(other, ())
    assert three_way(base, other, other) == Merged(other, ())


@settings(max_examples=60)
@given(seeded(_three))
def test_the_sides_may_be_swapped(three: tuple[ir.Artifact, ir.Artifact, ir.Artifact]) -> None:
    base, ours, theirs = three
    one, other = three_way(base, ours, theirs), three_way(base, theirs, ours)
    assert bool(one.conflicts) == bool(other.conflicts)
    if not one.conflicts:
        assert one == other
    else:
        assert {c for c in _disagreements(one) if c[0] != "place"} == {
            c for c in _disagreements(other) if c[0] != "place"
        }


@settings(max_examples=60)
@given(seeded(_three))
def test_what_is_merged_is_a_whole_document_that_has_all_that_was_new(
    three: tuple[ir.Artifact, ir.Artifact, ir.Artifact],
) -> None:
    base, ours, theirs = three
    merged = three_way(base, ours, theirs)
    if merged.conflicts:
        return
    structural = {"ID_REPEATED", "ROOT_COUNT", "PARENT_MISSING", "ORDER_UNCLEAR", "UNREACHABLE"}
    assert not structural & {finding.code for finding in validate(merged.artifact)}
    was, now = _said(base), _said(merged.artifact)
    assert (_said(ours) | _said(theirs)) - was <= now  # what was written stays
    assert now - was <= _said(ours) | _said(theirs)  # and nothing was made up
    assert _parts(base) & _parts(ours) & _parts(theirs) <= _parts(merged.artifact)
    assert {n.node_id for n in ours.nodes + theirs.nodes} - {n.node_id for n in base.nodes} <= {
        node.node_id for node in merged.artifact.nodes
    }


@settings(max_examples=40)
@given(seeded(_three))
def test_every_conflict_can_be_settled_for_either_side(three: tuple[ir.Artifact, ir.Artifact, ir.Artifact]) -> None:
    for choice in ("ours", "theirs"):
        resolutions: dict[str, Resolution] = {}
        for _ in range(20):
            merged = three_way(*three, resolutions)
            if not merged.conflicts:
                break
            resolutions.update({c.conflict_id: Resolution(choice) for c in merged.conflicts})
        assert not merged.conflicts


def _parts(document: ir.Artifact) -> set[str]:
    return {part.part_id for n in document.nodes for b in n.blocks for part in ir.cited_parts(b)}


def _said(document: ir.Artifact) -> set[tuple[str, tuple[str, ...]]]:
    return {(part.text, part.evidence_ids) for n in document.nodes for b in n.blocks for part in ir.cited_parts(b)}


@given(seeded(lambda draw: [[draw.sample("abcdefgh", draw.randint(0, 8)) for _ in range(3)], draw.randint(0, 255)]))
def test_orders_hold_every_member_once(drawn: tuple[list[list[str]], int]) -> None:
    (base, ours, theirs), mask = drawn
    members = {c for place, c in enumerate("abcdefgh") if mask >> place & 1 and c in {*ours, *theirs}}
    order, contested = merge_order(base, ours, theirs, members)
    assert sorted(order) == sorted(members)
    assert merge_order(base, ours, base, set(ours))[0] == ours
    assert merge_order(base, base, theirs, set(theirs))[0] == theirs
    if not contested:
        assert (order, contested) == merge_order(base, theirs, ours, members)


@given(seeded(lambda draw: [draw.choice("123456789abciruz") for _ in range(draw.randint(0, 9))]))
def test_keys_sort_as_they_stand(wanted: list[str]) -> None:
    keys = order_keys(wanted)
    assert keys == sorted(set(keys))
    assert all(map(is_key, keys))
    assert len(keys) == len(wanted)
    if wanted == sorted(set(wanted)):
        assert keys == wanted


class TestOf:
    """Merges of small, known changes."""

    base = planted()
    root = base.root
    one, two, three = base.children(root.node_id)
    block = one.blocks[0]

    def test_changes_in_different_sections(self) -> None:
        ours = changed(self.base, act.UpdateNode(key="o", node_id=self.one.node_id, title="First"))
        theirs = changed(self.base, act.UpdateNode(key="t", node_id=self.two.node_id, title="Second"))
        merged = three_way(self.base, ours, theirs)
        assert not merged.conflicts
        titles = {node.title for node in merged.artifact.nodes}
        assert {"First", "Second"} <= titles

    def test_two_titles_for_one_section(self) -> None:
        ours = changed(self.base, act.UpdateNode(key="o", node_id=self.one.node_id, title="First"))
        theirs = changed(self.base, act.UpdateNode(key="t", node_id=self.one.node_id, title="Start"))
        conflict = _only(three_way(self.base, ours, theirs))
        assert (conflict.kind, conflict.field, conflict.base) == ("field", "title", "One")
        assert (conflict.ours, conflict.theirs, conflict.takes_value) == ("First", "Start", True)
        chosen = {"ours": "First", "theirs": "Start", "value": "Beginning"}
        for choice, title in chosen.items():
            resolution = Resolution(choice, "Beginning")  # type: ignore[arg-type]
            settled = three_way(self.base, ours, theirs, {conflict.conflict_id: resolution})
            assert not settled.conflicts
            assert settled.artifact.node(self.one.node_id).title == title

    def test_a_choice_that_was_made_for_other_values(self) -> None:
        ours = changed(self.base, act.UpdateNode(key="o", node_id=self.one.node_id, title="First"))
        theirs = changed(self.base, act.UpdateNode(key="t", node_id=self.one.node_id, title="Start"))
        conflict = _only(three_way(self.base, ours, theirs))
        later = changed(theirs, act.UpdateNode(key="l", node_id=self.one.node_id, title="Begin"))
        with pytest.raises(ResolutionError, match="Merge again"):
            three_way(self.base, ours, later, {conflict.conflict_id: Resolution("ours")})

    def test_a_value_that_does_not_fit(self) -> None:
        ours = changed(self.base, act.UpdateNode(key="o", node_id=self.one.node_id, title="First"))
        theirs = changed(self.base, act.UpdateNode(key="t", node_id=self.one.node_id, title="Start"))
        conflict = _only(three_way(self.base, ours, theirs))
        with pytest.raises(ResolutionError, match="does not fit"):
            three_way(self.base, ours, theirs, {conflict.conflict_id: Resolution("value", 7)})

    def test_two_constraints_of_one_section(self) -> None:
        ours = changed(self.base, _limits(self.one, max_words=100))
        theirs = changed(self.base, _limits(self.one, min_words=10))
        merged = three_way(self.base, ours, theirs)
        assert not merged.conflicts
        constraints = merged.artifact.node(self.one.node_id).constraints
        assert (constraints.max_words, constraints.min_words) == (100, 10)
        other = changed(self.base, _limits(self.one, max_words=50))
        assert _only(three_way(self.base, ours, other)).field == "constraints.max_words"

    def test_two_sentences_of_one_paragraph(self) -> None:
        base = changed(self.base, _paragraph(self.block, "One.", "Two.", "Three."))
        ours = changed(base, _paragraph(self.block, "One, ours.", "Two.", "Three."))
        theirs = changed(base, _paragraph(self.block, "One.", "Two.", "Three, theirs.", "Four."))
        merged = three_way(base, ours, theirs)
        assert not merged.conflicts
        assert _texts(merged.artifact, self.one) == ["One, ours.", "Two.", "Three, theirs.", "Four."]

    def test_one_sentence_that_both_rewrote(self) -> None:
        base = changed(self.base, _paragraph(self.block, "One.", "Two."))
        ours = changed(base, _paragraph(self.block, "One, ours.", "Two.", key="o"))
        theirs = changed(base, _paragraph(self.block, "One, theirs.", "Two.", key="t"))
        conflict = _only(three_way(base, ours, theirs))
        assert (conflict.kind, conflict.subject) == ("content", "sentence")
        assert (conflict.ours["text"], conflict.theirs["text"]) == ("One, ours.", "One, theirs.")
        value = Resolution("value", {"text": "Both."})
        settled = three_way(base, ours, theirs, {conflict.conflict_id: value})
        assert _texts(settled.artifact, self.one) == ["Both.", "Two."]

    def test_a_sentence_that_one_side_took_out_and_the_other_rewrote(self) -> None:
        base = changed(self.base, _paragraph(self.block, "One.", "Two."))
        ours = changed(base, _paragraph(self.block, "Two.", key="o"))
        theirs = changed(base, _paragraph(self.block, "One, theirs.", "Two.", key="t"))
        assert _only(three_way(base, ours, theirs)).kind == "removal"

    def test_a_block_that_one_side_removed_and_the_other_changed(self) -> None:
        ours = changed(self.base, act.RemoveBlock(key="o", block_id=self.block.block_id))
        theirs = changed(self.base, _paragraph(self.block, "The pump failed twice."))
        conflict = _only(three_way(self.base, ours, theirs))
        assert (conflict.kind, conflict.subject, conflict.ours) == ("removal", "block", None)
        for choice, there in (("ours", False), ("theirs", True)):
            settled = three_way(self.base, ours, theirs, {conflict.conflict_id: Resolution(choice)})  # type: ignore[arg-type]
            ids = [block.block_id for block in settled.artifact.node(self.one.node_id).blocks]
            assert (self.block.block_id in ids) is there

    def test_a_section_that_one_side_removed_and_the_other_wrote_in(self) -> None:
        nested = self.base.children(self.one.node_id)[0]
        ours = changed(self.base, act.RemoveNode(key="o", node_id=self.one.node_id))
        theirs = changed(
            self.base, act.InsertBlock(key="t", node_id=nested.node_id, block=paragraph("New."), evidence=())
        )
        conflict = _only(three_way(self.base, ours, theirs))
        assert (conflict.kind, conflict.subject_id) == ("removal", self.one.node_id)
        assert conflict.theirs["changed_node_ids"] == [nested.node_id]
        kept = three_way(self.base, ours, theirs, {conflict.conflict_id: Resolution("theirs")}).artifact
        assert kept == theirs
        gone = three_way(self.base, ours, theirs, {conflict.conflict_id: Resolution("ours")}).artifact
        assert gone == ours

    def test_a_block_moved_by_one_side_and_changed_by_the_other(self) -> None:
        ours = changed(self.base, act.MoveBlock(key="o", block_id=self.block.block_id, node_id=self.three.node_id))
        cited = act.ReplaceBlock(
            key="t", block_id=self.block.block_id, block=paragraph("12 mm of it.", "evd_b"), evidence=EVIDENCE
        )
        merged = three_way(self.base, ours, changed(self.base, cited))
        assert not merged.conflicts
        node = merged.artifact.node(self.three.node_id)
        assert [block.block_id for block in node.blocks] == [self.block.block_id]
        assert _texts(merged.artifact, node) == ["12 mm of it."]
        assert [evidence.evidence_id for evidence in node.evidence] == ["evd_b"]

    def test_moves_that_make_a_circle_together(self) -> None:
        ours = changed(self.base, act.MoveNode(key="o", node_id=self.two.node_id, parent_id=self.three.node_id))
        theirs = changed(self.base, act.MoveNode(key="t", node_id=self.three.node_id, parent_id=self.two.node_id))
        conflict = _only(three_way(self.base, ours, theirs))
        assert conflict.kind == "cycle"
        for choice, side in (("ours", ours), ("theirs", theirs)):
            settled = three_way(self.base, ours, theirs, {conflict.conflict_id: Resolution(choice)})  # type: ignore[arg-type]
            assert settled.artifact == side

    def test_sections_that_both_put_at_one_place(self) -> None:
        ours, theirs = (
            changed(self.base, act.InsertNode(key=key, parent_id=self.root.node_id, title=key, after_id=""))
            for key in ("ours", "theirs")
        )
        merged = three_way(self.base, ours, theirs)
        assert not merged.conflicts
        children = merged.artifact.children(self.root.node_id)
        assert len({node.order_key for node in children}) == 5
        assert {node.title for node in children[:2]} == {"ours", "theirs"}

    def test_a_section_made_final_while_the_other_side_changed_it(self) -> None:
        drafted = changed(self.base, act.SetNodeState(key="d", node_id=self.one.node_id, state=ir.NodeState.DRAFT))
        ours = changed(drafted, act.SetNodeState(key="o", node_id=self.one.node_id, state=ir.NodeState.FINAL))
        theirs = changed(drafted, _paragraph(self.block, "The pump failed twice."))
        conflict = _only(three_way(drafted, ours, theirs))
        assert (conflict.field, conflict.ours, conflict.theirs) == ("state", "final", "draft")

    def test_what_is_merged_differs_from_either_side_by_the_other_alone(self) -> None:
        ours = changed(self.base, act.UpdateNode(key="o", node_id=self.one.node_id, title="First"))
        theirs = changed(self.base, act.SetSummary(key="t", node_id=self.one.node_id, summary="Short."))
        merged = three_way(self.base, ours, theirs).artifact
        assert [d.fields for d in diff(ours, merged).differences] == [("summary",)]
        assert [d.fields for d in diff(theirs, merged).differences] == [("title",)]


def _only(merged: Merged) -> Conflict:
    (conflict,) = merged.conflicts
    return conflict


def _limits(node: ir.Node, **limits: int) -> act.SetConstraints:
    return act.SetConstraints(key="limits", node_id=node.node_id, constraints=ir.Constraints(**limits))  # type: ignore[arg-type]


def _paragraph(block: ir.Block, *texts: str, key: str = "p") -> act.ReplaceBlock:
    sentences = tuple(ir.Sentence(sentence_id="", text=text) for text in texts)
    return act.ReplaceBlock(
        key=f"{key}/{'/'.join(texts)}", block_id=block.block_id, block=ir.Paragraph(block_id="", sentences=sentences)
    )


def _texts(document: ir.Artifact, node: ir.Node) -> list[str]:
    blocks = document.node(node.node_id).blocks
    return [part.text for part in ir.cited_parts(blocks[0])]
