"""From IR to document: numbers, headings, sources, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from lace_compiler.domain.compose import compose
from lace_compiler.domain.document import Document, ListView, ParagraphView, TableView
from lace_compiler.domain.settings import CompileSettings
from lace_core import ir
from lace_core.errors import LaceError, Reason

Build = Callable[..., ir.Artifact]
Load = Callable[[str], Document]


def composed(artifact: ir.Artifact, *, quotes: bool = True) -> Document:
    return compose(artifact, "rev_1", "hash", CompileSettings(quotes=quotes))


def prose(*cited: tuple[str, ...], block_id: str = "blk_1") -> ir.Paragraph:
    sentences = (
        ir.Sentence(sentence_id=f"{block_id}_{n}", text="It is so.", evidence_ids=c) for n, c in enumerate(cited)
    )
    return ir.Paragraph(block_id=block_id, sentences=tuple(sentences))


def node(name: str, parent: str | None, title: str, order: str = "a", **more: object) -> ir.Node:
    return ir.Node(node_id=name, parent_id=parent, order_key=order, title=title, **more)  # type: ignore[arg-type]


def shape(document: Document) -> list[tuple[int, str, str]]:
    return [(heading.level, heading.number, heading.title) for heading in document.headings]


def test_evidence_is_numbered_at_its_first_citation_and_keeps_its_number(build: Build) -> None:
    artifact = build(prose(("evd_c",), ("evd_a", "evd_c"), (), ("evd_b", "evd_b")), cites=["evd_a", "evd_b", "evd_c"])
    document = composed(artifact)
    (paragraph,) = document.blocks()
    assert isinstance(paragraph, ParagraphView)
    assert [passage.citations for passage in paragraph.passages] == [(1,), (1, 2), (), (3,)]
    (source,) = document.sources
    assert [(r.number, r.evidence.evidence_id) for r in source.references] == [(1, "evd_c"), (2, "evd_a"), (3, "evd_b")]


def test_evidence_that_nothing_cites_has_no_number(build: Build) -> None:
    document = composed(build(prose(("evd_a",)), cites=["evd_a", "evd_unused"]))
    assert document.statistics.references == 1


def test_the_citations_of_a_table_come_before_those_of_its_rows(build: Build) -> None:
    table = ir.Table(
        block_id="blk_t",
        header=("a",),
        rows=(ir.Row(row_id="row_1", cells=("1",), evidence_ids=("evd_row",)), ir.Row(row_id="row_2", cells=("2",))),
        evidence_ids=("evd_table",),
    )
    document = composed(build(table, cites=["evd_row", "evd_table"]))
    (view,) = document.blocks()
    assert isinstance(view, TableView)
    assert (view.citations, view.rows[0].citations, view.rows[1].citations) == ((1,), (2,), ())
    assert document.statistics.cited_statements == 2, "a row stands under its table's evidence"


def test_headings_are_numbered_by_their_place() -> None:
    nodes = (
        node("r", None, "Title"),
        node("b", "r", "Second", "m"),
        node("a", "r", "First", "c"),
        node("aa", "a", "Inner", "a"),
        node("ab", "a", "Inner too", "b"),
        node("ba", "b", "Last", "a"),
    )
    document = composed(ir.Artifact(artifact_id="art", title="Title", nodes=nodes))
    assert shape(document) == [
        (1, "1", "First"),
        (2, "1.1", "Inner"),
        (2, "1.2", "Inner too"),
        (1, "2", "Second"),
        (2, "2.1", "Last"),
    ]


def test_a_heading_that_repeats_the_one_above_it_is_shown_once() -> None:
    nodes = (
        node("r", None, "The Report"),
        node("a", "r", "the report "),
        node("aa", "a", "Scope"),
        node("aaa", "aa", "SCOPE", blocks=(prose((), block_id="blk_1"),)),
        node("aab", "aa", "Scope", "b"),
    )
    document = composed(ir.Artifact(artifact_id="art", title="The report", nodes=nodes))
    assert shape(document) == [(1, "1", "Scope"), (2, "1.1", "Scope")]
    assert len(list(document.blocks())) == 1, "the content of a node without heading stays"


def test_a_root_with_another_title_than_the_document_is_a_section() -> None:
    document = composed(
        ir.Artifact(artifact_id="art", title="Title", nodes=(node("r", None, "Part"), node("a", "r", "Child")))
    )
    assert shape(document) == [(1, "1", "Part"), (2, "1.1", "Child")]


def test_anchors_are_unique(load: Load) -> None:
    for name in ("kiln", "hostile", "outline"):
        anchors = [heading.anchor for heading in load(name).headings]
        assert len(set(anchors)) == len(anchors)


def test_sources_come_in_order_of_their_first_citation_and_the_others_are_named(load: Load) -> None:
    document = load("kiln")
    assert [source.filename for source in document.sources] == [
        "kiln-survey.pdf",
        "firing-ledger.md",
        "clay_samples.json",
    ]
    assert document.uncited == ("letters.txt",)
    assert [r.place for r in document.sources[0].references] == [
        "p. 5, Structure › Walls",
        "p. 3, Structure › Flue and damper",
        "p. 9, Trial firing",
    ]
    assert document.summary == "21 statements, 13 of them cited · 7 passages from 3 sources · revision rev_golden"


def test_quotes_can_be_left_out(load: Load) -> None:
    document = composed(load("kiln").artifact, quotes=False)
    assert {reference.quote for source in document.sources for reference in source.references} == {""}


def test_short_rows_are_filled_and_a_notice_says_so(build: Build) -> None:
    rows = (ir.Row(row_id="row_1", cells=("1",)), ir.Row(row_id="row_2", cells=("1", "2", "3")))
    document = composed(build(ir.Table(block_id="blk_t", header=("a", "b"), rows=rows)))
    (view,) = document.blocks()
    assert isinstance(view, TableView)
    assert view.header == ("a", "b", "")
    assert [row.cells for row in view.rows] == [("1", "", ""), ("1", "2", "3")]
    assert [notice.code for notice in document.notices] == ["TABLE_PADDED"]


def test_control_characters_are_counted_and_white_space_is_not(build: Build) -> None:
    items = (ir.ListItem(item_id="itm_1", text="a\x01b"), ir.ListItem(item_id="itm_2", text=" much \n space "))
    document = composed(build(ir.ListBlock(block_id="blk_l", items=items)))
    (view,) = document.blocks()
    assert isinstance(view, ListView)
    assert [item.text for item in view.items] == ["a[U+0001]b", "much space"]
    assert [(n.code, n.message[:1]) for n in document.notices] == [("CONTROL_CHARACTERS", "1")]


@pytest.mark.parametrize(("tag", "language"), [("en-GB", "en-GB"), ("de", "de"), ('x"><y', "en"), ("", "en")])
def test_a_language_that_is_no_tag_is_english(build: Build, tag: str, language: str) -> None:
    assert composed(replace(build(), language=tag)).language == language


def test_a_document_without_nodes_is_empty() -> None:
    document = composed(ir.Artifact(artifact_id="art", title=" "))
    assert document.is_empty
    assert document.title == "Untitled document"


def refused(artifact: ir.Artifact) -> str:
    with pytest.raises(LaceError) as caught:
        composed(artifact)
    assert caught.value.reason is Reason.IR_INVALID
    return " / ".join(f"{detail.field}: {detail.description}" for detail in caught.value.details)


def test_a_cycle_is_refused_and_named(build: Build) -> None:
    loop = (
        node("nod_a", "nod_c", "A"),
        node("nod_b", "nod_a", "B"),
        node("nod_c", "nod_b", "C"),
        node("nod_d", "nod_c", "D"),
    )
    artifact = build()
    found = refused(replace(artifact, nodes=artifact.nodes + loop))
    assert found.count("cycle") == 1
    assert "nod_a → nod_c → nod_b → nod_a" in found


def test_a_node_that_is_its_own_parent_is_a_cycle(build: Build) -> None:
    artifact = build()
    assert "nod_a → nod_a" in refused(replace(artifact, nodes=(*artifact.nodes, node("nod_a", "nod_a", "A"))))


def test_a_lost_node_is_refused_with_all_below_it_unmentioned(build: Build) -> None:
    artifact = build()
    lost = (node("nod_a", "nod_gone", "A"), node("nod_b", "nod_a", "B"))
    assert refused(replace(artifact, nodes=artifact.nodes + lost)) == "nod_a: its parent nod_gone does not exist"


def test_an_id_that_occurs_twice_is_refused(build: Build) -> None:
    assert refused(build(prose(()), prose(()))).startswith("blk_1: this id is used twice")


def test_a_citation_that_leads_nowhere_is_refused(build: Build) -> None:
    assert refused(build(prose(("evd_x",)))) == "blk_1: it cites evd_x, which the document does not hold"
    table = ir.Table(block_id="blk_t", header=("a",), rows=(), evidence_ids=("evd_y",))
    assert "evd_y" in refused(build(table))


def test_evidence_without_its_source_is_refused(build: Build) -> None:
    assert "src_1" in refused(replace(build(prose(("evd_a",)), cites=["evd_a"]), sources=()))


def test_two_pieces_of_evidence_of_one_id_are_refused(build: Build) -> None:
    artifact = build(prose(("evd_a",)), cites=["evd_a"])
    held = artifact.nodes[1].evidence[0]
    other = node("nod_2", "nod_root", "Other", evidence=(replace(held, quote="other words"),))
    assert "two different pieces" in refused(replace(artifact, nodes=(*artifact.nodes, other)))


def test_sections_that_found_the_same_span_with_other_scores_are_compiled(build: Build) -> None:
    artifact = build(prose(("evd_a",)), cites=["evd_a"])
    held = artifact.nodes[1].evidence[0]
    other = node("nod_2", "nod_root", "Other", evidence=(replace(held, score="0.001", method="exact"),))
    document = composed(replace(artifact, nodes=(*artifact.nodes, other)))
    assert [reference.number for group in document.sources for reference in group.references] == [1]


def test_many_findings_are_counted(build: Build) -> None:
    blocks = [prose(("evd_x",), block_id=f"blk_{n}") for n in range(30)]
    assert refused(build(*blocks)).endswith(": and 10 more")
