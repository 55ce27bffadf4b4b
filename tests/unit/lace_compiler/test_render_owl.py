"""OWL: every term is declared, every id has an IRI of its own, and the document can be read back."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib import OWL, RDF, RDFS, Graph, Namespace, URIRef
from rdflib.term import Literal

from lace_compiler.adapters.owl_vocabulary import CLASSES, DATA_PROPERTIES, NAMESPACE, OBJECT_PROPERTIES
from lace_compiler.adapters.render_owl import OwlRenderer
from lace_compiler.domain.compose import compose
from lace_compiler.domain.document import Document
from lace_compiler.domain.settings import CompileSettings
from lace_core import ir

Load = Callable[[str], Document]

LACE = Namespace(NAMESPACE)
BASE = "https://w3id.org/lace/artifact/art_kiln"


def graph(document: Document) -> Graph:
    return Graph().parse(data=OwlRenderer().render(document, CompileSettings()).data, format="turtle")


def number(found: Graph, subject: URIRef, predicate: URIRef) -> object:
    value = found.value(subject, predicate)
    assert isinstance(value, Literal)
    return value.toPython()


def individuals(found: Graph, kind: URIRef) -> set[str]:
    return {str(subject) for subject in found.subjects(RDF.type, kind)}


def test_the_golden_documents_are_compiled_to_the_byte(load: Load, golden: Callable[[str, bytes], None]) -> None:
    for name in ("kiln", "empty"):
        golden(f"{name}.ttl", OwlRenderer().render(load(name), CompileSettings()).data)


def test_every_term_that_is_used_is_declared_and_described(load: Load) -> None:
    found = graph(load("kiln"))
    used = {term for triple in found for term in triple if str(term).startswith(NAMESPACE)}
    names = {each.name for each in (*CLASSES, *OBJECT_PROPERTIES, *DATA_PROPERTIES)}
    assert {str(term).removeprefix(NAMESPACE) for term in used} == names
    for term in used:
        assert (term, RDF.type, None) in found
        assert {literal.language for literal in found.objects(term, RDFS.label) if isinstance(literal, Literal)} == {
            "en"
        }
        assert (term, RDFS.comment, None) in found


def test_no_term_is_two_things(load: Load) -> None:
    found = graph(load("kiln"))
    kinds = (OWL.Class, OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty, OWL.NamedIndividual)
    seen = [subject for kind in kinds for subject in found.subjects(RDF.type, kind) if isinstance(subject, URIRef)]
    assert len(seen) == len(set(seen))


def test_a_sentence_leads_to_its_evidence_and_from_there_to_its_source(load: Load) -> None:
    found = graph(load("kiln"))
    sentence = URIRef(f"{BASE}/statement/sen_walls_2")
    assert str(found.value(sentence, LACE.text)) == "Neither is a danger by itself."
    cited = set(found.objects(sentence, LACE.citesEvidence))
    assert cited == {URIRef(f"{BASE}/evidence/evd_damper"), URIRef(f"{BASE}/evidence/evd_wall")}
    wall = URIRef(f"{BASE}/evidence/evd_wall")
    assert found.value(wall, LACE.evidenceFrom) == URIRef(f"{BASE}/source/src_survey")
    assert [number(found, wall, p) for p in (LACE.startOffset, LACE.endOffset, LACE.pageNumber)] == [120, 170, 5]


def test_everything_in_the_document_is_there_once(load: Load) -> None:
    document = load("kiln")
    found = graph(document)
    nodes = document.artifact.nodes
    blocks = [block for node in nodes for block in node.blocks]
    assert len(individuals(found, LACE.Section)) == len(nodes)
    assert sum(len(individuals(found, LACE[each.name])) for each in CLASSES if each.parents == ("lace:Block",)) == len(
        blocks
    )
    statements = sum(len(individuals(found, kind)) for kind in (LACE.Sentence, LACE.ListItem, LACE.TableRow))
    assert statements == document.statistics.statements
    assert len(individuals(found, LACE.SourceDocument)) == 4
    cells = [str(text) for cell in found.subjects(RDF.type, LACE.Cell) for text in found.objects(cell, LACE.text)]
    assert sorted(cells) == sorted(
        [
            text
            for block in blocks
            if isinstance(block, ir.Table)
            for row in (block.header, *(r.cells for r in block.rows))
            for text in row
        ]
    )


def test_the_parts_of_a_whole_are_in_order(load: Load) -> None:
    found = graph(load("kiln"))
    first = URIRef(f"{BASE}/statement/row_31")
    order = [first, *(URIRef(f"{BASE}/statement/row_{n}") for n in (32, 33))]
    assert [found.value(row, LACE.precedes) for row in order] == [*order[1:], None]
    assert [number(found, row, LACE.position) for row in order] == [1, 2, 3]


IDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)


@settings(max_examples=25)
@given(st.lists(IDS, min_size=2, max_size=6, unique=True))
def test_two_ids_never_share_an_iri(ids: list[str]) -> None:
    items = tuple(ir.ListItem(item_id=name, text="x") for name in ids)
    rows = tuple(ir.Row(row_id=f"{name}-1", cells=("a", "b")) for name in ids)
    blocks = (ir.ListBlock(block_id="blk-0", items=items), ir.Table(block_id="blk-1", header=("a", "b"), rows=rows))
    root = ir.Node(node_id="nod-0", parent_id=None, order_key="a", title="t", blocks=blocks)
    clash = {*ids} & {*(f"{name}-1" for name in ids), "blk-0", "blk-1", "nod-0"}
    if clash:
        return
    found = graph(compose(ir.Artifact(artifact_id="art", title="t", nodes=(root,)), "", "", CompileSettings()))
    assert len(individuals(found, LACE.ListItem)) == len(ids)
    assert len(individuals(found, LACE.TableRow)) == len(ids)
    assert len(individuals(found, LACE.Cell)) == 2 * len(ids) + 2


def test_titles_alike_do_not_collide(load: Load) -> None:
    found = graph(load("kiln"))
    same = [
        s for s in found.subjects(RDF.type, LACE.Section) if str(found.value(s, LACE.title)).lower() == "the building"
    ]
    assert len(same) == 3
