#!/usr/bin/env python3
"""Build the binary files (docx, pdf) of the demo dossier from examples/_src.

    python examples/make_dossier.py            # write the four binary files
    python examples/make_dossier.py --check    # exit 1 if a committed file differs

Needs: python-docx, typst.  The output is byte-deterministic for given versions
of the two libraries: dates are fixed, fonts come from the typst package.

The sources are a small markdown subset: front matter, "#"/"##" headings,
paragraphs, "1." and "-" lists, pipe tables after a bold caption line, and
footnotes ("[^1]").
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import math
import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typst
from docx import Document
from docx.document import Document as DocxDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from docx.text.paragraph import Paragraph

HERE = Path(__file__).resolve().parent
SRC = HERE / "_src"
OUT = HERE / "dossier"

TARGETS = {
    "02-site-survey-report": "pdf",
    "04-environmental-assessment": "pdf",
    "05-design-basis": "docx",
    "06-procurement-and-budget": "docx",
}


# ----------------------------------------------------------------- source --


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is a chapter."""

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph, or the caption above a table."""

    text: str
    is_caption: bool = False


@dataclass(frozen=True)
class Items:
    """A list; `numbered` counts from 1."""

    items: list[str]
    numbered: bool


@dataclass(frozen=True)
class Table:
    """A head and rows, all of the same length."""

    head: list[str]
    rows: list[list[str]]

    def is_numeric(self, column: int) -> bool:
        """Whether more than half of a column's cells are numbers."""
        hits = sum(bool(re.fullmatch(r"[£+-]?[\d,.]+", row[column])) for row in self.rows)
        return hits * 2 > len(self.rows)


Block = Heading | Text | Items | Table


@dataclass(frozen=True)
class Source:
    """One file of _src: its front matter, its blocks in order, its footnotes by number."""

    meta: dict[str, str]
    blocks: list[Block]
    notes: dict[str, str]


def parse(text: str) -> Source:
    """Read the markdown subset that the module's docstring names."""
    _, front, body = text.split("---\n", 2)
    source = Source(dict(line.split(": ", 1) for line in front.strip().splitlines()), [], {})
    for part in re.split(r"\n\s*\n", body.strip()):
        lines = [line.rstrip() for line in part.splitlines()]
        if note := re.match(r"\[\^(\w+)\]: (.*)", lines[0]):
            source.notes[note[1]] = " ".join([note[2], *lines[1:]])
        else:
            source.blocks.append(parse_block(lines))
    return source


def parse_block(lines: list[str]) -> Block:
    """One block, told by how its first line begins."""
    first = lines[0]
    if match := re.match(r"(#+) (.*)", first):
        return Heading(len(match[1]), match[2])
    if first.startswith("|"):
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        return Table(head, rows)
    if re.match(r"\d+\. ", first):
        return Items([re.sub(r"^\d+\. ", "", line) for line in lines], numbered=True)
    if first.startswith("- "):
        return Items([line[2:] for line in lines], numbered=False)
    if match := re.fullmatch(r"\*\*(.*)\*\*", first):
        return Text(match[1], is_caption=True)
    return Text(" ".join(lines))


# -------------------------------------------------------------------- pdf --

PREAMBLE = """
#set document(title: "{title}", author: "{author}", date: datetime(year: {y}, month: {m}, day: {d}))
#set page(paper: "a4", margin: (x: 28mm, top: 28mm, bottom: 27mm),
  header: context {{
    if counter(page).get().first() > 1 [
      #set text(8.5pt, fill: luma(90))
      {title} #h(1fr) {reference}, {issue}
      #v(-7pt) #line(length: 100%, stroke: 0.4pt + luma(160))
    ]
  }},
  footer: context [
    #set text(8.5pt, fill: luma(90))
    {client} #h(1fr) Page #counter(page).display() of #counter(page).final().first()
  ])
#set text(font: "Libertinus Serif", size: 11.5pt, lang: "en", region: "GB", ligatures: false, hyphenate: false)
#set par(leading: 0.82em, spacing: 1.25em, justify: false)
#let ink = rgb("#17405c")
#show heading.where(level: 1): it => block(above: 1.7em, below: 0.85em, sticky: true,
  text(15pt, fill: ink, weight: "bold", it.body))
#show heading.where(level: 2): it => block(above: 1.35em, below: 0.7em, sticky: true,
  text(12pt, fill: ink, weight: "bold", it.body))
#set enum(indent: 4pt, spacing: 0.75em)
#set list(indent: 4pt, spacing: 0.75em)
#let cap(body) = block(above: 1.2em, below: 0.6em, sticky: true, text(9.5pt, weight: "bold", body))
#let tab(columns, align, ..cells) = block(width: 100%, below: 1.4em, breakable: false, {{
  set text(9pt)
  set par(leading: 0.5em)
  table(columns: columns, align: align, inset: (x: 8pt, y: 5.5pt),
    stroke: (x, y) => (bottom: if y == 0 {{ 0.9pt + ink }} else {{ 0.3pt + luma(180) }}),
    fill: (x, y) => if y == 0 {{ rgb("#e8eff4") }} else {{ none }},
    ..cells)
}})
#block(below: 1.3em, text(9.5pt, fill: ink, tracking: 0.6pt)[Harrow Bay Water Renewal])
#block(below: 1.2em, text(24pt, weight: "bold", fill: ink)[{title}])
#block(below: 1.1em, text(12.5pt, style: "italic")[{subtitle}])
#line(length: 100%, stroke: 0.9pt + ink)
#block(below: 1.6em, text(9.5pt)[
  Document reference {reference}, {issue}, {date_text} \\
  Author: {author} \\
  Prepared for: {client}
])
"""


