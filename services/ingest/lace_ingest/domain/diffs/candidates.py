"""Which of the units that are left over on both sides are the same, rewritten.

Looked at are those between the same neighbours or below the same headings, the nearest first, and those that share
rare words; so many of them at most that the work grows with the number of units, not with its square.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lace_ingest.domain.diffs.tokens import Vocabulary, similarity
from lace_ingest.domain.documents import Unit

LEAST_NEAR = 400
"""Per mille from which on a unit in the neighbourhood is the same, rewritten."""

LEAST_FAR = 700
"""Per mille from which on a unit elsewhere is."""

_NEAREST = 8
_SHARING = 6
_RARE = 8
_RARE_WORDS = 24


@dataclass(frozen=True)
class Leftover:
    """A unit without a partner, its place, and the gap between units with partners in which it lies."""

    place: int
    unit: Unit
    gap: int


def most_alike(before: Sequence[Leftover], after: Sequence[Leftover]) -> dict[int, tuple[int, int]]:
    """By place before: the place after and the similarity; no unit twice, the most alike first."""
    vocabulary = Vocabulary()
    old_words = [vocabulary.encode(one.unit.text) for one in before]
    new_words = [vocabulary.encode(one.unit.text) for one in after]
    scored = []
    for old, new in _candidates(before, after, old_words, new_words):
        near = _is_near(before[old], after[new])
        per_mille = similarity(old_words[old], new_words[new], LEAST_NEAR if near else LEAST_FAR)
        if per_mille:
            distance = abs(before[old].place - after[new].place)
            scored.append((-per_mille, not near, distance, before[old].place, after[new].place))
    found: dict[int, tuple[int, int]] = {}
    taken: set[int] = set()
    for cost, _, _, old_place, new_place in sorted(scored):
        if old_place not in found and new_place not in taken:
            found[old_place] = (new_place, -cost)
            taken.add(new_place)
    return found


def _is_near(old: Leftover, new: Leftover) -> bool:
    return old.gap == new.gap or old.unit.heading_path == new.unit.heading_path


def _candidates(
    before: Sequence[Leftover], after: Sequence[Leftover], old_words: Sequence[str], new_words: Sequence[str]
) -> set[tuple[int, int]]:
    found = {
        *_neighbours([one.gap for one in before], [one.gap for one in after]),
        *_neighbours([one.unit.heading_path for one in before], [one.unit.heading_path for one in after]),
        *_sharing(old_words, new_words),
    }
    return found


def _neighbours(before: Sequence[Hashable], after: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """Of each neighbourhood every unit with those around the same share of its length."""
    left, right = _by_key(before), _by_key(after)
    for key, olds in left.items():
        news = right.get(key, ())
        for rank, old in enumerate(olds):
            middle = rank * len(news) // len(olds)
            for new in news[max(middle - _NEAREST, 0) : middle + _NEAREST + 1]:
                yield old, new


def _by_key(keys: Sequence[Hashable]) -> Mapping[Hashable, list[int]]:
    found: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        found.setdefault(key, []).append(index)
    return found


def _sharing(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Of each unit after those before that share most of its rare words."""
    frequency = Counter(word for text in before for word in set(text))
    holding: dict[str, list[int]] = {}
    for old, text in enumerate(before):
        for word in sorted(set(text)):
            if frequency[word] <= _RARE:
                holding.setdefault(word, []).append(old)
    for new, text in enumerate(after):
        rare = sorted((word for word in set(text) if word in holding), key=lambda word: (frequency[word], word))
        shared = Counter(old for word in rare[:_RARE_WORDS] for old in holding[word])
        for old, _ in sorted(shared.items(), key=lambda item: (-item[1], item[0]))[:_SHARING]:
            yield old, new
