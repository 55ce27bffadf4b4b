"""Puts glyphs together to lines: words by their gaps, raised digits as what they mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lace_ingest.adapters.reading.extractors.pdf.page import Glyph

_SPACE_GAP = 0.17  # of the font size: two glyphs farther apart belong to two words
_SPLIT_GAP = 0.8  # a new text object behind a gap like this begins a new line, as the cells of a table do
_WIDE_GAP = 2.5
_SAME_BASELINE = 0.25
_RAISED_SIZE = 0.82
_SUPERSCRIPT = str.maketrans(
    "0123456789+-\u2212", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207b"
)
_MARK = re.compile(r"^[\d,*\u2020\u2021\u00a7\s]+$")
_SEVERAL = re.compile(r"[,\s]+")
_EXPONENT = re.compile(r"^[\d+\u2212-]+$")
_TAKES_EXPONENT = re.compile(r"(?:\d|(?<![^\W_])(?:[a-zA-Z\u03bc]{1,2}|min|mol|sec))$")


@dataclass(frozen=True)
class Line:
    """A stretch of text on one baseline.

    `size` is its most frequent font size; bold and italic hold for most of its glyphs, mono for all;
    `note_mark` is the raised mark of a footnote with which it begins, `references` are those within it, each with its
    distance from the end of the text; neither is part of the text. `low` and `high` are how far its glyphs reach.
    """

    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool
    italic: bool
    mono: bool
    note_mark: str = ""
    references: tuple[tuple[int, str], ...] = ()
    low: float = 0.0
    high: float = 0.0
    page: int = 0

    @property
    def is_note(self) -> bool:
        """Whether it begins as a footnote does."""
        return bool(self.note_mark)

    @property
    def character_width(self) -> float:
        """Mean width of a character in points."""
        return (self.x1 - self.x0) / max(len(self.text), 1)


def read_lines(glyphs: Iterable[Glyph], page: int = 0) -> list[Line]:
    """Lines of a page in content order; a gap as wide as between the cells of a table ends a line."""
    lines: list[Line] = []
    current: list[Glyph] = []
    last: Glyph | None = None  # the last of the current ones that is no space
    for glyph in glyphs:
        is_space = glyph.char.isspace()
        if last is not None and not _continues(last, glyph, is_space):
            _end(current, lines, page)
            current, last = [], None
        if last is not None or not is_space:
            current.append(glyph)
        if not is_space:
            last = glyph
    _end(current, lines, page)
    return lines


def _end(glyphs: list[Glyph], lines: list[Line], page: int) -> None:
    while glyphs and glyphs[-1].char.isspace():
        glyphs.pop()
    if not glyphs:
        return
    inked = [glyph for glyph in glyphs if not glyph.char.isspace()]
    size = _main_size(inked)
    baseline = _main_baseline(inked, size)
    text, raised = _text(glyphs, size, baseline)
    if text.strip():
        begins = len(text) - len(text.lstrip())
        ends = len(text.rstrip())
        half = len(inked) / 2
        lines.append(
            Line(
                text=text.strip(),
                x0=min([glyph.x0 for glyph in inked]),
                x1=max([glyph.x1 for glyph in inked]),
                y=baseline,
                size=size,
                bold=sum([glyph.font.bold for glyph in inked]) > half,
                italic=sum([glyph.font.italic for glyph in inked]) > half,
                mono=all(glyph.font.mono for glyph in inked),
                note_mark=next((mark for at, mark in raised if at <= begins), ""),
                references=tuple((max(ends - at, 0), mark) for at, mark in raised if at > begins),
                low=min([glyph.low for glyph in inked]),
                high=max([glyph.high for glyph in inked]),
                page=page,
            )
        )


def _continues(last: Glyph, glyph: Glyph, is_space: bool) -> bool:
    """Whether a glyph stands on the line whose last one, spaces aside, is given."""
    size = glyph.size if glyph.size > last.size else last.size
    rise = abs(glyph.y - last.y)
    if is_space:
        return rise <= size
    gap = glyph.x0 - last.x1
    if gap < -0.5 * size and glyph.x0 < last.x0 - 0.1 * size:
        return False  # back to the left; the letters of a ligature share one box
    if rise > _SAME_BASELINE * size:
        # Raised or lowered: clearly smaller than what it stands beside, and close to it.
        smaller = min(last.size, glyph.size) < _RAISED_SIZE * size
        return smaller and rise <= 0.7 * size and gap <= 0.5 * size
    return gap <= (_WIDE_GAP if glyph.run == last.run else _SPLIT_GAP) * size


def _main_size(inked: Sequence[Glyph]) -> float:
    [(size, _)] = Counter([round(glyph.size * 2) / 2 for glyph in inked]).most_common(1)
    return size


def _main_baseline(inked: Sequence[Glyph], size: float) -> float:
    main = [glyph.y for glyph in inked if abs(glyph.size - size) <= 0.5]
    return sorted(main)[len(main) // 2] if main else inked[0].y


def _text(glyphs: Sequence[Glyph], size: float, baseline: float) -> tuple[str, list[tuple[int, str]]]:
    """The text, and the marks of notes that stood in it with their places."""
    if min([glyph.size for glyph in glyphs]) >= _RAISED_SIZE * size:
        return _spaced(glyphs, size), []
    marks: list[tuple[int, str]] = []
    parts: list[str] = []
    raised: list[str] = []
    last: Glyph | None = None
    for glyph in glyphs:
        is_raised = _is_raised(glyph, size, baseline)
        if raised and not is_raised and not glyph.char.isspace():
            _end_raised(parts, raised, marks)
            raised = []
        if last and not last.char.isspace() and not glyph.char.isspace() and glyph.x0 - last.x1 > _SPACE_GAP * size:
            (raised if is_raised and raised else parts).append(" ")
        (raised if is_raised or (raised and glyph.char.isspace()) else parts).append(glyph.char)
        last = glyph
    _end_raised(parts, raised, marks)
    return "".join(parts), marks


def _spaced(glyphs: Sequence[Glyph], size: float) -> str:
    """The text of glyphs of which none is raised."""
    parts = [glyphs[0].char]
    for last, glyph in pairwise(glyphs):
        if glyph.x0 - last.x1 > _SPACE_GAP * size and not (last.char.isspace() or glyph.char.isspace()):
            parts.append(" ")
        parts.append(glyph.char)
    return "".join(parts)


def _is_raised(glyph: Glyph, size: float, baseline: float) -> bool:
    return glyph.size < _RAISED_SIZE * size and glyph.y - baseline > 0.12 * size


def _end_raised(parts: list[str], raised: Sequence[str], marks: list[tuple[int, str]]) -> None:
    """An exponent stays one; the mark of a note is no word of the sentence and goes to the marks."""
    text = "".join(raised)
    if not text:
        return
    before = "".join(parts)
    stripped = text.strip()
    tail = " " if text[-1:].isspace() else ""
    if _EXPONENT.match(stripped) and _TAKES_EXPONENT.search(before):
        parts.append(stripped.translate(_SUPERSCRIPT) + tail)
    elif _MARK.match(stripped):
        marks.extend((len(before), mark) for mark in _SEVERAL.split(stripped) if mark)
        parts.append(tail)
    else:
        parts.append(text)
