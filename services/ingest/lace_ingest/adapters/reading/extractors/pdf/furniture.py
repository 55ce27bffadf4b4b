"""Takes running heads, running feet and page numbers off the pages, which are no part of what the document says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lace_ingest.adapters.reading.extractors.pdf.lines import Line
from lace_ingest.adapters.reading.extractors.pdf.page import Stroke

_MARGIN = 0.11  # of the page's height, at its top and at its foot
_OUTERMOST = 5
_GAP = 1.6  # of the font size, between a running head and the text
_SAME_LINE = 0.3  # of the font size
_DIGITS = re.compile(r"\d+|\b[ivxlc]{1,6}$")
_PAGE_NUMBER = re.compile(
    r"^[\s\-\u2013\u2014|]*(?:page|seite|p\.)?\s*(?:\d{1,4}|[ivxlc]{1,6})(?:\s*(?:of|/|von|sur|de)\s*\d{1,4})?[\s\-\u2013\u2014|]*$",
    re.IGNORECASE,
)


@dataclass
class PageLines:
    """The lines of a page in content order, its size in points and its strokes."""

    number: int
    width: float
    height: float
    lines: list[Line]
    strokes: list[Stroke]


def without_furniture(pages: Sequence[PageLines]) -> list[PageLines]:
    """The pages without what repeats in their margins, and without their numbers."""
    repeated = _repeated(pages)
    return [PageLines(page.number, page.width, page.height, _kept(page, repeated), page.strokes) for page in pages]


def running_text(pages: Sequence[PageLines], artifacts: Sequence[Line] = ()) -> tuple[str, ...]:
    """What runs along the margins of the pages, each wording once, with its numbers as #.

    `artifacts` are lines that the tags of a document name as such.
    """
    repeated = _repeated(pages)
    margins = [line for page in pages for line in _running(page, repeated)]
    return tuple(dict.fromkeys(_DIGITS.sub("#", " ".join(line.text.split())) for line in (*margins, *artifacts)))


def _repeated(pages: Sequence[PageLines]) -> set[tuple[str, str]]:
    counts = Counter(key for page in pages for key in {key for _, key in _marginal(page)})
    enough = max(2, min(3, round(0.3 * len(pages))))
    return {key for key, count in counts.items() if count >= enough}


def _kept(page: PageLines, repeated: set[tuple[str, str]]) -> list[Line]:
    dropped = set(map(id, _running(page, repeated)))
    return [line for line in page.lines if id(line) not in dropped]


def _running(page: PageLines, repeated: set[tuple[str, str]]) -> list[Line]:
    """What repeats in the margins, page numbers, and what stands on one line with a page number."""
    marginal = _marginal(page)
    numbers = [line.y for line, _ in marginal if _PAGE_NUMBER.match(line.text)]
    return [
        line
        for line, key in marginal
        if key in repeated or any(abs(line.y - y) < _SAME_LINE * line.size for y in numbers)
    ]


def _marginal(page: PageLines) -> list[tuple[Line, tuple[str, str]]]:
    """The lines in the margins that a gap parts from the page's text, each with a key in which numbers are alike."""
    upwards = sorted(page.lines, key=lambda line: line.y)
    low = _set_off(upwards[: _OUTERMOST + 1])
    high = _set_off(list(reversed(upwards[-_OUTERMOST - 1 :])))
    found = [(line, ("foot", _key(line))) for line in low if line.y < _MARGIN * page.height]
    return found + [(line, ("head", _key(line))) for line in high if line.y > (1 - _MARGIN) * page.height]


def _set_off(outwards: Sequence[Line]) -> list[Line]:
    """The outermost lines up to the last wide gap among them."""
    cut = 0
    for at, (outer, inner) in enumerate(pairwise(outwards), start=1):
        if abs(outer.y - inner.y) > _GAP * max(outer.size, inner.size):
            cut = at
    return list(outwards[:cut])


def _key(line: Line) -> str:
    return _DIGITS.sub("#", " ".join(line.text.lower().split()))
