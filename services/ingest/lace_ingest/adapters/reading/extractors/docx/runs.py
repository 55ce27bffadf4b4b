"""The text of a paragraph: what a reader sees, with deleted, hidden and field code text left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree

from lace_ingest.adapters.reading.extractors.docx.names import attribute, child, is_on, tag
from lace_ingest.adapters.reading.extractors.docx.styles import is_mono_font
from lace_ingest.domain.reading.anchors import anchor, without_anchors, without_noncharacters

_SUPERSCRIPT = str.maketrans(
    "0123456789+-\u2212=()n",
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207b\u207c\u207d\u207e\u207f",
)
_RAISED = re.compile(r"^[0-9+\u2212-]+$")
_SKIPPED = frozenset(
    ("w:del", "w:moveFrom", "w:pPr", "w:rPr", "w:instrText", "w:delText", "w:rt", "w:sdtPr", "mc:Fallback")
)
_STRUCK = frozenset(("w:del", "w:moveFrom"))
_BOXES = frozenset(("w:drawing", "w:pict", "w:object"))


@dataclass
class ParagraphText:
    """The text of one paragraph and what hangs on it.

    `notes` are (kind, id) of its foot- and endnotes, each with an anchor in the text; `pictures` and `deletions` count
    what it shows beside text, and what was struck out of it.
    """

    parts: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[etree._Element] = field(default_factory=list)
    letters: int = 0
    bold_letters: int = 0
    mono_letters: int = 0
    pictures: int = 0
    deletions: int = 0

    @property
    def text(self) -> str:
        """All parts; line breaks as newlines, tabs as tabs."""
        return "".join(self.parts)

    @property
    def plain(self) -> str:
        """The text without its anchors."""
        return without_anchors(self.text)

    @property
    def is_bold(self) -> bool:
        """Whether all its letters are bold."""
        return 0 < self.letters == self.bold_letters

    @property
    def is_mono(self) -> bool:
        """Whether all its letters have a fixed width."""
        return 0 < self.letters == self.mono_letters


def note_key(note: tuple[str, str]) -> str:
    """The key of a note's anchors."""
    return " ".join(note)


def read_paragraph(element: etree._Element) -> ParagraphText:
    """Reads a `w:p`."""
    result = ParagraphText()
    _collect(element, result, None)
    return result


def _collect(element: etree._Element, into: ParagraphText, properties: etree._Element | None) -> None:
    for inner in element:
        name = tag(inner)
        if name in _SKIPPED:
            into.deletions += name in _STRUCK
            continue
        if name == "w:r":
            run_properties = child(inner, "w:rPr")
            if not is_on(run_properties, "w:vanish"):
                _collect(inner, into, run_properties)
        elif name in ("w:t", "m:t"):
            _add_text(inner.text or "", into, properties)
        elif name == "mc:AlternateContent":
            _collect_alternative(inner, into, properties)
        elif name in _BOXES:
            boxes = [found for found in inner.iter() if tag(found) == "w:txbxContent"]
            into.boxes.extend(boxes)
            into.pictures += not boxes
        elif name in ("w:footnoteReference", "w:endnoteReference"):
            note = name[2:-9], attribute(inner, "id")
            into.notes.append(note)
            into.parts.append(anchor(note_key(note)))
        else:
            into.parts.append(_MARKS.get(name, ""))
            _collect(inner, into, properties)


_MARKS = {"w:tab": "\t", "w:br": "\n", "w:cr": "\n", "w:noBreakHyphen": "-", "w:ptab": "\t"}


def _collect_alternative(element: etree._Element, into: ParagraphText, properties: etree._Element | None) -> None:
    """The first choice, or the fallback where the choice shows no text."""
    choice = child(element, "mc:Choice")
    before = len(into.boxes), len(into.parts)
    if choice is not None:
        _collect(choice, into, properties)
    fallback = child(element, "mc:Fallback")
    if fallback is not None and before == (len(into.boxes), len(into.parts)):
        _collect(fallback, into, properties)


def _add_text(text: str, into: ParagraphText, properties: etree._Element | None) -> None:
    text = without_noncharacters(text)
    letters = sum(1 for char in text if not char.isspace())
    into.letters += letters
    into.bold_letters += letters if is_on(properties, "w:b") else 0
    into.mono_letters += letters if is_mono_font(properties) else 0
    raised = attribute(child(properties, "w:vertAlign"), "val") == "superscript"
    into.parts.append(text.translate(_SUPERSCRIPT) if raised and _RAISED.match(text.strip()) else text)
