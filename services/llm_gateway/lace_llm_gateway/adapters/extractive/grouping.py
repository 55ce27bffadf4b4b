"""Joins like things into groups, nearest pairs first, by the likeness of their shared directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lace_llm_gateway.adapters.extractive.vectors import Vector, centroid, cosine


class Groups:
    """Groups of items that are joined step by step; ties go to the earlier pair, so the result is always the same."""

    def __init__(self, vectors: Sequence[Vector], sizes: Sequence[float]) -> None:
        self._vectors = list(vectors)
        self._sizes = list(sizes)
        self._total = sum(sizes) or 1.0
        self._members: list[list[int]] = [[at] for at in range(len(vectors))]
        self._centres: list[Vector] = list(vectors)
        self._alive = list(range(len(vectors)))
        self._near: dict[int, tuple[float, int]] = {}
        for at in self._alive:
            self._find_nearest(at)

    def join_until(self, *, at_most: int, likeness: float, allowed: Callable[[list[int], list[int]], bool]) -> None:
        """Joins the most alike groups while they are alike enough, and then until there are few enough."""
        while len(self._alive) > 1:
            best = self._best(allowed)
            if best is None or (best[0] < likeness and len(self._alive) <= at_most):
                return
            self._join(best[1], best[2])

    def members(self) -> list[list[int]]:
        """The groups, each with its items in order, in the order of their first items."""
        return sorted((sorted(self._members[at]) for at in self._alive), key=lambda group: group[0])

    def _score(self, one: int, other: int) -> float:
        likeness = cosine(self._centres[one], self._centres[other])
        share = (self._size(one) + self._size(other)) / self._total
        # Large groups attract everything that is vaguely alike; a group should stay a section's worth.
        return likeness * (1.0 - 0.75 * min(1.0, share))

    def _size(self, at: int) -> float:
        return sum(self._sizes[member] for member in self._members[at])

    def _find_nearest(self, at: int) -> None:
        scored = [(self._score(at, other), -other) for other in self._alive if other != at]
        if scored:
            score, other = max(scored)
            self._near[at] = (score, -other)

    def _best(self, allowed: Callable[[list[int], list[int]], bool]) -> tuple[float, int, int] | None:
        for at in sorted(self._alive, key=lambda a: (-self._near[a][0], a)):
            score, other = self._near[at]
            if allowed(self._members[at], self._members[other]):
                return score, min(at, other), max(at, other)
        return None

    def _join(self, keep: int, drop: int) -> None:
        self._members[keep] += self._members[drop]
        self._alive.remove(drop)
        self._centres[keep] = centroid([self._vectors[member] for member in self._members[keep]])
        self._find_nearest(keep)
        for at in self._alive:
            if at == keep:
                continue
            if self._near[at][1] in (keep, drop):
                self._find_nearest(at)
            else:
                self._near[at] = max(
                    self._near[at], (self._score(at, keep), keep), key=lambda near: (near[0], -near[1])
                )
