"""What a PDF page holds once it is read: glyphs in content order, strokes, its structure tree where it is tagged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

UNTAGGED = -1


class Glyph(NamedTuple):
    """A character with its place in points from the lower left: `y` is its baseline, `run` its text object."""

    char: str
    x0: float
    x1: float
    y: float
    size: float
    font: Font
    mark: int
    run: int


class Font(NamedTuple):
    """What matters of a font."""

    bold: bool
    italic: bool
    mono: bool


class Stroke(NamedTuple):
    """A straight line of a table or frame, horizontal or vertical."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def is_horizontal(self) -> bool:
        """Whether it runs along x."""
        return self.x1 - self.x0 >= self.y1 - self.y0


@dataclass
class Element:
    """A structure element of a tagged page; `children` are elements and marks (ids of marked content).

    `begins_before` and `goes_on` say that it has content on earlier and later pages.
    """

    role: str
    alt: str = ""
    column_span: int = 1
    row_span: int = 1
    children: list[Element | int] = field(default_factory=list)
    begins_before: bool = False
    goes_on: bool = False


@dataclass
class Page:
    """One page: `number` counts from 1, sizes in points; `has_content` says that something is drawn on it,
    `is_broken` that it could not be read."""

    number: int
    width: float
    height: float
    glyphs: list[Glyph] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)
    tree: list[Element] = field(default_factory=list)
    has_content: bool = False
    is_broken: bool = False


class Bookmark(NamedTuple):
    """An entry of the document's outline: `level` from 1, `page` from 1 (0 where it leads nowhere)."""

    level: int
    title: str
    page: int
