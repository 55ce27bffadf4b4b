"""The order of things after both sides had their way with it: what neither moved stands, around it what one put there.

Nothing depends on which side is which, but for what both put at different places.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lace_core.order import between


def merge_order(
    base: Sequence[str],
    ours: Sequence[str],
    theirs: Sequence[str],
    members: Collection[str],
    as_theirs: Collection[str] = (),
) -> tuple[list[str], list[str]]:
    """The members in their merged order, and those that both sides put at different places, sorted.

    Of the latter those in `as_theirs` stand where theirs has them, the others where ours has them. Runs that both
    sides put behind the same neighbour follow each other whole, the one with the smaller first id before.
    """
    in_ours, in_theirs = set(ours) & set(members), set(theirs) & set(members)
    shared = [ident for ident in base if ident in in_ours and ident in in_theirs]
    moved_by_us, moved_by_them = _moved(shared, ours), _moved(shared, theirs)
    anchors = set(shared) - moved_by_us - moved_by_them
    twice = (in_ours & in_theirs) - anchors - (moved_by_us ^ moved_by_them)
    agreed, contested = _agreed(ours, theirs, anchors, twice)
    anchors |= agreed
    to_us = in_ours - anchors - (moved_by_them - moved_by_us) - (contested & set(as_theirs))
    to_them = in_theirs - anchors - to_us
    runs_of_us, runs_of_them = _runs(ours, anchors, to_us), _runs(theirs, anchors, to_them)
    merged: list[str] = []
    for anchor in ["", *(ident for ident in ours if ident in anchors)]:
        merged += [anchor] if anchor else []
        runs = [run for run in (runs_of_us.get(anchor), runs_of_them.get(anchor)) if run]
        merged += [ident for run in sorted(runs) for ident in run]
    return merged, sorted(contested)


def order_keys(wanted: Sequence[str]) -> list[str]:
    """Keys that sort as they stand: as many of the wanted ones as can stay, the others made to fit between."""
    stays = set(longest_increasing(wanted))
    keys: list[str] = []
    ahead = [wanted[place] for place in sorted(stays)]
    for place in range(len(wanted)):
        if place in stays:
            keys.append(ahead.pop(0))
        else:
            keys.append(between(keys[-1] if keys else "", ahead[0] if ahead else ""))
    return keys


def longest_increasing(values: Sequence[Any]) -> list[int]:
    """Places of a longest strictly increasing subsequence, in order; O(n log n)."""
    tails: list[Any] = []  # values at which increasing runs of each length end
    ends: list[int] = []  # places of those
    previous: list[int] = []
    for place, value in enumerate(values):
        length = bisect_left(tails, value)
        previous.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [value]
        ends[length : length + 1] = [place]
    found: list[int] = []
    place = ends[-1] if ends else -1
    while place >= 0:
        found.append(place)
        place = previous[place]
    return found[::-1]


def _moved(shared: Sequence[str], side: Sequence[str]) -> set[str]:
    """The fewest of the shared that have to be moved to come to the side's order."""
    rank = {ident: place for place, ident in enumerate(shared)}
    order = [ident for ident in side if ident in rank]
    stays = longest_increasing([rank[ident] for ident in order])
    return set(shared) - {order[place] for place in stays}


def _agreed(
    ours: Sequence[str], theirs: Sequence[str], anchors: Collection[str], twice: Collection[str]
) -> tuple[set[str], set[str]]:
    """Of what both sides put somewhere: what stands alike in both, and what does not."""
    if not twice:
        return set(), set()
    runs_of_us, runs_of_them = _runs(ours, anchors, twice), _runs(theirs, anchors, twice)
    gap_of_them = {ident: anchor for anchor, run in runs_of_them.items() for ident in run}
    agreed: set[str] = set()
    for anchor, run in runs_of_us.items():
        same = {ident for ident in run if gap_of_them[ident] == anchor}
        if [i for i in run if i in same] == [i for i in runs_of_them.get(anchor, ()) if i in same]:
            agreed |= same
    return agreed, set(twice) - agreed


def _runs(side: Sequence[str], anchors: Collection[str], wanted: Collection[str]) -> Mapping[str, list[str]]:
    """What a side put behind each anchor ("" is the beginning), in its order."""
    runs: dict[str, list[str]] = {}
    anchor = ""
    for ident in side:
        if ident in anchors:
            anchor = ident
        elif ident in wanted:
            runs.setdefault(anchor, []).append(ident)
    return runs
