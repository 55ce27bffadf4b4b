"""DOCX: well-formed and complete, real styles, links that lead somewhere, a package that is the same each time."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from lace_compiler.adapters.render_docx import DocxRenderer
from lace_compiler.domain.compose import compose
from lace_compiler.domain.document import Document
from lace_compiler.domain.settings import CompileSettings, PageSize
from lace_compiler.domain.text import one_line, verbatim
from lace_core import ir

Build = Callable[..., ir.Artifact]
Load = Callable[[str], Document]

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# The order that the schema asks for; an application may refuse a file that breaks it.
PARAGRAPH_PROPERTIES = (
    "pStyle keepNext keepLines pageBreakBefore numPr pBdr shd tabs bidi spacing ind contextualSpacing jc outlineLvl"
).split()
RUN_PROPERTIES = "rStyle rFonts b bCs i iCs noProof color sz szCs vertAlign rtl lang".split()


def data(document: Document, settings: CompileSettings | None = None) -> bytes:
    return DocxRenderer().render(document, settings or CompileSettings()).data


def parts(file: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def body(file: bytes) -> etree._Element:
    return etree.fromstring(parts(file)["word/document.xml"])


def value(element: etree._Element, path: str) -> str | None:
    """The w:val of the element at a path, if there is one."""
    found = element.find("/".join(W + step for step in path.split("/")))
    return None if found is None else found.get(f"{W}val")


def text_of(element: etree._Element) -> str:
    """Text as a reader sees it: tabs and line breaks count, the codes of fields do not."""
    pieces = []
    for child in element.iter(f"{W}t", f"{W}tab", f"{W}br"):
        parent = child.getparent()
        if parent is not None and parent.tag == f"{W}r":
            pieces.append({f"{W}tab": "\t", f"{W}br": "\n"}.get(str(child.tag)) or child.text or "")
    return "".join(pieces)


def paragraphs(file: bytes) -> Iterator[tuple[str, str]]:
    for element in body(file).iter(f"{W}p"):
        style = element.find(f"{W}pPr/{W}pStyle")
        yield (style.get(f"{W}val") or "" if style is not None else ""), text_of(element)


@pytest.fixture(params=["kiln", "hostile", "empty", "outline"])
def document(request: pytest.FixtureRequest, load: Load) -> Document:
    return load(request.param)


def test_every_text_of_the_document_is_in_the_file(document: Document) -> None:
    everything = "\n".join(text for _, text in paragraphs(data(document)))
    flat = " ".join(everything.split())
    for node in document.artifact.nodes:
        for block in node.blocks:
            for part in ir.cited_parts(block):
                texts = part.text.split(" | ") if isinstance(block, ir.Table) else [part.text]
                assert all(" ".join(one_line(text).split()) in flat for text in texts), part.part_id
        for evidence in node.evidence:
            assert " ".join(one_line(evidence.quote).split()) in flat


def test_headings_are_real_headings(load: Load) -> None:
    opened = docx.Document(io.BytesIO(data(load("kiln"))))
    styled = [((p.style.name or "") if p.style else "", p.text) for p in opened.paragraphs]
    shown = [(style, text) for style, text in styled if style.startswith(("Heading", "Title"))]
    assert shown == [
        ("Title", "The upper kiln at Aldra: state and use"),
        ("Heading 1", "The building"),
        ("Heading 2", "The Building"),
        ("Heading 1", "Use & losses"),
        ("Heading 2", "The clay of pit B"),
        ("Heading 1", "Words from elsewhere"),
        ("Heading 1", "Sources and evidence"),
        ("Heading 2", "kiln-survey.pdf"),
        ("Heading 2", "firing-ledger.md"),
        ("Heading 2", "clay_samples.json"),
        ("Heading 2", "Read, but not cited"),
    ]


def test_the_contents_are_a_field_with_its_entries_already_in_it(load: Load) -> None:
    file = data(load("kiln"))
    codes = [code.text for code in body(file).iter(f"{W}instrText")]
    assert codes == [r' TOC \o "1-3" \h \z \u ']
    marks = [mark.get(f"{W}fldCharType") for mark in body(file).iter(f"{W}fldChar")]
    assert marks == ["begin", "separate", "end"]
    assert [text for style, text in paragraphs(file) if style.startswith("TOC")] == [
        "1 The building",
        "1.1 The Building",
        "2 Use & losses",
        "2.1 The clay of pit B",
        "3 Words from elsewhere",
        "Sources and evidence",
    ]


def test_long_contents_have_their_own_page() -> None:
    for sections, breaks in ((10, 0), (20, 1)):
        nodes = [ir.Node(node_id="nod_r", parent_id=None, order_key="a", title="t")]
        nodes += [
            ir.Node(node_id=f"nod_{n}", parent_id="nod_r", order_key=f"{n:02}", title=f"Section {n}")
            for n in range(sections)
        ]
        artifact = ir.Artifact(artifact_id="art_1", title="t", nodes=tuple(nodes))
        root = body(data(compose(artifact, "", "", CompileSettings())))
        assert [b.get(f"{W}type") for b in root.iter(f"{W}br")] == ["page"] * breaks


def test_every_link_leads_to_a_bookmark_and_bookmarks_are_unique(document: Document) -> None:
    root = body(data(document))
    starts = list(root.iter(f"{W}bookmarkStart"))
    names = [start.get(f"{W}name") or "" for start in starts]
    assert len({name.casefold() for name in names}) == len(names)
    assert len({start.get(f"{W}id") for start in starts}) == len(starts)
    assert [s.get(f"{W}id") for s in starts] == [e.get(f"{W}id") for e in root.iter(f"{W}bookmarkEnd")]
    assert {link.get(f"{W}anchor") for link in root.iter(f"{W}hyperlink")} <= set(names)
    assert all(len(name) <= 40 for name in names), "Word cuts longer names off"


def test_citations_link_there_and_back(load: Load) -> None:
    root = body(data(load("kiln")))
    anchors = [link.get(f"{W}anchor") for link in root.iter(f"{W}hyperlink")]
    for number in range(1, 8):
        assert f"ref_{number}" in anchors
        assert anchors.count(f"cite_{number}") == 1


def test_a_table_has_a_header_row_that_is_repeated_and_a_caption(load: Load) -> None:
    (table, _figure) = sorted(
        body(data(load("kiln"))).iter(f"{W}tbl"), key=lambda t: t.find(f".//{W}tblHeader") is None
    )
    rows = list(table.iter(f"{W}tr"))
    assert [row.find(f"{W}trPr/{W}tblHeader") is not None for row in rows] == [True, False, False, False]
    assert {len(list(row.iter(f"{W}tc"))) for row in rows} == {5} == {len(list(table.iter(f"{W}gridCol")))}
    assert value(table, "tblPr/tblCaption") == "Firings and losses by season"
    assert text_of(rows[3]).endswith("needs to settle[3, 4]")
    # Four rows are too few to be parted by the end of a page: each stays with the next.
    kept = [all(p.find(f"{W}pPr/{W}keepNext") is not None for p in row.iter(f"{W}p")) for row in rows]
    assert kept == [True, True, True, False]


def test_every_ordered_list_begins_at_one(load: Load) -> None:
    file = data(load("kiln"))
    used = [
        value(element, "pPr/numPr/numId")
        for element in body(file).iter(f"{W}p")
        if value(element, "pPr/pStyle") == "ListNumber"
    ]
    assert used == ["3", "3", "4"]
    numbering = etree.fromstring(parts(file)["word/numbering.xml"])
    for identifier in ("3", "4"):
        (number,) = [number for number in numbering.iter(f"{W}num") if number.get(f"{W}numId") == identifier]
        assert value(number, "lvlOverride/startOverride") == "1"


def test_elements_stand_in_the_order_of_the_schema(document: Document) -> None:
    found = parts(data(document))
    for name in ("word/document.xml", "word/styles.xml", "word/header.xml", "word/footer.xml"):
        root = etree.fromstring(found[name])
        for tag, order in (("pPr", PARAGRAPH_PROPERTIES), ("rPr", RUN_PROPERTIES)):
            for element in root.iter(f"{W}{tag}"):
                places = [order.index(str(child.tag).removeprefix(W)) for child in element]
                assert places == sorted(set(places)), (name, etree.tostring(element))


def test_styles_that_are_used_exist(document: Document) -> None:
    found = parts(data(document))
    styles = {s.get(f"{W}styleId") for s in etree.fromstring(found["word/styles.xml"]).iter(f"{W}style")}
    used = {
        element.get(f"{W}val")
        for name in ("word/document.xml", "word/header.xml", "word/footer.xml", "word/numbering.xml")
        for element in etree.fromstring(found[name]).iter(f"{W}pStyle", f"{W}rStyle", f"{W}tblStyle")
    }
    assert used <= styles


def test_the_package_names_all_its_parts_and_no_time(document: Document) -> None:
    file = data(document)
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        members = archive.infolist()
    assert [member.filename for member in members] == sorted(member.filename for member in members)
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    found = parts(file)
    overrides = re.findall(r'PartName="/([^"]+)"', found["[Content_Types].xml"].decode())
    assert set(overrides) == {name for name in found if name.endswith(".xml") and name != "[Content_Types].xml"}
    assert b"dcterms:created" not in found["docProps/core.xml"]


def test_properties_and_language(load: Load) -> None:
    file = data(load("kiln"))
    properties = docx.Document(io.BytesIO(file)).core_properties
    assert (properties.title, properties.author) == ("The upper kiln at Aldra: state and use", "LACE")
    assert (properties.language, properties.version) == ("en-GB", "rev_golden")
    assert 'w:lang w:val="en-GB"' in parts(file)["word/styles.xml"].decode()


def test_a_language_that_is_written_from_right_to_left_is_set_so() -> None:
    artifact = ir.Artifact(artifact_id="art_1", title="כותרת", language="he")
    styles = parts(data(compose(artifact, "", "", CompileSettings())))["word/styles.xml"].decode()
    assert "<w:bidi/>" in styles
    assert "<w:rtl/>" in styles


def test_page_numbers_are_in_the_footer(load: Load) -> None:
    assert re.findall(r"PAGE|NUMPAGES", parts(data(load("kiln")))["word/footer.xml"].decode()) == ["PAGE", "NUMPAGES"]


def test_the_paper_is_as_the_settings_say(load: Load) -> None:
    for size, width in ((PageSize.A4, "11906"), (PageSize.US_LETTER, "12240")):
        (paper,) = body(data(load("kiln"), CompileSettings(size))).iter(f"{W}pgSz")
        assert paper.get(f"{W}w") == width


def test_a_table_wider_than_the_page_is_shown_in_parts(build: Build) -> None:
    header = tuple(f"c{n}" for n in range(40))
    rows = (ir.Row(row_id="row_1", cells=tuple(f"v{n}" for n in range(40))),)
    root = body(data(compose(build(ir.Table(block_id="blk_1", header=header, rows=rows)), "", "", CompileSettings())))
    tables = list(root.iter(f"{W}tbl"))
    assert [len(list(t.iter(f"{W}gridCol"))) for t in tables] == [14, 14, 14]
    shown = [text_of(cell) for t in tables for cell in t.iter(f"{W}tc")]
    assert set(shown) == {*header, *rows[0].cells}


def test_the_same_document_gives_the_same_bytes(document: Document) -> None:
    assert data(document) == data(document)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_survives(prose: str, code: str) -> None:
    blocks = (
        ir.Paragraph(block_id="blk_1", sentences=(ir.Sentence(sentence_id="sen_1", text=prose),)),
        ir.Code(block_id="blk_2", text=code),
    )
    root = ir.Node(node_id="nod_1", parent_id=None, order_key="a", title="", blocks=blocks)
    file = data(compose(ir.Artifact(artifact_id="art_1", title="t", nodes=(root,)), "", "", CompileSettings()))
    shown = dict(paragraphs(file))
    assert shown["Normal"] == one_line(prose)
    assert shown["Code"] == verbatim(code).removesuffix("\n")
