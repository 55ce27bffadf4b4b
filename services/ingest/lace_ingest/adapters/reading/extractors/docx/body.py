"""Reads the body of a document: paragraphs by the meaning of their styles, lists, tables, notes, text boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lxml import etree

from lace_ingest.adapters.reading.extractors.docx.names import attribute, child, number, tag
from lace_ingest.adapters.reading.extractors.docx.numbering import BLANK, Numbering, roman
from lace_ingest.adapters.reading.extractors.docx.runs import ParagraphText, note_key, read_paragraph
from lace_ingest.adapters.reading.extractors.docx.styles import Style, Styles
from lace_ingest.adapters.reading.extractors.docx.tables import read_table
from lace_ingest.domain.documents import UnitKind
from lace_ingest.domain.limits import ExtractionLimits, refuse_beyond
from lace_ingest.domain.reading.pieces import Heading, Item, Listing, Note, Piece, Program, Prose

_WRAPPERS = frozenset(("w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo", "w:smartTag"))
_HEADING_CHARS = 100
_FAKE_LEVEL = 7
_MOST_ROMAN = 90

Notes = Mapping[tuple[str, str], etree._Element]


class BodyReader:
    """Turns block elements into pieces.

    `title` is the text of the first paragraph styled as title; `pictures` and `deletions` count what was left out.
    """

    def __init__(self, styles: Styles, numbering: Numbering, notes: Notes, limits: ExtractionLimits) -> None:
        self._styles = styles
        self._numbering = numbering
        self._notes = notes
        self._limits = limits
        self._chars = 0
        self._items: list[Item] = []
        self._list_id = ""
        self._code: list[str] = []
        self._term = ""
        self._marks: dict[tuple[str, str], str] = {}
        self.title = ""
        self.pieces: list[Piece] = []
        self.pictures = 0
        self.deletions = 0

    def read(self, element: etree._Element) -> None:
        """Reads one child of the body."""
        name = tag(element)
        if name == "w:p":
            self._paragraph(element)
        elif name == "w:tbl":
            self._end_runs()
            self.pieces.extend(read_table(element, self._cell_text, self._cell_pieces))
        elif name == "mc:AlternateContent":
            inner = child(element, "mc:Choice")
            self._read_all(inner if inner is not None else child(element, "mc:Fallback"))
        elif name in _WRAPPERS:
            self._read_all(element)

    def _read_all(self, element: etree._Element | None) -> None:
        for inner in element if element is not None else ():
            self.read(inner)

    def finish(self) -> list[Piece]:
        """Ends what is under way; all pieces, the notes at the end."""
        self._end_runs()
        self.pieces.extend(map(self._note, [*self._marks, *(note for note in self._notes if note not in self._marks)]))
        if not any(isinstance(piece, Heading) and piece.level < _FAKE_LEVEL for piece in self.pieces):
            return self.pieces
        return [_demoted(piece) for piece in self.pieces]

    def _paragraph(self, element: etree._Element) -> None:
        found = self._read(element)
        properties = child(element, "w:pPr")
        style = self._styles.paragraph(attribute(child(properties, "w:pStyle"), "val"))
        if not style.is_contents:
            self._classified(found, style, properties)
        for box in found.boxes:
            self._read_all(box)

    def _read(self, element: etree._Element) -> ParagraphText:
        """The text of a paragraph, what hangs on it counted."""
        found = read_paragraph(element)
        self._chars += len(found.text)
        refuse_beyond("characters", self._chars, self._limits.chars)
        self.pictures += found.pictures
        self.deletions += found.deletions
        for note in found.notes:
            self._marks.setdefault(note, self._next_mark(note[0]))
        return found

    def _next_mark(self, kind: str) -> str:
        """Word's own marks where a document asks for no others: figures for footnotes, Roman ones for endnotes."""
        number = 1 + sum(1 for other, _ in self._marks if other == kind)
        return roman(number) if kind == "endnote" and number < _MOST_ROMAN else str(number)

    def _classified(self, found: ParagraphText, style: Style, properties: etree._Element | None) -> None:
        text = found.text
        level = _level(style, properties)
        list_id, list_level = _list_place(style, properties)
        if style.is_code or (found.is_mono and not list_id):
            self._end_list()
            self._code.append(text)
            return
        if not found.plain.strip():
            self._end_code()
            return
        if style.is_title and not self.title and not self.pieces:
            self._end_runs()
            self.title = found.plain
        elif level and len(found.plain) <= 3 * _HEADING_CHARS:
            self._end_runs()
            self.pieces.append(Heading(level, text))
        elif list_id != "0" and (list_id or style.list_kind):
            self._end_code()
            self._item(text, style, list_id, list_level)
        else:
            self._end_runs()
            self._prose(text, style, looks_like_heading=_is_bold_line(found, style))

    def _prose(self, text: str, style: Style, *, looks_like_heading: bool) -> None:
        if style.is_term:
            self._term = text.strip()
            return
        if self._term:
            text = f"{self._term.removesuffix(':')}: {text.strip()}"
            self._term = ""
        if looks_like_heading:
            self.pieces.append(Heading(_FAKE_LEVEL, text))
            return
        kind = UnitKind.CAPTION if style.is_caption else UnitKind.QUOTE if style.is_quote else UnitKind.PARAGRAPH
        self.pieces.append(Prose(text, kind))

    def _item(self, text: str, style: Style, list_id: str, level: int) -> None:
        marker = self._numbering.marker(list_id, level) if list_id else "-"
        if not list_id and style.list_kind == "number":
            marker = f"{len(self._items) + 1}."
        if (marker == BLANK or style.list_kind == "continue") and self._items:
            last = self._items[-1]
            self._items[-1] = Item(f"{last.text} {text}", last.level, last.marker)
            return
        if self._items and level == 0 and list_id != self._list_id:
            self._end_list()
        if level == 0 or not self._items:
            self._list_id = list_id
        self._items.append(Item(text, level, marker or "-"))

    def _note(self, note: tuple[str, str]) -> Note:
        """A foot- or endnote; one that is referred to but not there has no text."""
        element = self._notes.get(note)
        paragraphs = [inner for inner in element.iter() if tag(inner) == "w:p"] if element is not None else []
        text = " ".join(read_paragraph(inner).text for inner in paragraphs)
        kind = UnitKind.ENDNOTE if note[0] == "endnote" else UnitKind.FOOTNOTE
        return Note(note_key(note), self._marks.get(note, "?"), text, kind)

    def _cell_text(self, cell: etree._Element) -> str:
        """What a cell says, but for the tables in it."""
        texts = [self._read(paragraph).text for paragraph in _paragraphs(cell)]
        return " ".join(text.strip() for text in texts if text.strip())

    def _cell_pieces(self, cell: etree._Element) -> list[Piece]:
        """What stands in a frame, as if it stood in the body."""
        outer, self.pieces = self.pieces, []
        self._read_all(cell)
        self._end_runs()
        inner, self.pieces = self.pieces, outer
        return inner

    def _end_runs(self) -> None:
        self._end_list()
        self._end_code()

    def _end_list(self) -> None:
        if self._items:
            self.pieces.append(Listing(tuple(self._items)))
            self._items = []

    def _end_code(self) -> None:
        if any(line.strip() for line in self._code):
            self.pieces.append(Program("\n".join(self._code)))
        self._code = []


