"""What two sequences have in common, in time and memory that no input can drive beyond a multiple of their length.

Elements on one side only cannot match and are left out; those that stand once on each side are anchors (Cohen's
patience diff, 2008); between anchors the longest common subsequence is exact (bit-parallel, Hyyrö 2004, by rapidfuzz)
while a gap is small enough, and a larger gap is cut into pieces in proportion. Nothing depends on a clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import LCSseq

CELLS = 25_000_000
"""Pairs of elements that one exact comparison may look at: 3 MB of bits, a hundredth of a second or two."""


@dataclass(frozen=True)
class Stretch:
    """Equal elements or a gap: `before` and `after` are half-open ranges, of the same length where equal."""

    equal: bool
    before: tuple[int, int]
    after: tuple[int, int]


def align(before: Sequence[str], after: Sequence[str]) -> list[Stretch]:
    """Stretches that cover both sequences in order, equal ones and gaps in turn."""
    return list(_stretches(common(before, after), len(before), len(after)))


def common(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Places of equal elements, increasing on both sides: a longest common subsequence where gaps are small."""
    shared = set(before).intersection(after)
    left = [place for place, element in enumerate(before) if element in shared]
    right = [place for place, element in enumerate(after) if element in shared]
    pairs = _between([before[place] for place in left], [after[place] for place in right])
    return [(left[old], right[new]) for old, new in pairs]


def increasing(places: Sequence[int]) -> list[int]:
    """Indices of a longest strictly increasing subsequence, of several the one with the smallest ends."""
    tails: list[int] = []
    ends: list[int] = []
    previous: list[int] = []
    for index, place in enumerate(places):
        length = bisect_left(tails, place)
        previous.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [place]
        ends[length : length + 1] = [index]
    found: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        found.append(index)
        index = previous[index]
    return found[::-1]


@dataclass(frozen=True)
class _Piece:
    """A part of both sequences that is still to be compared."""

    old: tuple[int, int]
    new: tuple[int, int]

    @property
    def cells(self) -> int:
        return (self.old[1] - self.old[0]) * (self.new[1] - self.new[0])


def _between(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    todo = [_Piece((0, len(before)), (0, len(after)))]
    while todo:
        piece = _trimmed(before, after, todo.pop(), found)
        if not piece.cells:
            continue
        if piece.cells <= CELLS:
            found.extend(_exact(before, after, piece))
            continue
        anchors = _anchors(before, after, piece)
        found.extend(anchors)
        todo.extend(_gaps(piece, anchors) if anchors else _halves(piece))
    return sorted(found)


def _trimmed(before: Sequence[str], after: Sequence[str], piece: _Piece, found: list[tuple[int, int]]) -> _Piece:
    """The piece without what it begins and ends with on both sides, which is found to be equal."""
    (start, end), (new_start, new_end) = piece.old, piece.new
    while start < end and new_start < new_end and before[start] == after[new_start]:
        found.append((start, new_start))
        start, new_start = start + 1, new_start + 1
    while start < end and new_start < new_end and before[end - 1] == after[new_end - 1]:
        end, new_end = end - 1, new_end - 1
        found.append((end, new_end))
    return _Piece((start, end), (new_start, new_end))


def _exact(before: Sequence[str], after: Sequence[str], piece: _Piece) -> Iterator[tuple[int, int]]:
    """The longest common subsequence; elements become code points, which compare fast and never collide.

    Only the shorter side's have codes of their own, of which there are enough: the others can match none of them.
    """
    old, new = before[slice(*piece.old)], after[slice(*piece.new)]
    codes: dict[str, str] = {}
    for element in min(old, new, key=len):
        codes.setdefault(element, chr(len(codes) + 1))
    left, right = ("".join([codes.get(element, "\0") for element in side]) for side in (old, new))
    for step in LCSseq.opcodes(left, right):
        if step.tag == "equal":
            for offset in range(step.src_end - step.src_start):
                yield piece.old[0] + step.src_start + offset, piece.new[0] + step.dest_start + offset


def _anchors(before: Sequence[str], after: Sequence[str], piece: _Piece) -> list[tuple[int, int]]:
    """Elements that stand once in each part, as many of them as keep their order."""
    old_counts, new_counts = Counter(before[slice(*piece.old)]), Counter(after[slice(*piece.new)])
    where = {after[place]: place for place in range(*piece.new) if new_counts[after[place]] == 1}
    once = [
        (place, where[before[place]])
        for place in range(*piece.old)
        if old_counts[before[place]] == 1 and before[place] in where
    ]
    return [once[index] for index in increasing([new for _, new in once])]


def _gaps(piece: _Piece, anchors: Sequence[tuple[int, int]]) -> Iterator[_Piece]:
    old, new = piece.old[0], piece.new[0]
    for at_old, at_new in (*anchors, (piece.old[1], piece.new[1])):
        yield _Piece((old, at_old), (new, at_new))
        old, new = at_old + 1, at_new + 1


def _halves(piece: _Piece) -> tuple[_Piece, _Piece]:
    old, new = sum(piece.old) // 2, sum(piece.new) // 2
    return _Piece((piece.old[0], old), (piece.new[0], new)), _Piece((old, piece.old[1]), (new, piece.new[1]))


def _stretches(pairs: Sequence[tuple[int, int]], before: int, after: int) -> Iterator[Stretch]:
    old = new = 0
    index = 0
    while index < len(pairs):
        first_old, first_new = pairs[index]
        if (old, new) != (first_old, first_new):
            yield Stretch(False, (old, first_old), (new, first_new))
        old, new = first_old, first_new
        while index < len(pairs) and pairs[index] == (old, new):
            old, new, index = old + 1, new + 1, index + 1
        yield Stretch(True, (first_old, old), (first_new, new))
    if (old, new) != (before, after):
        yield Stretch(False, (old, before), (new, after))
