"""DOCX: what a reader sees in Word is what is read, and hostile packages are refused before they inflate."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.docx import extract
from lace_ingest.domain.documents import UnitKind
from lace_ingest.domain.extraction_warnings import WarningCode
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.anchors import anchor
from lace_ingest.domain.reading.pieces import Grid, Heading, Item, Listing, Note, Program, Prose

MakeDocx = Callable[..., bytes]

STYLES = "".join(
    f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{name}"/>{more}</w:style>'
    for key, name, more in [
        ("H1", "heading 1", '<w:pPr><w:outlineLvl w:val="0"/></w:pPr>'),
        ("H2", "Heading 2", ""),
        ("MyH", "My heading", '<w:basedOn w:val="H2"/>'),
        ("Ti", "Title", ""),
        ("Co", "Source Code", ""),
        ("Qu", "Intense Quote", "<w:rPr><w:b/></w:rPr>"),
        ("Ca", "caption", ""),
        ("Toc", "toc 1", ""),
        ("LB", "List Bullet", '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'),
        ("DT", "Definition Term", ""),
        ("DD", "Definition", ""),
    ]
)
NUMBERING = (
    '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="x"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl></w:abstractNum>'
    '<w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/>'
    '<w:lvlText w:val="%1."/></w:lvl></w:abstractNum>'
    '<w:abstractNum w:abstractNumId="2"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val=" "/></w:lvl>'
    "</w:abstractNum>" + "".join(f'<w:num w:numId="{n + 1}"><w:abstractNumId w:val="{n}"/></w:num>' for n in range(3))
)


def p(text: str, style: str = "", run: str = "", more: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{more}</w:pPr><w:r><w:rPr>{run}</w:rPr><w:t>{text}</w:t></w:r></w:p>"


def num(num_id: int, level: int = 0) -> str:
    return f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{num_id}"/></w:numPr>'


@pytest.fixture
def pieces(make_docx: MakeDocx) -> Callable[..., tuple[object, ...]]:
    def read(body: str, **parts: str) -> tuple[object, ...]:
        return extract(make_docx(body, styles=STYLES, numbering=NUMBERING, **parts), ExtractionLimits()).pieces

    return read


def test_headings_by_outline_level_name_and_inheritance(pieces: Callable[..., tuple[object, ...]]) -> None:
    body = p("One", "H1") + p("Two", "H2") + p("Three", "MyH") + p("Four", "", "", '<w:outlineLvl w:val="3"/>')
    assert pieces(body) == (Heading(1, "One"), Heading(2, "Two"), Heading(2, "Three"), Heading(4, "Four"))


def test_a_title_is_the_title(make_docx: MakeDocx) -> None:
    reading = extract(make_docx(p("My report", "Ti") + p("Text."), styles=STYLES), ExtractionLimits())
    assert (reading.title, reading.pieces) == ("My report", (Prose("Text."),))


def test_bold_lines_are_headings_only_where_there_are_no_others(pieces: Callable[..., tuple[object, ...]]) -> None:
    bold, text = p("Costs", run="<w:b/>"), p("They rose.")
    assert [type(piece) for piece in pieces(bold + text)] == [Heading, Prose]
    assert pieces(p("Top", "H1") + bold + text)[1:] == (Prose("Costs"), Prose("They rose."))


def test_lists_carry_their_markers_and_levels(pieces: Callable[..., tuple[object, ...]]) -> None:
    body = p("a", "LB") + p("b", more=num(1, 1)) + p("c", more=num(1, 1)) + p("d", more=num(2)) + p("e", more=num(2))
    assert pieces(body) == (
        Listing((Item("a"), Item("b", 1, "a)"), Item("c", 1, "b)"))),
        Listing((Item("d", 0, "3."), Item("e", 0, "4."))),
    )


def test_an_indented_paragraph_goes_on_with_its_item(pieces: Callable[..., tuple[object, ...]]) -> None:
    assert pieces(p("a", more=num(1)) + p("more", more=num(3)) + p("b", more=num(1))) == (
        Listing((Item("a more"), Item("b"))),
    )


def test_numbering_id_zero_takes_the_list_of_the_style_away(pieces: Callable[..., tuple[object, ...]]) -> None:
    assert pieces(p("a", "LB", more=num(0))) == (Prose("a"),)


def test_code_quotes_captions_and_definitions(pieces: Callable[..., tuple[object, ...]]) -> None:
    body = p("x = 1", "Co") + p("y = 2", "Co") + p("So it is", "Qu") + p("Table 1", "Ca") + p("Word", "DT")
    assert pieces(body + p("What it means.", "DD")) == (
        Program("x = 1\ny = 2"),
        Prose("So it is", UnitKind.QUOTE),
        Prose("Table 1", UnitKind.CAPTION),
        Prose("Word: What it means."),
    )


def test_a_paragraph_in_a_fixed_width_font_is_code(pieces: Callable[..., tuple[object, ...]]) -> None:
    assert pieces(p("ls -l", run='<w:rFonts w:ascii="Courier New"/>')) == (Program("ls -l"),)


def test_a_table_of_contents_is_no_text(pieces: Callable[..., tuple[object, ...]]) -> None:
    assert pieces(p("One 3", "Toc") + p("Text.")) == (Prose("Text."),)


def test_only_what_is_seen_is_read(pieces: Callable[..., tuple[object, ...]]) -> None:
    body = (
        "<w:p><w:r><w:t>Kept</w:t></w:r><w:del><w:r><w:delText> gone</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t> added</w:t></w:r></w:ins><w:r><w:rPr><w:vanish/></w:rPr><w:t> hidden</w:t></w:r>"
        "<w:r><w:instrText> PAGE </w:instrText></w:r><w:hyperlink><w:r><w:t> link</w:t></w:r></w:hyperlink>"
        "<w:r><w:t>well</w:t><w:noBreakHyphen/><w:t>known</w:t><w:br/><w:t>next</w:t></w:r>"
        "<m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath></w:p>"
    )
    [piece] = pieces(body)
    assert isinstance(piece, Prose)
    assert piece.text == "Kept added linkwell-known\nnextx=1"


def test_superscripts_keep_their_meaning(pieces: Callable[..., tuple[object, ...]]) -> None:
    raised = '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>-6</w:t></w:r>'
    assert pieces(f"<w:p><w:r><w:t>10</w:t></w:r>{raised}</w:p>") == (Prose("10⁻⁶"),)


def test_notes_are_named_by_anchors_and_marked_as_word_does(pieces: Callable[..., tuple[object, ...]]) -> None:
    notes = (
        '<w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote>'
        f'<w:footnote w:id="2">{p("The note.")}</w:footnote>'
    )
    fact = '<w:p><w:r><w:t>Fact.</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
    cell = '<w:tc><w:p><w:r><w:t>cell</w:t><w:endnoteReference w:id="7"/></w:r></w:p></w:tc>'
    row = f"<w:tr>{cell}<w:tc>{p('b')}</w:tc></w:tr>"
    ends = f'<w:endnote w:id="7">{p("At the end.")}</w:endnote><w:endnote w:id="8">{p("Unasked.")}</w:endnote>'
    found = pieces(fact + p("Next.") + f"<w:tbl>{row}{row}</w:tbl>", footnotes=notes, endnotes=ends)
    assert found[:2] == (Prose(f"Fact.{anchor('footnote 2')}"), Prose("Next."))
    assert isinstance(found[2], Grid)
    assert found[2].rows == ((f"cell{anchor('endnote 7')}", "b"),)
    assert found[3:] == (
        Note("footnote 2", "1", "The note."),
        Note("endnote 7", "i", "At the end.", UnitKind.ENDNOTE),
        Note("endnote 8", "?", "Unasked.", UnitKind.ENDNOTE),
    )


def test_a_table_in_a_cell_stands_behind_the_table_around_it(pieces: Callable[..., tuple[object, ...]]) -> None:
    def table(*rows: tuple[str, ...]) -> str:
        cells = ("".join(f"<w:tc>{cell if cell.startswith('<') else p(cell)}</w:tc>" for cell in row) for row in rows)
        return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"

    inner = table(("C", "D"), ("3", "4"))
    outer = table(("A", "B"), ("1", p("two") + inner))
    assert pieces(outer) == (Grid(("A", "B"), (("1", "two"),)), Grid(("C", "D"), (("3", "4"),)))


def test_a_frame_keeps_the_lists_in_it(pieces: Callable[..., tuple[object, ...]]) -> None:
    item = p("one", more=num(1))
    assert pieces(f"<w:tbl><w:tr><w:tc>{p('Framed.')}{item}</w:tc></w:tr></w:tbl>") == (
        Prose("Framed."), Listing((Item("one"),)),
    )  # fmt: skip


def test_what_is_left_out_is_told(make_docx: MakeDocx) -> None:
    struck = "<w:p><w:r><w:t>Kept.</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    picture = "<w:p><w:r><w:drawing/></w:r></w:p>"
    data = make_docx(struck + 3 * picture, header1=p("Draft"), footer2=p("Draft") + p("Page 1"),
                     comments='<w:comment w:id="0"/><w:comment w:id="1"/>')  # fmt: skip
    reading = extract(data, ExtractionLimits())
    assert dict(reading.metadata) == {"running_text": "Draft; Page 1", "pictures": "3"}
    assert reading.extractability == 250
    assert [(warning.code, warning.count) for warning in reading.warnings] == [
        (WarningCode.COMMENTS_LEFT_OUT, 2),
        (WarningCode.DELETIONS_LEFT_OUT, 1),
        (WarningCode.PICTURES_LEFT_OUT, 3),
    ]


def test_text_boxes_are_read_once(pieces: Callable[..., tuple[object, ...]]) -> None:
    box = f"<w:txbxContent>{p('In the box.')}</w:txbxContent>"
    body = (
        "<w:p><w:r><w:t>Beside.</w:t><mc:AlternateContent><mc:Choice><w:drawing>" + box + "</w:drawing></mc:Choice>"
        "<mc:Fallback><w:pict>" + box + "</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert pieces(body) == (Prose("Beside."), Prose("In the box."))


def test_content_controls_are_transparent(pieces: Callable[..., tuple[object, ...]]) -> None:
    assert pieces(f"<w:sdt><w:sdtPr/><w:sdtContent>{p('Inside.')}</w:sdtContent></w:sdt>") == (Prose("Inside."),)


def cell(text: str, more: str = "") -> str:
    return f"<w:tc><w:tcPr>{more}</w:tcPr>{p(text)}</w:tc>"


def row(*cells: str, more: str = "") -> str:
    return f"<w:tr><w:trPr>{more}</w:trPr>{''.join(cells)}</w:tr>"


def test_a_table_with_merged_cells(pieces: Callable[..., tuple[object, ...]]) -> None:
    head = "<w:tblHeader/>"
    table = (
        row(cell("Item", '<w:vMerge w:val="restart"/>'), cell("Output", '<w:gridSpan w:val="2"/>'), more=head)
        + row(cell("", "<w:vMerge/>"), cell("2023"), cell("2024"), more=head)
        + row(cell("A", '<w:vMerge w:val="restart"/>'), cell("1"), cell("2"))
        + row(cell("", "<w:vMerge/>"), cell("all", '<w:gridSpan w:val="2"/>'))
        + row(cell("gone"), cell("x"), cell("y"), more="<w:del/>")
    )
    assert pieces(f"<w:tbl>{table}</w:tbl>") == (
        Grid(("Item", "Output 2023", "Output 2024"), (("A", "1", "2"), ("A", "all", ""))),
    )


def test_a_table_may_have_no_heads(pieces: Callable[..., tuple[object, ...]]) -> None:
    look = '<w:tblPr><w:tblLook w:firstRow="0"/></w:tblPr>'
    table = row(cell("a"), cell("1")) + row(cell("b"), cell("2"))
    assert pieces(f"<w:tbl>{look}{table}</w:tbl>") == (Grid(("", ""), (("a", "1"), ("b", "2"))),)


def test_a_frame_of_one_cell_is_text(pieces: Callable[..., tuple[object, ...]]) -> None:
    assert pieces(f"<w:tbl>{row(cell('Note this.'))}</w:tbl>") == (Prose("Note this."),)


def refusal(data: bytes, limits: ExtractionLimits | None = None) -> Reason:
    with pytest.raises(LaceError) as refused:
        extract(data, limits or ExtractionLimits())
    return refused.value.reason


def test_what_is_no_zip_is_refused() -> None:
    assert refusal(b"PK\x03\x04 but not really") is Reason.SOURCE_UNREADABLE


def test_a_zip_without_a_document_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "x")
    assert refusal(buffer.getvalue()) is Reason.SOURCE_UNREADABLE


def test_broken_xml_is_refused(make_docx: MakeDocx) -> None:
    assert refusal(make_docx(members={"word/document.xml": "<w:document"})) is Reason.SOURCE_UNREADABLE


@pytest.mark.parametrize("member", ["word/document.xml", "word/styles.xml", "word/footnotes.xml", "_rels/.rels"])
def test_a_document_type_is_refused_wherever_it_stands(make_docx: MakeDocx, member: str) -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><x>&a9;</x>'
    assert refusal(make_docx(p("x"), members={member: bomb})) is Reason.SOURCE_UNREADABLE


def test_an_external_entity_is_not_fetched(make_docx: MakeDocx) -> None:
    evil = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
    assert refusal(make_docx(members={"word/document.xml": evil})) is Reason.SOURCE_UNREADABLE


def test_a_member_declared_too_large_is_refused(make_docx: MakeDocx) -> None:
    limits = ExtractionLimits(zip_member_bytes=10_000)
    assert refusal(make_docx(p("x" * 20_000)), limits) is Reason.SOURCE_LIMIT_EXCEEDED


def test_a_member_that_inflates_too_much_is_refused(make_docx: MakeDocx) -> None:
    assert refusal(make_docx(p("x" * 3_000_000))) is Reason.SOURCE_LIMIT_EXCEEDED


def test_all_members_together_are_bounded(make_docx: MakeDocx) -> None:
    limits = ExtractionLimits(zip_total_bytes=30_000)
    data = make_docx(p("x" * 20_000), styles=STYLES + "<!--" + "y" * 20_000 + "-->")
    assert refusal(data, limits) is Reason.SOURCE_LIMIT_EXCEEDED


def test_too_many_members_are_refused(make_docx: MakeDocx) -> None:
    members = {f"m{number}": "" for number in range(20)}
    assert refusal(make_docx(p("x"), members=members), ExtractionLimits(zip_members=10)) is Reason.SOURCE_LIMIT_EXCEEDED


def test_too_many_characters_are_refused(make_docx: MakeDocx) -> None:
    assert refusal(make_docx(p("word " * 100)), ExtractionLimits(chars=100)) is Reason.SOURCE_LIMIT_EXCEEDED


def test_an_encrypted_member_is_named_as_such(make_docx: MakeDocx) -> None:
    data = bytearray(make_docx(p("x")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            data[at + offset] |= 1
    assert refusal(bytes(data)) is Reason.SOURCE_ENCRYPTED
