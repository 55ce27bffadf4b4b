"""Which texts of a gap are the same, rewritten: pairs that keep their order and are together most alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lace_ingest.domain.diffs.tokens import similarity

MOST_AT_ONCE = 48
"""Texts of either side that are compared with one another; a longer gap is cut into pieces in proportion."""


def paired(before: Sequence[str], after: Sequence[str], least: int) -> list[tuple[int, int]]:
    """Places of encoded texts (see Vocabulary) that are alike from `least` per mille on, increasing on both sides."""
    pieces = max(-(-len(before) // MOST_AT_ONCE), -(-len(after) // MOST_AT_ONCE))
    found: list[tuple[int, int]] = []
    for piece in range(pieces):
        old = piece * len(before) // pieces, (piece + 1) * len(before) // pieces
        new = piece * len(after) // pieces, (piece + 1) * len(after) // pieces
        best = _best(before[slice(*old)], after[slice(*new)], least)
        found.extend((old[0] + left, new[0] + right) for left, right in best)
    return found


def _best(before: Sequence[str], after: Sequence[str], least: int) -> Iterator[tuple[int, int]]:
    """The pairs with the greatest sum of similarities; the table holds that of what follows both places."""
    alike = [[similarity(old, new, least) for new in after] for old in before]
    best = [[0] * (len(after) + 1) for _ in range(len(before) + 1)]
    for left in reversed(range(len(before))):
        for right in reversed(range(len(after))):
            both = alike[left][right] + best[left + 1][right + 1] if alike[left][right] else 0
            best[left][right] = max(best[left + 1][right], best[left][right + 1], both)
    left = right = 0
    while left < len(before) and right < len(after):
        if alike[left][right] and best[left][right] == alike[left][right] + best[left + 1][right + 1]:
            yield left, right
            left, right = left + 1, right + 1
        elif best[left][right] == best[left + 1][right]:
            left += 1
        else:
            right += 1
