"""Finds a table in lines of plain text: cells apart by bars, tabs or aligned gaps of two spaces and more."""

from __future__ import annotations

import re
from collections.abc import Sequence

_RULER = re.compile(r"^[\s|+=\-:_\u2500-\u257f]{3,}$")
_STROKES = re.compile(r"^\s*(?:={2,}|-{2,})(?:\s+(?:={2,}|-{2,}))+\s*$")
_GAP = re.compile(r"\s{2,}")


def read_table(lines: Sequence[str]) -> list[tuple[str, ...]]:
    """The rows of a table, its heads first; empty where the lines are none."""
    body = [line for line in lines if not _RULER.match(line)]
    if len(body) < 2:
        return []
    ruled = _by_ruler(lines, body)
    if ruled:
        return ruled
    if all("|" in line for line in body):
        return _regular([tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in body])
    return _aligned(body, ruled=len(body) < len(lines))


def _by_ruler(lines: Sequence[str], body: Sequence[str]) -> list[tuple[str, ...]]:
    """Rows by the columns that a ruler of several strokes (`==== === ===`) draws, where no text crosses its gaps."""
    ruler = next((line for line in lines if _STROKES.match(line)), "")
    bounds = [found.span() for found in re.finditer(r"[=-]+", ruler)]
    if not bounds:
        return []
    ends = [start for start, _ in bounds[1:]]
    if any(line[end - 1 : end].strip() for line in body for end in ends):
        return []
    stops = [*ends, max(map(len, lines))]
    return [tuple(line[start:stop].strip() for (start, _), stop in zip(bounds, stops, strict=True)) for line in body]


def _regular(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return rows if len(rows[0]) >= 2 and len({len(row) for row in rows}) == 1 else []


def _aligned(body: Sequence[str], *, ruled: bool) -> list[tuple[str, ...]]:
    """Rows by the columns of blank characters that all lines share.

    Prose has such gaps by accident only: without a ruler at least three lines must agree, and most lines must show
    a gap of two spaces in each place.
    """
    if len(body) < (2 if ruled else 3):
        return []
    width = max(map(len, body))
    padded = [line.ljust(width) for line in body]
    blank = [all(line[at] == " " for line in padded) for at in range(width)]
    bounds = _columns(blank)
    if len(bounds) < 2:
        return []
    gapped = sum(1 for line in body if len(_GAP.split(line.strip())) >= len(bounds))
    if gapped < 0.6 * len(body):
        return []
    return [tuple(line[start:end].strip() for start, end in bounds) for line in padded]


def _columns(blank: Sequence[bool]) -> list[tuple[int, int]]:
    """Stretches of text columns, parted by two or more shared blanks."""
    bounds: list[tuple[int, int]] = []
    start = -1
    gap = 0
    for at, is_blank in enumerate([*blank, True, True]):
        if is_blank:
            gap += 1
            if gap == 2 and start >= 0:
                bounds.append((start, at - 1))
                start = -1
        else:
            start = at if start < 0 else start
            gap = 0
    return bounds
