"""Whole documents made here, so that all that they hold is known: every part of their structure must come back."""

from __future__ import annotations

import io
from functools import cache

import pytest
import typst
from docx import Document

from lace_ingest.adapters.reading.extraction_child import Order, read_document
from lace_ingest.domain.documents import ExtractedDocument, Unit, UnitKind
from lace_ingest.domain.formats import check_filename
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.whole_text import whole_text

FIRST = (
    "The survey of the estuary began in March and went on until the end of June, through a long and dry spring. "
    "Every station was visited twice a week, once at high water and once at low water, by two people and a boat. "
)
SECOND = (
    "The instruments were set against a reference before each visit and compared with it again when the boat returned. "
    "Readings that differed by more than a tenth were thrown away, and the station was visited once more that week. "
)
PAPER = f"""
#set document(title: "The estuary", author: "Ann Other", date: datetime(year: 2024, month: 3, day: 1))
#set page(paper: "a4", columns: 2, header: [Journal of Tides #h(1fr) Vol. 7], numbering: "1 / 1")
#set par(justify: true)
#set text(font: "Libertinus Serif", size: 10pt, lang: "en", hyphenate: true)
#set heading(numbering: "1.1")
#place(top + center, scope: "parent", float: true, text(17pt)[*The estuary*])
= Introduction
{FIRST * 3} The first reference#footnote[The first note tells of the boat.] stands here. {SECOND * 3}

- one item of a list
  - a nested item
- the last item
= Methods
{SECOND * 3} The second#footnote[Another note of the same page.] stands here.
#figure(table(columns: 3, table.header[*Site*][*Depth (m)*][*Yield*], [North], [12], [3.4], [South], [15], [2.9]),
  caption: [Yields by site])
{FIRST * 6}
== Instruments
{SECOND * 7}
```python
def depth(x):
    return x + 1
```
{FIRST * 3} The third#footnote[A note on the second page.] stands here.
#figure(rect(width: 50pt, height: 30pt), caption: [A box of no meaning])
{SECOND * 4}
"""


@cache
def paper() -> bytes:
    return typst.compile(PAPER.encode())


def untagged(data: bytes) -> bytes:
    """The same file, its tags hidden from its readers."""
    assert b"/MarkInfo" in data
    return data.replace(b"/MarkInfo", b"/Forgotten"[: len(b"/MarkInfo")])


def read(filename: str, data: bytes) -> ExtractedDocument:
    return read_document(Order(filename, check_filename(filename), ExtractionLimits()), data)


def kinds(found: ExtractedDocument, kind: UnitKind) -> list[Unit]:
    return [unit for unit in found.units if unit.kind is kind]


@pytest.fixture(params=["tags", "looks"])
def pdf(request: pytest.FixtureRequest) -> ExtractedDocument:
    return read("paper.pdf", paper() if request.param == "tags" else untagged(paper()))


def test_two_columns_are_read_in_order_and_without_hyphens(pdf: ExtractedDocument) -> None:
    told = " ".join(unit.text for unit in kinds(pdf, UnitKind.PARAGRAPH))
    assert [told.count(text.strip()) for text in (FIRST, SECOND)] == [12, 17]
    assert [unit.heading_path for unit in kinds(pdf, UnitKind.TABLE)] == [("2 Methods",)]
    paths = list(dict.fromkeys(unit.heading_path for unit in pdf.units if unit.heading_path))
    assert paths == [("1 Introduction",), ("2 Methods",), ("2 Methods", "2.1 Instruments")]


def test_notes_captions_lists_code_and_tables_are_what_they_are(pdf: ExtractedDocument) -> None:
    notes = kinds(pdf, UnitKind.FOOTNOTE)
    assert [(note.note_mark, note.text, note.page) for note in notes] == [
        ("1", "The first note tells of the boat.", 1),
        ("2", "Another note of the same page.", 1),
        ("3", "A note on the second page.", 2),
    ]
    by_id = {unit.unit_id: unit for unit in pdf.units}
    for note, word in zip(notes, ("first reference", "second", "third"), strict=True):
        [source] = [by_id[unit_id] for unit_id in note.referred_from]
        assert f"The {word} stands here." in source.text
        assert source.notes == (note.unit_id,)
    assert [unit.text for unit in kinds(pdf, UnitKind.CAPTION)] == ["Figure 1: A box of no meaning"]
    assert [unit.text for unit in kinds(pdf, UnitKind.LIST)] == [
        "- one item of a list\n  - a nested item\n- the last item"
    ]
    assert [unit.text for unit in kinds(pdf, UnitKind.CODE)] == ["def depth(x):\n    return x + 1"]
    [table] = [unit.table for unit in kinds(pdf, UnitKind.TABLE)]
    assert table is not None
    assert (table.caption, table.header) == ("Table 1: Yields by site", ("Site", "Depth (m)", "Yield"))
    assert [table.told(row) for row in range(2)] == [
        "Site North. Depth (m): 12; Yield: 3.4", "Site South. Depth (m): 15; Yield: 2.9",
    ]  # fmt: skip


