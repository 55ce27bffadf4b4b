"""Documents made up from a seed, in all five formats, with the text that they were made of beside them."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import typst

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_MOMENT = (2026, 1, 1, 0, 0, 0)
_WORDS = (
    "station river measurement pressure operator schedule concrete foundation inspection groundwater turbine valve"
    " maintenance budget contractor delivery environmental assessment temperature sediment monitoring alternative"
    " committee recommendation procurement efficiency reservoir transmission calibration instrument uncertainty"
    " the a of to and in was for with on were from by after before between under during their each this that three"
    " seven northern annual reported approved replaced installed observed estimated exceeded remained increased"
    " résumé naïve coördinate façade über straße smörgås"
).split()


@dataclass(frozen=True)
class Block:
    """A heading (with its level), a paragraph, a list (its items) or a table (its rows, heads first)."""

    kind: str
    lines: tuple[tuple[str, ...], ...]
    level: int = 0


@dataclass(frozen=True)
class Made:
    """A document before it has a format."""

    title: str
    blocks: tuple[Block, ...] = field(repr=False)

    @property
    def text(self) -> str:
        """All that it says, in reading order."""
        return "\n".join([self.title, *(" ".join(line) for block in self.blocks for line in block.lines)])


def make(seed: int, sections: int) -> Made:
    """A document of so many sections; the same one for the same seed everywhere. A section is about half a page."""
    chance = random.Random(seed)
    blocks = [block for number in range(1, sections + 1) for block in _section(chance, number)]
    return Made(f"Report {seed} on the {_phrase(chance, 3)}", tuple(blocks))


def _section(chance: random.Random, number: int) -> Iterator[Block]:
    yield Block("heading", ((f"{_phrase(chance, 2).capitalize()} {number}",),), chance.choice((1, 2, 2, 3)))
    for _ in range(chance.randint(1, 3)):
        yield Block("paragraph", ((" ".join(_sentence(chance) for _ in range(chance.randint(2, 5))),),))
    if chance.random() < 0.4:
        yield Block("list", tuple((_sentence(chance),) for _ in range(chance.randint(2, 5))))
    if chance.random() < 0.3:
        heads = ("Place", "Year", "Value")
        rows = [(_phrase(chance, 1), str(chance.randint(1990, 2026)), f"{chance.random() * 90:.1f}") for _ in range(4)]
        yield Block("table", (heads, *rows))


def _phrase(chance: random.Random, count: int) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(count))


def _sentence(chance: random.Random) -> str:
    words = [chance.choice(_WORDS) for _ in range(chance.randint(6, 18))]
    if chance.random() < 0.2:
        words.insert(chance.randrange(1, len(words)), f"{chance.random() * 400:.2f}")
    return " ".join(words).capitalize() + "."


def as_md(made: Made) -> bytes:
    """Markdown."""
    parts = [f"# {made.title}"]
    for block in made.blocks:
        if block.kind == "heading":
            parts.append("#" * (block.level + 1) + f" {block.lines[0][0]}")
        elif block.kind == "list":
            parts.append("\n".join(f"- {line[0]}" for line in block.lines))
        elif block.kind == "table":
            rows = [f"| {' | '.join(line)} |" for line in block.lines]
            parts.append("\n".join([rows[0], "|---|---|---|", *rows[1:]]))
        else:
            parts.append(block.lines[0][0])
    return "\n\n".join(parts).encode() + b"\n"


def as_txt(made: Made) -> bytes:
    """Plain text with underlined headings."""
    parts = [f"{made.title}\n{'=' * len(made.title)}"]
    for block in made.blocks:
        if block.kind == "heading":
            parts.append(f"{block.lines[0][0]}\n{'-~^'[block.level - 1] * len(block.lines[0][0])}")
        elif block.kind == "list":
            parts.append("\n".join(f"- {line[0]}" for line in block.lines))
        elif block.kind == "table":
            parts.append("\n".join("  ".join(f"{cell:<24}" for cell in line).rstrip() for line in block.lines))
        else:
            parts.append(block.lines[0][0])
    return "\n\n".join(parts).encode() + b"\n"


def as_json(made: Made) -> bytes:
    """JSON: a list of sections with their prose, items and records."""
    sections: list[dict[str, object]] = []
    for block in made.blocks:
        if block.kind == "heading" or not sections:
            sections.append({"heading": block.lines[0][0]})
        elif block.kind == "table":
            heads = [head.lower() for head in block.lines[0]]
            sections[-1]["records"] = [dict(zip(heads, row, strict=True)) for row in block.lines[1:]]
        elif block.kind == "list":
            sections[-1]["items"] = [line[0] for line in block.lines]
        else:
            sections[-1]["text"] = f"{sections[-1].get('text', '')} {block.lines[0][0]}".strip()
    return json.dumps({"title": made.title, "sections": sections}, ensure_ascii=False, indent=1).encode()


def as_docx(made: Made) -> bytes:
    """Office Open XML with styles for title and headings, a numbering for lists, and real tables."""
    body = [_paragraph(made.title, "Title")]
    for block in made.blocks:
        if block.kind == "heading":
            body.append(_paragraph(block.lines[0][0], f"Heading{block.level}"))
        elif block.kind == "list":
            body += [_paragraph(line[0], "ListBullet") for line in block.lines]
        elif block.kind == "table":
            body.append(f"<w:tbl>{''.join(map(_row, block.lines))}</w:tbl>")
        else:
            body.append(_paragraph(block.lines[0][0]))
    members = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _relations((_OFFICE + "/officeDocument", "word/document.xml")),
        "word/_rels/document.xml.rels": _relations((_OFFICE + "/styles", "styles.xml")),
        "word/document.xml": (
            f'<w:document xmlns:w="{_W}" xmlns:r="{_OFFICE}"><w:body>{"".join(body)}</w:body></w:document>'
        ),
        "word/styles.xml": f'<w:styles xmlns:w="{_W}">{"".join(map(_style, _STYLES))}</w:styles>',
    }
    return zipped(members)


def zipped(members: dict[str, str]) -> bytes:
    """A zip of XML parts; the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            data = f'<?xml version="1.0" encoding="UTF-8"?>{content}'.encode()
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def as_pdf(made: Made, *, columns: int = 1) -> bytes:
    """PDF set by typst: justified and hyphenated, with page numbers, in one column or two."""
    parts = [_SETUP, f"#set page(columns: {columns})", f"#align(center, text(18pt)[{_typst(made.title)}])"]
    for block in made.blocks:
        if block.kind == "heading":
            parts.append("=" * block.level + f" {_typst(block.lines[0][0])}")
        elif block.kind == "list":
            parts.append("\n".join(f"- {_typst(line[0])}" for line in block.lines))
        elif block.kind == "table":
            cells = ", ".join(f"[{_typst(cell)}]" for line in block.lines for cell in line)
            parts.append(f"#table(columns: 3, {cells})")
        else:
            parts.append(_typst(block.lines[0][0]))
    made_of: bytes = typst.compile("\n\n".join(parts).encode(), format="pdf", ignore_system_fonts=True)
    return made_of


