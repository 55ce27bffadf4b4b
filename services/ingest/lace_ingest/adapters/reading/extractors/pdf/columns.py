"""Finds the columns of a page: the blank gutters between them, and what runs across; each part is read by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lace_ingest.adapters.reading.extractors.pdf.lines import Line
from lace_ingest.adapters.reading.extractors.pdf.page import Stroke

_GUTTER = 7.0  # points: a narrower gap is one between words
_ENOUGH_LINES = 6
_LINE_CHARS = 18  # on average, in a column of prose
_MOST_ACROSS = 0.35  # of the lines
_SHARED_HEIGHT = 0.3  # of the lower of two columns
_DEPTH = 3
_MOST_LINES = 1500
_ACROSS = 20.0  # points that a stroke must reach beyond a gutter on both sides to run across it
_SAME_ROW = 0.35  # of the font size


@dataclass(frozen=True)
class Region:
    """Lines to be read by themselves, in reading order; `column` counts on where text flows into the next."""

    lines: tuple[Line, ...]
    column: int


def regions(lines: Sequence[Line], strokes: Sequence[Stroke]) -> list[Region]:
    """The regions of a page in reading order: all of it where it has one column, or more lines than pages of text."""
    rules = [stroke for stroke in strokes if stroke.is_horizontal and stroke.x1 - stroke.x0 > 2 * _ACROSS]
    parts = _parts(list(lines), rules, _DEPTH if len(lines) <= _MOST_LINES else 0)
    return [Region(tuple(part), at) for at, part in enumerate(parts)]


def _parts(lines: list[Line], strokes: Sequence[Stroke], depth: int) -> list[list[Line]]:
    gutter = _gutter(lines, strokes) if depth else None
    if gutter is None:
        return [lines]
    parts: list[list[Line]] = []
    for zone in _zones(lines, gutter):
        left = [line for line in zone if line.x1 <= gutter]
        right = [line for line in zone if line.x0 >= gutter]
        across = [line for line in zone if line.x0 < gutter < line.x1]
        for side in (across, left, right):
            if side:
                parts.extend([side] if side is across else _parts(_in_order(side), strokes, depth - 1))
    return parts


def _gutter(lines: Sequence[Line], strokes: Sequence[Stroke]) -> float | None:
    """The middle of the blank band that parts the lines best; None where the lines are in one column."""
    found = [(score, -abs(x), x) for x in _candidates(lines) if (score := _score(lines, x, strokes)) > 0]
    return max(found)[2] if found else None


def _candidates(lines: Sequence[Line]) -> list[float]:
    """Middles of the gaps that open where a good part of the lines end and others begin."""
    ends = sorted({round(line.x1) for line in lines})
    starts = sorted({round(line.x0) for line in lines})
    middles = set()
    for start in starts:
        before = [end for end in ends if end <= start - _GUTTER]
        if before:
            middles.add((before[-1] + start) / 2)
    return sorted(middles)


def _score(lines: Sequence[Line], x: float, strokes: Sequence[Stroke]) -> int:
    """How many lines a gutter at `x` parts; 0 where what stands beside it is no column of prose."""
    left = [line for line in lines if line.x1 <= x - _GUTTER / 2]
    right = [line for line in lines if line.x0 >= x + _GUTTER / 2]
    across = len(lines) - len(left) - len(right)
    if min(len(left), len(right)) < _ENOUGH_LINES or across > _MOST_ACROSS * len(lines):
        return 0
    if not (_is_prose(left) and _is_prose(right)) or _shared(left, right) < _SHARED_HEIGHT:
        return 0
    return 0 if _is_ruled_across(left, right, x, strokes) else len(left) + len(right)


def _is_prose(lines: Sequence[Line]) -> bool:
    """Whether lines are as long as those of running text: a column of cells is ragged, and short."""
    long = sum(1 for line in lines if len(line.text) >= _LINE_CHARS)
    return 2 * long >= len(lines) and sum(len(line.text) for line in lines) >= _LINE_CHARS * len(lines)


def _shared(left: Sequence[Line], right: Sequence[Line]) -> float:
    """The share of the lower column's height at which the other stands too."""
    (a, b), (c, d) = _extent(left), _extent(right)
    lower = min(b - a, d - c)
    return (min(b, d) - max(a, c)) / lower if lower > 0 else 0.0


def _extent(lines: Sequence[Line]) -> tuple[float, float]:
    return min(line.y for line in lines), max(line.y for line in lines)


def _is_ruled_across(left: Sequence[Line], right: Sequence[Line], x: float, strokes: Sequence[Stroke]) -> bool:
    """Whether several strokes run across the gutter between the lines, as they do in a table."""
    low = max(_extent(left)[0], _extent(right)[0])
    high = min(_extent(left)[1], _extent(right)[1])
    crossing = {
        round(stroke.y0)
        for stroke in strokes
        if stroke.x0 < x - _ACROSS and stroke.x1 > x + _ACROSS and low < stroke.y0 < high
    }
    return len(crossing) > 2


def _zones(lines: Sequence[Line], gutter: float) -> list[list[Line]]:
    """The page cut from the top down at what runs across the gutter: each zone has columns, or runs across."""
    zones: list[list[Line]] = []
    was_across: bool | None = None
    for line in _from_the_top(lines):
        is_across = line.x0 < gutter < line.x1
        if is_across != was_across:
            zones.append([])
            was_across = is_across
        zones[-1].append(line)
    return zones


def _from_the_top(lines: Sequence[Line]) -> list[Line]:
    """Lines by rows: what stands on one baseline from left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: -line.y):
        if rows and abs(rows[-1][0].y - line.y) <= _SAME_ROW * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.x0)]


def _in_order(lines: list[Line]) -> list[Line]:
    """Lines of one column from the top down, those of one baseline from left to right."""
    ordered = _from_the_top(lines)
    falls = sum(1 for a, b in pairwise(lines) if b.y > a.y + _SAME_ROW * b.size)
    return ordered if falls else lines
