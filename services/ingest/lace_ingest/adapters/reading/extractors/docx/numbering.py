"""Which marker a list paragraph carries: the counters of numbering.xml, kept while the document is read."""

from __future__ import annotations

from lxml import etree

from lace_ingest.adapters.reading.extractors.docx.names import attribute, child, number, tag

BLANK = ""
"""Marker of a paragraph that is indented like a list item but goes on with the one before."""
_ROMAN = ((50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


class Numbering:
    """Markers by numbering id and level."""

    def __init__(self, root: etree._Element | None) -> None:
        abstract: dict[str, etree._Element] = {}
        self._levels: dict[str, dict[int, tuple[str, str]]] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._counters: dict[tuple[str, int], int] = {}
        for element in root if root is not None else ():
            if tag(element) == "w:abstractNum":
                abstract[attribute(element, "abstractNumId")] = element
            elif tag(element) == "w:num":
                self._add(element, abstract)

    def _add(self, element: etree._Element, abstract: dict[str, etree._Element]) -> None:
        num_id = attribute(element, "numId")
        base = abstract.get(attribute(child(element, "w:abstractNumId"), "val"))
        levels: dict[int, tuple[str, str]] = {}
        overrides = [inner for inner in element if tag(inner) == "w:lvlOverride"]
        for level in [*(base if base is not None else ()), *(part for over in overrides for part in over)]:
            if tag(level) != "w:lvl":
                continue
            at = number(attribute(level, "ilvl"))
            levels[at] = (attribute(child(level, "w:numFmt"), "val"), attribute(child(level, "w:lvlText"), "val"))
            self._starts[num_id, at] = number(attribute(child(level, "w:start"), "val"), 1)
        for over in overrides:
            start = attribute(child(over, "w:startOverride"), "val")
            if start:
                self._starts[num_id, number(attribute(over, "ilvl"))] = number(start, 1)
        self._levels[num_id] = levels

    def marker(self, num_id: str, level: int) -> str:
        """The next marker of a list at a level: `-`, `3.`, `b)`; BLANK where the level shows none."""
        levels = self._levels.get(num_id, {})
        # A style of a deeper level ("List Number 2") may have a numbering of its own, which then has one level only.
        level = level if level in levels else 0
        style, text = levels.get(level, ("bullet", "-"))
        if style == "none" or not text.strip():
            return BLANK
        if style == "bullet":
            return "-"
        value = self._counters.get((num_id, level), self._starts.get((num_id, level), 1) - 1) + 1
        self._counters[num_id, level] = value
        for key in [key for key in self._counters if key[0] == num_id and key[1] > level]:
            del self._counters[key]
        return _formatted(style, value) + (")" if text.rstrip().endswith(")") else ".")


def _formatted(style: str, value: int) -> str:
    if style in ("lowerLetter", "upperLetter") and 1 <= value <= 26:
        return chr(ord("a" if style == "lowerLetter" else "A") + value - 1)
    if style in ("lowerRoman", "upperRoman") and 1 <= value < 90:
        small = roman(value)
        return small if style == "lowerRoman" else small.upper()
    return str(value)


def roman(value: int) -> str:
    """A number below 90 in small Roman figures."""
    text = ""
    for size, mark in _ROMAN:
        while value >= size:
            text += mark
            value -= size
    return text
