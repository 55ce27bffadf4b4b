"""What a PDF page holds once it is read: glyphs in content order, strokes, its structure tree where it is tagged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

UNTAGGED = -1


class Glyph(NamedTuple):
    """A character with its place in points from the lower left: `y` is its baseline, `run` its text object.

    `low` and `high` are how far its font reaches below and above.
    """

    char: str
    x0: float
    x1: float
    y: float
    size: float
    font: Font
    mark: int
    run: int
    low: float = 0.0
    high: float = 0.0


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


class Frame(NamedTuple):
    """How places on a page as it is read become places on it as it is shown.

    `width` and `height` are those of the page before it is turned; `turn` counts the counter-clockwise quarter turns
    of its text, `rotation` the clockwise ones by which a viewer turns the page.
    """

    width: float = 0.0
    height: float = 0.0
    turn: int = 0
    rotation: int = 0

    def shown(self, x0: float, low: float, x1: float, high: float) -> tuple[float, float, float, float]:
        """A box read from the lower left as x0, y0, x1, y1 from the upper left of what a viewer shows."""
        a, b = self._on_paper(x0, low), self._on_paper(x1, high)
        c, d = self._seen(*a), self._seen(*b)
        return min(c[0], d[0]), min(c[1], d[1]), max(c[0], d[0]), max(c[1], d[1])

    def _on_paper(self, x: float, y: float) -> tuple[float, float]:
        turned = ((x, y), (self.width - y, x), (self.width - x, self.height - y), (y, self.height - x))
        return turned[self.turn % 4]

    def _seen(self, x: float, y: float) -> tuple[float, float]:
        rotated = ((x, self.height - y), (y, x), (self.width - x, y), (self.height - y, self.width - x))
        return rotated[self.rotation % 4]


@dataclass
class Page:
    """One page: `number` counts from 1, sizes in points; `has_content` says that something is drawn on it,
    `is_broken` that it could not be read.

    `turned_out` counts characters left out as they run otherwise than the page, `unknown` those without a meaning.
    """

    number: int
    width: float
    height: float
    glyphs: list[Glyph] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)
    tree: list[Element] = field(default_factory=list)
    has_content: bool = False
    is_broken: bool = False
    frame: Frame = field(default_factory=Frame)
    turned_out: int = 0
    unknown: int = 0


class Bookmark(NamedTuple):
    """An entry of the document's outline: `level` from 1, `page` from 1 (0 where it leads nowhere)."""

    level: int
    title: str
    page: int