def test_running_heads_and_the_file_s_own_words_are_metadata(pdf: ExtractedDocument) -> None:
    assert not any("Journal of Tides" in unit.text or unit.text.endswith("/ 2") for unit in pdf.units)
    assert {"Journal of Tides", "Vol. #", "# / #"} == set(pdf.metadata["running_text"].split("; "))
    assert (pdf.title, pdf.metadata["author"], pdf.metadata["created"]) == (
        "The estuary", "Ann Other", "2024-03-01T00:00:00Z",
    )  # fmt: skip
    assert (pdf.language, pdf.extractability, pdf.warnings) == ("en", 1000, ())


def test_every_unit_has_its_boxes_and_its_place_in_the_text(pdf: ExtractedDocument) -> None:
    text = whole_text(pdf.units)
    for unit in pdf.units:
        assert text[unit.start : unit.end] == unit.text
        assert unit.boxes
        for box in unit.boxes:
            assert 1 <= box.page <= pdf.page_count
            assert 0 < box.x0 < box.x1 < 596
            assert 0 < box.y0 < box.y1 < 842
            # No box of text reaches from one column into the other.
            assert box.x1 < 297 or box.x0 > 297 or "estuary" in unit.text[:12]
    [table] = kinds(pdf, UnitKind.TABLE)
    [note] = [unit for unit in kinds(pdf, UnitKind.FOOTNOTE) if unit.note_mark == "1"]
    assert note.boxes[0].y0 > 700
    assert table.boxes[-1].y1 - table.boxes[-1].y0 > 30


def test_a_box_lies_where_pdfium_finds_the_words(pdf: ExtractedDocument) -> None:
    import pypdfium2 as pdfium

    page = pdfium.PdfDocument(paper())[0]
    found = page.get_textpage().search("nested item").get_next()
    assert found is not None
    left, bottom, right, top = page.get_textpage().get_charbox(found[0], loose=True)
    [unit] = kinds(pdf, UnitKind.LIST)
    [box] = unit.boxes
    height = page.get_height()
    assert box.x0 <= left + 0.01
    assert box.x1 >= right
    assert box.y0 <= height - top + 0.01 < height - bottom - 0.01 <= box.y1


def test_a_word_document_keeps_its_lists_tables_and_frames() -> None:
    document = Document()
    document.core_properties.author = "Ann Other"
    document.add_heading("One", 1)
    document.add_paragraph("The station has four pumps, and each of them delivers a lot of water.")
    for text, style in (("first", "List Number"), ("second", "List Number"), ("deeper", "List Number 2")):
        document.add_paragraph(text, style=style)
    table = document.add_table(3, 2)
    for row, cells in enumerate((("Site", "Depth"), ("North", "12"), ("South", "15"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    inner = table.cell(2, 1).add_table(2, 2)
    for at, text in enumerate(("Tide", "Level", "high", "3.1")):
        inner.cell(*divmod(at, 2)).text = text
    document.sections[0].header.paragraphs[0].text = "Draft"
    buffer = io.BytesIO()
    document.save(buffer)
    found = read("a.docx", buffer.getvalue())
    assert [unit.text for unit in found.units] == [
        "The station has four pumps, and each of them delivers a lot of water.",
        "1. first\n2. second\n  1. deeper",
        "Site | Depth\nNorth | 12\nSouth | 15",
        "Tide | Level\nhigh | 3.1",
    ]
    assert (found.metadata["author"], found.metadata["running_text"], found.language) == ("Ann Other", "Draft", "en")