def escaped(text: str) -> str:
    """Text as typst markup that shows just this text."""
    return re.sub(r"([\\#$*_`<>@\[\]~])", r"\\\1", text)


def to_typst(source: Source) -> str:
    """The whole document as typst markup."""
    year, month, day = (int(part) for part in source.meta["date"].split("-"))
    preamble = PREAMBLE.format(y=year, m=month, d=day, **source.meta)
    return "\n\n".join([preamble, *(typst_block(block) for block in source.blocks)])


def typst_block(block: Block) -> str:
    """One block as typst markup."""
    match block:
        case Heading(level, text):
            # the number is part of the heading text; a string keeps "1." from becoming a list
            return f'#heading(level: {level}, "{text.replace(chr(34), chr(39))}")'
        case Text(text, is_caption):
            return f"#cap[{escaped(text)}]" if is_caption else escaped(text)
        case Items(items, numbered):
            return "\n".join(f"{'+' if numbered else '-'} {escaped(item)}" for item in items)
        case Table():
            return typst_table(block)


def typst_table(table: Table) -> str:
    """A table whose columns share the width by what they hold."""
    columns = range(len(table.head))
    align = ["right" if table.is_numeric(column) else "left" for column in columns]
    cells = ["table.header(" + ", ".join(f"[*{escaped(cell)}*]" for cell in table.head) + ")"]
    for row in table.rows:
        strong = "*" if row[0].startswith(("Total", "All")) else ""
        cells.append(", ".join(f"[{strong}{escaped(cell)}{strong}]" for cell in row))
    widths = ", ".join(f"{column_width(table, column):.1f}fr" for column in columns)
    return f"#tab(({widths}), ({', '.join(align)}), {', '.join(cells)})"


def column_width(table: Table, column: int) -> float:
    """Room for the longest cell (long ones wrap, so less than in proportion) and for the head's longest word."""
    widest_cell = max(len(row[column]) for row in table.rows)
    widest_word = max(len(word) for word in table.head[column].split())
    return max(1.0, math.pow(widest_cell, 0.6) / 3.2, widest_word / 7.5)


def build_pdf(source: Source) -> bytes:
    """The document as a pdf file."""
    stamp = dt.datetime.fromisoformat(source.meta["date"] + "T09:00:00+00:00")
    return typst.compile(
        to_typst(source).encode(),
        ignore_system_fonts=True,
        timestamp=int(stamp.timestamp()),
    )


# ------------------------------------------------------------------- docx --

FOOTNOTES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    '<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>'
    '<w:footnote w:type="continuationSeparator" w:id="0"><w:p><w:r><w:continuationSeparator/></w:r></w:p></w:footnote>'
    "%s</w:footnotes>"
)
FOOTNOTE = (
    '<w:footnote w:id="%d"><w:p><w:pPr><w:pStyle w:val="FootnoteText"/></w:pPr>'
    '<w:r><w:rPr><w:rStyle w:val="FootnoteReference"/></w:rPr><w:footnoteRef/></w:r>'
    '<w:r><w:t xml:space="preserve"> %s</w:t></w:r></w:p></w:footnote>'
)
FOOTNOTES_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
FOOTNOTES_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
INK = RGBColor(0x17, 0x40, 0x5C)
GREY = RGBColor(0x33, 0x33, 0x33)
BLACK = RGBColor(0, 0, 0)


def build_docx(source: Source) -> bytes:
    """The document as a Word file."""
    doc = Document()
    set_page(doc)
    set_styles(doc)
    set_properties(doc, source.meta)
    add_footer(doc, source.meta)
    add_title(doc, source.meta)
    for block in source.blocks:
        add_block(doc, block)
    if source.notes:
        add_footnotes(doc, source.notes)
    drop_thumbnail(doc)
    raw = io.BytesIO()
    doc.save(raw)
    return repack(raw.getvalue())


