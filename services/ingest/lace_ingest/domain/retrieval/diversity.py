"""Hits that say what one before them said, or come from a source that has many, stand behind the others.

Nothing is lost: what is put back keeps its score, and fills the answer where there is nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lace_ingest.domain.retrieval.fusion import PER_MILLE


@dataclass(frozen=True)
class Diversity:
    """Limits of an answer: how alike two hits may be, in thousandths, and hits of one source; 0 means no limit.

    Two texts are as alike as the share that their common words have of all their words (Jaccard, 1901).
    """

    similarity: int = 0
    per_source: int = 0

    @property
    def is_off(self) -> bool:
        """Whether there is no limit."""
        return not self.similarity and not self.per_source


def diversified(
    unit_ids: Sequence[str],
    words_of: Callable[[str], frozenset[str]],
    source_of: Mapping[str, str],
    wanted: Diversity,
    most: int,
) -> list[str]:
    """The first `most` of the ids in their order, those that the limits put back behind all others.

    `words_of` gives the words of a unit; it is asked for those alone that the answer could hold.
    """
    if wanted.is_off:
        return list(unit_ids[:most])
    kept: list[str] = []
    back: list[str] = []
    said: list[frozenset[str]] = []
    sources: Counter[str] = Counter()
    for unit_id in unit_ids:
        if len(kept) == most:
            break
        many = wanted.per_source and sources[source_of[unit_id]] >= wanted.per_source
        words = words_of(unit_id) if wanted.similarity else frozenset()
        if many or any(_alike(words, other, wanted.similarity) for other in said):
            back.append(unit_id)
            continue
        kept.append(unit_id)
        said.append(words)
        sources[source_of[unit_id]] += 1
    return [*kept, *back][:most]


def _alike(one: frozenset[str], other: frozenset[str], similarity: int) -> bool:
    if not similarity or not one or not other:
        return False
    # Two texts of very different length share little: that is told without comparing them.
    if min(len(one), len(other)) * PER_MILLE < similarity * max(len(one), len(other)):
        return False
    common = len(one & other)
    return common * PER_MILLE >= similarity * (len(one) + len(other) - common)
