"""Differences with the sections that they are in, and those that a reader wants to see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lace_core.diff import Diff, Difference
from lace_core.ir import Artifact

Level = Literal["node", "block", "sentence"]

_SHOWN = {"node": ("document", "source", "node"), "block": ("document", "source", "node", "block")}


@dataclass(frozen=True)
class Placed:
    """A difference, and the titles of the sections down to the one that it is in; none above sections."""

    difference: Difference
    path: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """What is shown of a difference: who is compared, a part of the differences, and how many there are in all."""

    before: str
    after: str
    title: str
    differences: Sequence[Placed]
    total: int
    first: int
    counts: dict[str, int]


def placed(
    found: Diff, before: Artifact, after: Artifact, node_id: str = "", level: Level = "sentence"
) -> list[Placed]:
    """The differences down to a level, of a section and what is below it or of all, each with its place."""
    paths: dict[str, tuple[str, ...]] = {}
    wanted: set[str] = set()
    for document in (before, after):  # the later one tells where both have the section
        chain: list[str] = []
        inside = -1
        for depth, node in document.walk():
            chain[depth:] = [node.title]
            paths[node.node_id] = tuple(chain)
            if node.node_id == node_id:
                inside = depth
            elif depth <= inside:
                inside = -1
            if inside >= 0:
                wanted.add(node.node_id)
    shown = _SHOWN.get(level)
    return [
        Placed(difference, paths.get(difference.node_id, ()))
        for difference in found.differences
        if (not node_id or difference.node_id in wanted) and (shown is None or difference.subject in shown)
    ]


def worth_telling(differences: Iterable[Placed]) -> list[Placed]:
    """Without the blocks whose sentences say it all: people read sentences."""
    found = list(differences)
    told = {one.difference.block_id for one in found if one.difference.subject == "sentence"}
    return [
        one
        for one in found
        if one.difference.subject != "block" or one.difference.change == "moved" or one.difference.block_id not in told
    ]