def set_page(doc: DocxDocument) -> None:
    """A4 with wide margins."""
    page = doc.sections[0]
    page.page_width, page.page_height = Mm(210), Mm(297)
    page.left_margin = page.right_margin = Mm(27)
    page.top_margin = page.bottom_margin = Mm(25)


def set_styles(doc: DocxDocument) -> None:
    """The template's styles in one typeface, and the two that footnotes need and the template lacks."""
    styles: Any = doc.styles  # typed as the base class of all kinds of style, which has no font
    set_font(styles["Normal"], 11)
    styles["Normal"].paragraph_format.space_after = Pt(8)
    styles["Normal"].paragraph_format.line_spacing = 1.15
    set_font(styles["Title"], 24, bold=True, color=INK)
    set_font(styles["Subtitle"], 12.5, bold=False, color=GREY)
    set_font(styles["Heading 1"], 15, bold=True, color=INK)
    set_font(styles["Heading 2"], 12, bold=True, color=INK)
    set_font(styles["Caption"], 9.5, bold=True, color=BLACK)
    styles["Caption"].paragraph_format.keep_with_next = True
    styles["Caption"].paragraph_format.space_before = Pt(8)
    styles["Caption"].paragraph_format.space_after = Pt(4)
    note_text = styles.add_style("Footnote Text", WD_STYLE_TYPE.PARAGRAPH)
    note_text.base_style = styles["Normal"]
    note_text.font.size = Pt(9)
    styles.add_style("Footnote Reference", WD_STYLE_TYPE.CHARACTER).font.superscript = True


def set_font(style: Any, size: float, *, bold: bool | None = None, color: RGBColor | None = None) -> None:
    """One typeface for all scripts, in place of the theme's."""
    style.font.name, style.font.size = "Cambria", Pt(size)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for key in list(fonts.attrib):
        if "heme" in key:
            del fonts.attrib[key]
    for key in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
        fonts.set(qn(key), "Cambria")
    if bold is not None:
        style.font.bold = bold
    if color is not None:
        style.font.color.rgb = color


def set_properties(doc: DocxDocument, meta: dict[str, str]) -> None:
    """Fixed metadata: no date of today, no account of who builds."""
    properties = doc.core_properties
    stamp = dt.datetime.fromisoformat(meta["date"] + "T09:00:00")
    properties.title, properties.author, properties.subject = meta["title"], meta["author"], meta["subtitle"]
    properties.keywords, properties.comments = "Harrow Bay Water Renewal", ""
    properties.last_modified_by, properties.revision = meta["author"], 1
    properties.created = properties.modified = stamp
    properties.last_printed = stamp


def add_footer(doc: DocxDocument, meta: dict[str, str]) -> None:
    """The reference and the page number."""
    foot = doc.sections[0].footer.paragraphs[0]
    foot.add_run(f"{meta['reference']}, {meta['issue']}, {meta['date_text']}. Page ")
    add_field(foot, "PAGE")
    for run in foot.runs:
        run.font.size = Pt(8.5)


def add_field(paragraph: Paragraph, code: str) -> None:
    """A field that Word computes, in the three runs that it is written in."""
    begin, instruction, end = OxmlElement("w:fldChar"), OxmlElement("w:instrText"), OxmlElement("w:fldChar")
    begin.set(qn("w:fldCharType"), "begin")
    instruction.set(qn("xml:space"), "preserve")
    instruction.text = code
    end.set(qn("w:fldCharType"), "end")
    for node in (begin, instruction, end):
        paragraph.add_run()._r.append(node)


def add_title(doc: DocxDocument, meta: dict[str, str]) -> None:
    """What stands above the first heading."""
    doc.add_paragraph(meta["title"], style="Title")
    doc.add_paragraph(meta["subtitle"], style="Subtitle")
    doc.add_paragraph(f"Document reference {meta['reference']}, {meta['issue']}, {meta['date_text']}.")
    doc.add_paragraph(f"Author: {meta['author']}. Prepared for: {meta['client']}.")


def add_block(doc: DocxDocument, block: Block) -> None:
    """One block at the end of the document."""
    match block:
        case Heading(level, text):
            doc.add_heading(text, level=level)
        case Text(text, is_caption):
            if is_caption:
                doc.add_paragraph(text, style="Caption")
            else:
                add_text(doc.add_paragraph(), text)
        case Items(items, numbered):
            add_numbers(doc, items) if numbered else add_bullets(doc, items)
        case Table():
            add_table(doc, block)


def add_text(paragraph: Paragraph, text: str) -> None:
    """Text in which "[^1]" is a reference to a footnote."""
    for piece in re.split(r"(\[\^\w+\])", text):
        if match := re.fullmatch(r"\[\^(\w+)\]", piece):
            run = paragraph.add_run(style="Footnote Reference")
            node = OxmlElement("w:footnoteReference")
            node.set(qn("w:id"), match[1])
            run._r.append(node)
        elif piece:
            paragraph.add_run(piece)