FORMATS: dict[str, Callable[[Made], bytes]] = {
    "md": as_md, "txt": as_txt, "json": as_json, "docx": as_docx, "pdf": as_pdf,
}  # fmt: skip

_SETUP = (
    '#set text(lang: "en", size: 10pt)\n#set par(justify: true)\n#set page(paper: "a4", numbering: "1")\n'
    "#set document(date: none)"
)
_STYLES = (("Title", "Title"), *((f"Heading{n}", f"heading {n}") for n in (1, 2, 3)), ("ListBullet", "List Bullet"))
_CONTENT_TYPES = (
    f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" '
    f'ContentType="{_MAIN_TYPE}"/></Types>'
)


def _relations(*targets: tuple[str, str]) -> str:
    made = "".join(f'<Relationship Id="r{n}" Type="{kind}" Target="{to}"/>' for n, (kind, to) in enumerate(targets))
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{made}</Relationships>'


def _style(style: tuple[str, str]) -> str:
    return f'<w:style w:type="paragraph" w:styleId="{style[0]}"><w:name w:val="{style[1]}"/></w:style>'


def _paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def _row(cells: Sequence[str]) -> str:
    return f"<w:tr>{''.join(f'<w:tc>{_paragraph(cell)}</w:tc>' for cell in cells)}</w:tr>"


def _typst(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\#*_`$<>@[]~=-+/" else char for char in text)
