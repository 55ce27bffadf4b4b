"""What a paragraph style means: heading and its level, title, list, code, quotation, caption."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from lace_ingest.adapters.reading.extractors.docx.names import attribute, child, is_on, number, tag

_HEADING = re.compile(r"^(?:heading|überschrift|titre|título|titolo|kop|rubrik)\s*(\d)$")
_CODE = re.compile(r"code|preformatted|source ?text|listing|verbatim|macro text|plain text")
_QUOTE = re.compile(r"quot|block text|zitat|citation")
_LIST = re.compile(r"^list (?P<kind>bullet|number|continue)\s*(?P<level>\d?)$")
_MONO = re.compile(r"mono|courier|consol|menlo|typewriter|code|fixed", re.IGNORECASE)


@dataclass(frozen=True)
class Style:
    """The meaning of a paragraph style; `level` is 0 for what is no heading, `num_id` empty for what is no list."""

    name: str = ""
    level: int = 0
    is_title: bool = False
    is_code: bool = False
    is_quote: bool = False
    is_caption: bool = False
    is_term: bool = False
    is_contents: bool = False
    is_bold: bool = False
    num_id: str = ""
    num_level: int = 0
    list_kind: str = ""


class Styles:
    """The styles of a document by id; what a style does not say it takes from the one that it is based on."""

    def __init__(self, root: etree._Element | None) -> None:
        self._elements = {}
        self._default = ""
        for element in root if root is not None else ():
            if tag(element) == "w:style":
                self._elements[attribute(element, "styleId")] = element
                if attribute(element, "type") == "paragraph" and attribute(element, "default") in ("1", "true"):
                    self._default = attribute(element, "styleId")
        self._cache: dict[str, Style] = {}

    def paragraph(self, style_id: str) -> Style:
        """The meaning of a style, of the default style where no id is given."""
        key = style_id or self._default
        if key not in self._cache:
            self._cache[key] = self._resolve(key)
        return self._cache[key]

    def _resolve(self, style_id: str) -> Style:
        chain = self._chain(style_id)
        if not chain:
            return Style(level=_level_of_name(style_id.lower()), is_code=bool(_CODE.search(style_id.lower())))
        names = [_name(element) for element in chain]
        listed = next((m for m in map(_LIST.match, names) if m), None)
        num_id, num_level = _numbering(chain)
        return Style(
            name=names[0],
            level=_outline_level(chain) or max(map(_level_of_name, names)),
            is_title=names[0] in ("title", "titel", "titre", "título", "titolo"),
            is_code=any(_CODE.search(name) for name in names) or _is_mono(chain[0]),
            is_quote=any(_QUOTE.search(name) for name in names),
            is_caption=any("caption" in name or "beschriftung" in name for name in names),
            is_term=names[0] == "definition term",
            is_contents=names[0].startswith(("toc ", "table of ", "contents ")) and names[0] != "toc heading",
            is_bold=is_on(child(chain[0], "w:rPr"), "w:b"),
            num_id=num_id,
            num_level=max(num_level, int(listed["level"] or 1) - 1 if listed else 0),
            list_kind=listed["kind"] if listed else "",
        )

    def _chain(self, style_id: str) -> list[etree._Element]:
        chain: list[etree._Element] = []
        seen: set[str] = set()
        while style_id in self._elements and style_id not in seen:
            seen.add(style_id)
            chain.append(self._elements[style_id])
            style_id = attribute(child(chain[-1], "w:basedOn"), "val")
        return chain


def _name(element: etree._Element) -> str:
    return attribute(child(element, "w:name"), "val").lower()


def _level_of_name(name: str) -> int:
    found = _HEADING.match(name.replace("heading", "heading ").replace("  ", " "))
    return int(found[1]) if found else 0


def _outline_level(chain: list[etree._Element]) -> int:
    for element in chain:
        level = attribute(child(child(element, "w:pPr"), "w:outlineLvl"), "val")
        if level:
            return number(level, 9) + 1 if number(level, 9) < 9 else 0
    return 0


def _numbering(chain: list[etree._Element]) -> tuple[str, int]:
    for element in chain:
        properties = child(child(element, "w:pPr"), "w:numPr")
        if properties is not None:
            level = number(attribute(child(properties, "w:ilvl"), "val"))
            return attribute(child(properties, "w:numId"), "val"), level
    return "", 0


def _is_mono(element: etree._Element) -> bool:
    return is_mono_font(child(element, "w:rPr"))


def is_mono_font(run_properties: etree._Element | None) -> bool:
    """Whether run properties name a font of fixed width."""
    fonts = child(run_properties, "w:rFonts")
    return bool(_MONO.search(attribute(fonts, "ascii")))