def add_bullets(doc: DocxDocument, items: Sequence[str]) -> None:
    """A list with bullets."""
    for item in items:
        add_text(doc.add_paragraph(style="List Bullet"), item)


def add_numbers(doc: DocxDocument, items: Sequence[str]) -> None:
    """A list that counts from 1, whatever lists stand before it."""
    number_id = restart_numbering(doc)
    for item in items:
        paragraph = doc.add_paragraph(style="List Number")
        # the class of an xml element has no annotations for the methods it makes of its schema
        properties: Any = paragraph._p.get_or_add_pPr()
        numbering = properties.get_or_add_numPr()
        numbering.get_or_add_ilvl().val = 0
        numbering.get_or_add_numId().val = number_id
        add_text(paragraph, item)


def restart_numbering(doc: DocxDocument) -> int:
    """The id of a new w:num on the abstract numbering of List Number, starting at 1."""
    numbering: Any = doc.part.numbering_part.element
    style: Any = doc.styles["List Number"].element
    base = style.pPr.numPr.numId.val
    abstract = next(num for num in numbering.num_lst if num.numId == base).abstractNumId.val
    num = numbering.add_num(abstract)
    num.add_lvlOverride(ilvl=0).add_startOverride(1)
    return int(num.numId)


def add_table(doc: DocxDocument, block: Table) -> None:
    """A table whose head is repeated on every page."""
    table = doc.add_table(rows=1 + len(block.rows), cols=len(block.head))
    table.style = "Light Grid Accent 1"
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    repeat = OxmlElement("w:tblHeader")
    repeat.set(qn("w:val"), "true")
    table.rows[0]._tr.get_or_add_trPr().append(repeat)
    for place, row in enumerate([block.head, *block.rows]):
        bold = place == 0 or row[0].startswith("Total")
        for column, value in enumerate(row):
            paragraph = table.cell(place, column).paragraphs[0]
            add_cell(paragraph, value, bold=bold, is_number=block.is_numeric(column))
    gap = doc.add_paragraph()
    gap.paragraph_format.space_after = Pt(4)


def add_cell(paragraph: Paragraph, value: str, *, bold: bool, is_number: bool) -> None:
    """The text of a cell, small and close; numbers to the right."""
    paragraph.paragraph_format.space_after = Pt(2)
    run = paragraph.add_run(value)
    run.font.size = Pt(9)
    run.font.bold = bold
    if is_number:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def add_footnotes(doc: DocxDocument, notes: dict[str, str]) -> None:
    """The part that holds the texts of the footnotes, which python-docx cannot write."""
    body = "".join(FOOTNOTE % (int(number), text) for number, text in sorted(notes.items()))
    content = (FOOTNOTES % body).encode()
    package = doc.part.package
    assert package is not None
    part = Part(PackURI("/word/footnotes.xml"), FOOTNOTES_TYPE, content, package)
    doc.part.relate_to(part, FOOTNOTES_RELATION)


def drop_thumbnail(doc: DocxDocument) -> None:
    """Leave out the picture of python-docx's template."""
    package = doc.part.package
    assert package is not None
    for key in [key for key, relation in package.rels.items() if relation.reltype.endswith("/thumbnail")]:
        del package.rels[key]


def repack(data: bytes) -> bytes:
    """The same zip members with fixed dates, in a fixed order."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as src, zipfile.ZipFile(out, "w") as dst:
        names = sorted(src.namelist(), key=lambda n: (n != "[Content_Types].xml", n))
        for name in names:
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o644 << 16
            dst.writestr(info, src.read(name), compresslevel=9)
    return out.getvalue()


# ------------------------------------------------------------------- main --

BUILDERS = {"pdf": build_pdf, "docx": build_docx}


def build() -> dict[Path, bytes]:
    """Every binary file of the dossier, by the path it belongs to."""
    sources = {stem: parse((SRC / f"{stem}.md").read_text(encoding="utf-8")) for stem in TARGETS}
    return {OUT / f"{stem}.{kind}": BUILDERS[kind](sources[stem]) for stem, kind in TARGETS.items()}


def main() -> int:
    """Write the files or compare them; 1 if one differs."""
    parser = argparse.ArgumentParser(description="Build the binary files of the demo dossier from examples/_src.")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    check = parser.parse_args().check
    changed = []
    for path, data in build().items():
        if not check:
            path.write_bytes(data)
            print(f"{path.name}: {len(data)} bytes")
        elif not path.exists() or path.read_bytes() != data:
            changed.append(path.name)
    if changed:
        print("differs: " + ", ".join(changed), file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
