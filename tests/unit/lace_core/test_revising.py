"""From proposals for a written section to actions: what stands is put in, what is not touched stays to the byte."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lace_core import actions as act
from lace_core import ir, revising
from lace_core.contracts import (
    Enriched,
    FurtherCitation,
    InsertedBlock,
    Patched,
    RemovedBlock,
    ReplacedBlock,
    Written,
    WrittenParagraph,
    WrittenSentence,
)
from lace_core.planning import Grounds, Unit, grounds_of
from lace_core.scope import Scope, Way, apply_within
from lace_core.validate import errors, validate
from lace_core.writing import SentenceVerdict, actions_of, check

from .strategies import planted

DOCUMENT = planted()
NODE = next(node for node in DOCUMENT.nodes if node.title == "One")
FIRST, SECOND = NODE.blocks


def _grounds(*texts: str) -> dict[str, Grounds]:
    units = [
        Unit(
            unit_id=f"unt_{n}", source_id="src_1", source_version="v1", extraction="x1", filename="a.md",
            kind="paragraph", text=text, order=n, spans=((0, len(text)),),
        )
        for n, text in enumerate(texts)
    ]  # fmt: skip
    return {g.fact.fact_id: g for g in grounds_of([(unit, 500, "bm25") for unit in units], first=1)}


def _paragraph(text: str, *facts: str) -> WrittenParagraph:
    return WrittenParagraph(sentences=(WrittenSentence(text=text, fact_ids=facts),))


def _written(*blocks: Any) -> Written:
    return Written(blocks=tuple(blocks), summary="")


def _after(way: Way, *actions: act.Action) -> ir.Node:
    applied = apply_within(DOCUMENT, actions, Scope(way, frozenset({NODE.node_id})))
    assert applied.rejections == ()
    assert errors(validate(applied.artifact)) == []
    return applied.artifact.node(NODE.node_id)


def _texts(node: ir.Node) -> list[str]:
    return [part.text for block in node.blocks for part in ir.cited_parts(block)]


def test_a_section_as_contracts_name_it() -> None:
    own = {g.fact.fact_id: g for g in revising.own_grounds(NODE, {"src_1": "a.md"}, 5)}
    assert [(i, g.fact.text, g.fact.source) for i, g in own.items()] == [
        ("F5", "The pump failed.", "a.md"),
        ("F6", "12 mm", "a.md"),
    ]
    blocks = revising.current_blocks(NODE, own.values())
    assert [(b.block_id, b.kind) for b in blocks] == [(FIRST.block_id, "paragraph"), (SECOND.block_id, "paragraph")]
    assert [s.fact_ids for b in blocks for s in b.sentences] == [("F5",), ("F6",)]
    assert [s.fact_ids for b in revising.current_blocks(NODE, ()) for s in b.sentences] == [(), ()]


def test_what_is_written_anew_takes_the_place_of_the_old_or_leaves_it() -> None:
    grounds = _grounds("The pump runs again.")
    written = _written(_paragraph("The pump runs again.", "F1"))
    made = actions_of(written, check(written, grounds, NODE.node_id), grounds, NODE.node_id, "key")
    assert _texts(_after(Way.REGENERATE, *revising.rewritten(NODE, made, "key"))) == ["The pump runs again."]
    assert revising.rewritten(NODE, [], "key") == [], "where nothing stands, nothing is taken away"
    same = [
        act.InsertBlock(key=f"k{n}", node_id=NODE.node_id, block=block, evidence=NODE.evidence)
        for n, block in enumerate(NODE.blocks)
    ]
    assert revising.rewritten(NODE, same, "key") == []


def test_a_summary_that_is_there_stays_when_something_is_added() -> None:
    told = msgspec.structs.replace(NODE, summary="It failed.")
    made: list[act.Action] = [act.SetSummary(key="k", node_id=NODE.node_id, summary="Other.")]
    assert revising.extended(told, made) == []
    assert revising.extended(NODE, made) == made
    grounds = _grounds("The pump runs again.")
    written = _written(_paragraph("The pump runs again.", "F1"))
    anew = actions_of(written, check(written, grounds, NODE.node_id), grounds, NODE.node_id, "key")
    cleared = [a for a in revising.rewritten(told, anew, "key") if isinstance(a, act.SetSummary)]
    assert [action.summary for action in cleared] == [""]


def test_further_evidence_is_what_states_the_whole_sentence() -> None:
    sentence = next(iter(ir.cited_parts(FIRST)))
    grounds = _grounds("The pump failed. It was old.", "The pump was replaced.", "The pump did not fail.")
    offered = revising.offered_citations(
        Enriched(
            citations=(FurtherCitation(sentence_id=sentence.part_id, fact_ids=("F1", "F2", "F3", "F9", "F1")),),
            blocks=(),
        ),
        NODE,
        grounds,
    )
    assert [(v.fact_ids, v.stands) for v in offered] == [(("F1",), True), (("F2",), False), (("F3",), False)]
    further = revising.further_evidence(offered, NODE, grounds)
    after = _after(Way.ENRICH, *revising.enriched_actions(NODE, further, "key"))
    part = next(iter(ir.cited_parts(after.blocks[0])))
    assert part.part_id == sentence.part_id
    assert part.evidence_ids[0] == "evd_a"
    assert len(part.evidence_ids) == 2
    assert after.blocks[1] == SECOND


def test_a_citation_of_another_section_is_named() -> None:
    strange = Enriched(citations=(FurtherCitation(sentence_id="sen_none", fact_ids=()),), blocks=())
    assert [d.field for d in revising.strange_citations(strange, NODE)] == ["/citations/0/sentence_id"]


def _patched(*edits: Any, grounds: dict[str, Grounds]) -> tuple[list[act.Action], int]:
    patched = Patched(edits=tuple(edits))
    assert revising.strange_edits(patched, NODE) == []
    verdicts = check(_written(*revising.edited_blocks(patched)), grounds, NODE.node_id)
    return revising.patched_actions(patched, verdicts, grounds, NODE, "key")


def test_edits_land_where_they_were_meant_and_the_rest_stays() -> None:
    grounds = _grounds("The pump runs again.", "The valve is new.", "The pipe is old.")
    one, two, three = (_paragraph(g.fact.text, i) for i, g in grounds.items())
    actions, refused = _patched(
        ReplacedBlock(block_id=FIRST.block_id, block=one),
        InsertedBlock(after_id=FIRST.block_id, block=two),
        InsertedBlock(after_id=FIRST.block_id, block=three),
        grounds=grounds,
    )
    assert refused == 0
    after = _after(Way.PATCH, *actions)
    assert _texts(after)[:3] == ["The pump runs again.", "The valve is new.", "The pipe is old."]
    assert after.blocks[3] == SECOND
    gone, _ = _patched(
        RemovedBlock(block_id=FIRST.block_id), InsertedBlock(after_id=FIRST.block_id, block=two), grounds=grounds
    )
    assert _texts(_after(Way.PATCH, *gone))[0] == "The valve is new."


def test_what_is_not_supported_replaces_nothing() -> None:
    grounds = _grounds("The pump runs again.")
    half = WrittenParagraph(
        sentences=(
            WrittenSentence(text="The pump runs again.", fact_ids=("F1",)),
            WrittenSentence(text="The pump never fails.", fact_ids=("F1",)),
        )
    )
    assert _patched(ReplacedBlock(block_id=FIRST.block_id, block=half), grounds=grounds) == ([], 1)
    actions, refused = _patched(InsertedBlock(after_id="end", block=half), grounds=grounds)
    assert refused == 0
    assert _texts(_after(Way.PATCH, *actions))[-1] == "The pump runs again."


@pytest.mark.parametrize(
    ("edits", "found"),
    [
        ([RemovedBlock(block_id="blk_none")], ["/edits/0/block_id"]),
        ([RemovedBlock(block_id=FIRST.block_id), RemovedBlock(block_id=FIRST.block_id)], ["/edits/1/block_id"]),
        ([InsertedBlock(after_id="blk_none", block=_paragraph("x"))], ["/edits/0/after_id"]),
        ([InsertedBlock(after_id="", block=_paragraph("x")), RemovedBlock(block_id=SECOND.block_id)], []),
    ],
)
def test_edits_that_reach_beyond_the_section_are_named(edits: list[Any], found: list[str]) -> None:
    assert [detail.field for detail in revising.strange_edits(Patched(edits=tuple(edits)), NODE)] == found


def test_a_summary_holds_as_long_as_a_quote_states_it() -> None:
    assert revising.held_summary("", [])
    assert revising.held_summary("The pump failed.", ["The pump failed."])
    assert not revising.held_summary("The pump failed.", ["12 mm"])
    assert SentenceVerdict(sentence_id="s", text="t", fact_ids=(), verdict="supported", reasons=()).stands
