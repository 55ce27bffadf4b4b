"""PDF: every sentence in it, bookmarks and metadata, nothing off the page, and glyphs that no font has."""

from __future__ import annotations

import io
from collections.abc import Callable

import pypdf
import pypdfium2
import pytest

from lace_compiler.adapters import render_pdf
from lace_compiler.adapters.render_pdf import PdfRenderer
from lace_compiler.app.ports import Rendered
from lace_compiler.domain.compose import compose
from lace_compiler.domain.document import Document
from lace_compiler.domain.settings import CompileSettings, PageSize
from lace_compiler.domain.text import one_line
from lace_core import ir
from lace_core.errors import LaceError, Reason

Build = Callable[..., ir.Artifact]
Load = Callable[[str], Document]
A4 = (595.28, 841.89)


def render(document: Document, settings: CompileSettings | None = None) -> Rendered:
    return PdfRenderer().render(document, settings or CompileSettings())


def composed(artifact: ir.Artifact) -> Document:
    return compose(artifact, "", "", CompileSettings())


def squeezed(text: str) -> str:
    """Without white space and joiners: lines are broken where the page ends, not where the text does."""
    return "".join(char for char in text if not char.isspace() and char not in "\u2060\u200b\ufeff\x02")


def text_of(file: bytes) -> str:
    opened = pypdfium2.PdfDocument(file)
    try:
        return squeezed("".join(page.get_textpage().get_text_range() for page in opened))
    finally:
        opened.close()


def bookmarks(outline: list[object], depth: int = 1) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for entry in outline:
        if isinstance(entry, list):
            found += bookmarks(entry, depth + 1)
        else:
            found.append((depth, str(entry.title)))  # type: ignore[attr-defined]
    return found


def said(*texts: str) -> ir.Paragraph:
    sentences = tuple(ir.Sentence(sentence_id=f"sen_{n}", text=text) for n, text in enumerate(texts))
    return ir.Paragraph(block_id="blk_1", sentences=sentences)


def test_every_text_of_the_document_is_in_the_file(load: Load) -> None:
    document = load("hostile")
    shown = text_of(render(document).data)
    for node in document.artifact.nodes:
        for block in node.blocks:
            for part in ir.cited_parts(block):
                texts = part.text.split(" | ") if isinstance(block, ir.Table) else [part.text]
                assert all(squeezed(one_line(text)) in shown for text in texts), part.text
        for evidence in node.evidence:
            assert squeezed(one_line(evidence.quote)) in shown


def test_bookmarks_metadata_and_language(load: Load) -> None:
    file = pypdf.PdfReader(io.BytesIO(render(load("kiln")).data))
    assert [(d, t) for d, t in bookmarks(list(file.outline)) if d == 1] == [
        (1, "1 The building"),
        (1, "2 Use & losses"),
        (1, "3 Words from elsewhere"),
        (1, "Sources and evidence"),
    ]
    assert file.metadata is not None
    assert file.metadata.title == "The upper kiln at Aldra: state and use"
    assert file.metadata.author == "LACE"
    assert "rev_golden" in str(file.metadata.get("/Keywords"))
    catalogue = file.trailer["/Root"]
    assert catalogue["/Lang"] == "en-GB"  # type: ignore[index]
    assert catalogue["/MarkInfo"]["/Marked"]  # type: ignore[index]


def test_citations_link_to_their_references_and_back(load: Load) -> None:
    file = pypdf.PdfReader(io.BytesIO(render(load("kiln")).data))
    destinations = [
        annotation.get_object().get("/Dest")
        for page in file.pages
        for annotation in page.get("/Annots", [])
        if annotation.get_object()["/Subtype"] == "/Link"
    ]
    # Contents: six entries; citations: seventeen marks; the list: seven numbers that lead back.
    assert len(destinations) == 6 + 17 + 7


def test_a_missing_glyph_is_shown_by_its_code_point_and_a_notice_names_it(build: Build) -> None:
    document = composed(build(said("Kiln is 窯 in Chinese.", "Face: 😀"), title="窯"))
    rendered = render(document)
    shown = text_of(rendered.data)
    assert squeezed("Kiln is [U+7AAF] in Chinese. Face: [U+1F600]") in shown
    assert [notice.code for notice in rendered.notices] == ["GLYPHS_MISSING"]
    assert "U+1F600, U+7AAF" in rendered.notices[0].message or "U+7AAF, U+1F600" in rendered.notices[0].message


def test_scripts_that_the_fonts_have_are_shown(build: Build) -> None:
    rendered = render(composed(build(said("κλίβανος", "печь", "כבשן", "فرن", "भट्ठी", "é z\u030c ½ → ≤ ∑"))))
    assert rendered.notices == ()
    assert "κλίβανος" in text_of(rendered.data)
    assert "печь" in text_of(rendered.data)


