"""Which revision came of which: ancestors, and what two revisions have in common. Linear in the revisions."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Ancestry:
    """A committed revision: its parents (none, one, or two where it was merged), and when it was made."""

    revision_id: str
    parents: tuple[str, ...]
    created_at: datetime


class Lineage:
    """The committed revisions of one document."""

    def __init__(self, revisions: Collection[Ancestry]) -> None:
        self._known = {revision.revision_id: revision for revision in revisions}

    def parent(self, revision_id: str) -> str:
        """The first parent; empty for the first revision."""
        return next(iter(self._parents(revision_id)), "")

    def ancestors(self, revision_id: str) -> set[str]:
        """The revision and all that it came of."""
        found: set[str] = set()
        waiting = [revision_id] if revision_id in self._known else []
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting.extend(self._parents(at))
        return found

    def newest_first(self, revision_id: str) -> Sequence[str]:
        """The same in order: each before those that it came of; of others the newest first."""
        wanted = self.ancestors(revision_id)
        children = dict.fromkeys(wanted, 0)
        for ident in wanted:
            for parent in self._parents(ident):
                children[parent] += 1
        ready = [self._rank(ident) for ident, count in children.items() if not count]
        heapq.heapify(ready)
        found: list[str] = []
        while ready:
            _, ident = heapq.heappop(ready)
            found.append(ident)
            for parent in self._parents(ident):
                children[parent] -= 1
                if not children[parent]:
                    heapq.heappush(ready, self._rank(parent))
        return found

    def merge_base(self, one: str, other: str) -> str:
        """The nearest revision that both came of; empty where there is none.

        Where several are equally near (branches that were merged both ways) it is the newest of them.
        """
        theirs = self.ancestors(other)
        return next((ident for ident in self.newest_first(one) if ident in theirs), "")

    def apart(self, one: str, other: str) -> tuple[int, int]:
        """How many revisions the one has that the other has not, and the other way round."""
        ours, theirs = self.ancestors(one), self.ancestors(other)
        return len(ours - theirs), len(theirs - ours)

    def _parents(self, revision_id: str) -> tuple[str, ...]:
        return tuple(parent for parent in self._known[revision_id].parents if parent in self._known)

    def _rank(self, revision_id: str) -> tuple[float, str]:
        return -self._known[revision_id].created_at.timestamp(), revision_id


def oldest_of(revision_ids: Collection[str], order: Mapping[str, int]) -> str:
    """The one that comes last in a history that begins with the newest; empty where none is in it."""
    return max((ident for ident in revision_ids if ident in order), key=order.__getitem__, default="")
