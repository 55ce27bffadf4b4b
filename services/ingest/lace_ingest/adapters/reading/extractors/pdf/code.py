"""Lays out lines of fixed width again: indentation by their place, blank lines by their distance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from lace_ingest.adapters.reading.extractors.pdf.lines import Line

_BLANK_GAP = 1.6


def lay_out(lines: Sequence[Line]) -> str:
    """The text of a program as it stands on the page."""
    if not lines:
        return ""
    width = median(line.character_width for line in lines) or 1.0
    left = min(line.x0 for line in lines)
    leading = _leading(lines)
    result: list[str] = []
    last: Line | None = None
    for line in lines:
        column = max(round((line.x0 - left) / width), 0)
        if last is not None and abs(last.y - line.y) < 0.3 * line.size:
            result[-1] = result[-1].ljust(column) + line.text
        else:
            if last is not None and last.y - line.y > _BLANK_GAP * leading:
                result.append("")
            result.append(" " * column + line.text)
        last = line
    return "\n".join(result)


def _leading(lines: Sequence[Line]) -> float:
    gaps = [a.y - b.y for a, b in pairwise(lines) if a.y - b.y > 0.5 * a.size]
    return min(gaps, default=lines[0].size * 1.2)