def _paragraphs(element: etree._Element) -> Iterator[etree._Element]:
    """The paragraphs of a cell, those of text boxes and content controls too, but none of inner tables."""
    for inner in element:
        name = tag(inner)
        if name == "w:p":
            yield inner
            yield from (found for box in inner.iter() if tag(box) == "w:txbxContent" for found in _paragraphs(box))
        elif name != "w:tbl":
            yield from _paragraphs(inner)


def _level(style: Style, properties: etree._Element | None) -> int:
    direct = attribute(child(properties, "w:outlineLvl"), "val")
    if direct and number(direct, 9) < 9:
        return number(direct) + 1
    return style.level


def _list_place(style: Style, properties: etree._Element | None) -> tuple[str, int]:
    """Numbering id and level of a paragraph; the paragraph's own before its style's, id 0 takes the style's away."""
    own = child(properties, "w:numPr")
    num_id = attribute(child(own, "w:numId"), "val")
    level = attribute(child(own, "w:ilvl"), "val")
    if num_id == "0":
        return "0", 0
    return num_id or style.num_id, min(max(number(level, style.num_level), 0), 8)


def _is_bold_line(found: ParagraphText, style: Style) -> bool:
    text = found.plain.strip()
    if style.is_caption or style.is_quote:
        return False
    return (
        (found.is_bold or style.is_bold)
        and len(text) <= _HEADING_CHARS
        and text[-1] not in ".,;:!?"
        and "\n" not in text
    )


def _demoted(piece: Piece) -> Piece:
    """A bold line is a heading only in a document that has no other headings."""
    return Prose(piece.text) if isinstance(piece, Heading) and piece.level == _FAKE_LEVEL else piece