def test_many_missing_glyphs_are_found_before_the_document_is_set(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_: list[str] = []
    compile_ = PdfRenderer._compile

    def counted(self: PdfRenderer, template: str, data: str) -> bytes:
        set_.append(template)
        return compile_(self, template, data)

    monkeypatch.setattr(PdfRenderer, "_compile", counted)
    text = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 400))
    shown = text_of(render(composed(build(said(text)))).data)
    assert "[U+4E00]" in shown
    assert "[U+4F8F]" in shown
    assert set_ == ["typst/probe.typ", "typst/document.typ"]


def test_ordinary_text_needs_no_probe(load: Load) -> None:
    usual = "Äpfel – “naïve” … € ‰ ›x‹ − don’t Žluťoučký"
    assert render_pdf._UNUSUAL.findall(usual) == []
    rendered = render(composed(ir.Artifact(artifact_id="art_1", title=usual)))
    assert rendered.notices == ()
    known = "".join(chr(c) for c in range(0xA1, 0x2027) if not render_pdf._UNUSUAL.match(chr(c)))
    assert render(composed(ir.Artifact(artifact_id="art_1", title=known))).notices == (), "what is not probed is there"


def test_what_typst_refuses_is_a_coded_failure(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render_pdf, "typst_data", lambda *_: {"title": "no more than a title"})
    with pytest.raises(LaceError) as caught:
        render(load("kiln"))
    assert caught.value.reason is Reason.COMPILE_FAILED


def boxes(file: bytes) -> list[tuple[float, float, float, float]]:
    """Where characters are: left, bottom, right and top in points."""
    opened = pypdfium2.PdfDocument(file)
    try:
        found = []
        for page in opened:
            text = page.get_textpage()
            found += [text.get_charbox(index) for index in range(text.count_chars())]
        return [box for box in found if box[0] != box[2]]
    finally:
        opened.close()


@pytest.mark.parametrize("letter", ["Q", "W", "_", "/", "(", "—"])
def test_a_word_of_any_length_stays_on_the_page(build: Build, letter: str) -> None:
    word = letter * 600
    table = ir.Table(block_id="blk_2", header=(word, "b", "c"), rows=(ir.Row(row_id="row_1", cells=("a", word, word)),))
    code = ir.Code(block_id="blk_3", text=f"x = {word}\n" * 3)
    quote = ir.Quote(block_id="blk_4", sentences=(ir.Sentence(sentence_id="sen_q", text=word),))
    file = render(composed(build(said(word), table, code, quote, title=word))).data
    assert text_of(file).count(letter) >= 600 * 9
    assert all(left >= 60 and right <= A4[0] - 60 for left, _, right, _ in boxes(file))


def test_a_table_of_any_width_stays_on_the_page_and_is_whole(build: Build) -> None:
    header = tuple(f"Head{n}" for n in range(60))
    rows = tuple(ir.Row(row_id=f"row_{y}", cells=tuple(f"{x}/{y}" for x in range(60))) for y in range(4))
    file = render(composed(build(ir.Table(block_id="blk_1", header=header, rows=rows)))).data
    shown = text_of(file)
    assert all(text in shown for text in (*header, *(cell for row in rows for cell in row.cells)))
    assert all(right <= A4[0] - 60 for _, _, right, _ in boxes(file))


def test_a_long_table_goes_on_over_pages_under_its_header(build: Build) -> None:
    rows = tuple(ir.Row(row_id=f"row_{n}", cells=(f"number {n}", "x")) for n in range(150))
    file = render(composed(build(ir.Table(block_id="blk_1", header=("Head of it", "b"), rows=rows)))).data
    shown = text_of(file)
    assert all(f"number{n}x" in shown for n in range(150))
    assert shown.count("Headofit") == len(pypdf.PdfReader(io.BytesIO(file)).pages) == 4


def test_cells_taller_than_the_page_are_whole(build: Build) -> None:
    tall = "words and words " * 1500
    table = ir.Table(block_id="blk_1", header=(tall, "b"), rows=(ir.Row(row_id="row_1", cells=("a", tall)),))
    assert text_of(render(composed(build(table))).data).count("wordsandwords") == 3000


def test_the_paper_is_as_the_settings_say(load: Load) -> None:
    file = pypdf.PdfReader(io.BytesIO(render(load("empty"), CompileSettings(PageSize.US_LETTER)).data))
    assert [float(side) for side in file.pages[0].mediabox[2:]] == [612.0, 792.0]


def test_the_same_document_gives_the_same_bytes(load: Load) -> None:
    assert render(load("kiln")).data == render(load("kiln")).data
