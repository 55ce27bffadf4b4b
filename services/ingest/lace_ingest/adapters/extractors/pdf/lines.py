"""Puts glyphs together to lines: words by their gaps, raised digits as what they mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lace_ingest.adapters.extractors.pdf.page import Glyph

_SPACE_GAP = 0.17  # of the font size: two glyphs farther apart belong to two words
_SPLIT_GAP = 0.8  # a new text object behind a gap like this begins a new line, as the cells of a table do
_WIDE_GAP = 2.5
_SAME_BASELINE = 0.25
_RAISED_SIZE = 0.82
_SUPERSCRIPT = str.maketrans(
    "0123456789+-\u2212", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207b"
)
_MARK = re.compile(r"^[\d,*\u2020\u2021\u00a7\s]+$")
_EXPONENT = re.compile(r"^[\d+\u2212-]+$")
_TAKES_EXPONENT = re.compile(r"(?:\d|(?<![^\W_])(?:[a-zA-Z\u03bc]{1,2}|min|mol|sec))$")


@dataclass(frozen=True)
class Line:
    """A stretch of text on one baseline.

    `size` is its most frequent font size; bold and italic hold for most of its glyphs, mono for all;
    `is_note` says that it begins with the raised mark of a footnote, which is no part of the text.
    """

    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool
    italic: bool
    mono: bool
    is_note: bool = False

    @property
    def character_width(self) -> float:
        """Mean width of a character in points."""
        return (self.x1 - self.x0) / max(len(self.text), 1)


def read_lines(glyphs: Iterable[Glyph]) -> list[Line]:
    """Lines in content order; a gap as wide as between the cells of a table ends a line."""
    lines: list[Line] = []
    current: list[Glyph] = []
    for glyph in glyphs:
        if current and not _continues(current, glyph):
            _end(current, lines)
            current = []
        if current or not glyph.char.isspace():
            current.append(glyph)
    _end(current, lines)
    return lines


def _end(glyphs: list[Glyph], lines: list[Line]) -> None:
    while glyphs and glyphs[-1].char.isspace():
        glyphs.pop()
    if not glyphs:
        return
    size = _main_size(glyphs)
    text = _text(glyphs, size)
    if text.strip():
        inked = [glyph for glyph in glyphs if not glyph.char.isspace()]
        half = len(inked) / 2
        lines.append(
            Line(
                text=text.strip(),
                x0=min(glyph.x0 for glyph in inked),
                x1=max(glyph.x1 for glyph in inked),
                y=_main_baseline(glyphs, size),
                size=size,
                bold=sum(glyph.font.bold for glyph in inked) > half,
                italic=sum(glyph.font.italic for glyph in inked) > half,
                mono=all(glyph.font.mono for glyph in inked),
                is_note=_is_raised(inked[0], size, _main_baseline(glyphs, size)) and bool(_MARK.match(inked[0].char)),
            )
        )


def _continues(current: Sequence[Glyph], glyph: Glyph) -> bool:
    last = next((other for other in reversed(current) if not other.char.isspace()), current[-1])
    size = max(last.size, glyph.size)
    gap = glyph.x0 - last.x1
    if glyph.char.isspace():
        return abs(glyph.y - last.y) <= size
    if gap < -0.5 * size and glyph.x0 < last.x0 - 0.1 * size:
        return False  # back to the left; the letters of a ligature share one box
    if abs(glyph.y - last.y) > _SAME_BASELINE * size:
        # Raised or lowered: clearly smaller than what it stands beside, and close to it.
        smaller = min(last.size, glyph.size) < _RAISED_SIZE * size
        return smaller and abs(glyph.y - last.y) <= 0.7 * size and gap <= 0.5 * size
    return gap <= (_WIDE_GAP if glyph.run == last.run else _SPLIT_GAP) * size


def _main_size(glyphs: Sequence[Glyph]) -> float:
    [(size, _)] = Counter(round(glyph.size * 2) / 2 for glyph in glyphs if not glyph.char.isspace()).most_common(1)
    return size


def _main_baseline(glyphs: Sequence[Glyph], size: float) -> float:
    main = [glyph.y for glyph in glyphs if abs(glyph.size - size) <= 0.5 and not glyph.char.isspace()]
    return sorted(main)[len(main) // 2] if main else glyphs[0].y


def _text(glyphs: Sequence[Glyph], size: float) -> str:
    baseline = _main_baseline(glyphs, size)
    parts: list[str] = []
    raised: list[str] = []
    last: Glyph | None = None
    for glyph in glyphs:
        is_raised = _is_raised(glyph, size, baseline)
        if raised and not is_raised and not glyph.char.isspace():
            parts.append(_raised_text("".join(parts), "".join(raised)))
            raised = []
        if last and not last.char.isspace() and not glyph.char.isspace() and glyph.x0 - last.x1 > _SPACE_GAP * size:
            (raised if is_raised and raised else parts).append(" ")
        (raised if is_raised or (raised and glyph.char.isspace()) else parts).append(glyph.char)
        last = glyph
    parts.append(_raised_text("".join(parts), "".join(raised)))
    return "".join(parts)


def _is_raised(glyph: Glyph, size: float, baseline: float) -> bool:
    return glyph.size < _RAISED_SIZE * size and glyph.y - baseline > 0.12 * size


def _raised_text(before: str, raised: str) -> str:
    """An exponent stays one; the mark of a note is dropped, as it is no word of the sentence."""
    if not raised:
        return ""
    stripped = raised.strip()
    tail = " " if raised[-1:].isspace() else ""
    if _EXPONENT.match(stripped) and _TAKES_EXPONENT.search(before):
        return stripped.translate(_SUPERSCRIPT) + tail
    return tail if _MARK.match(stripped) else raised
