"""Which units go into a prompt of bounded size: every topic is served before any is served twice, then the best.

Choosing units that cover topics within a budget is the budgeted maximum coverage problem (Khuller, Moss, Naor 1999);
filling up by gains that shrink with what a topic has already is the greedy algorithm for a submodular function
(Nemhauser, Wolsey, Fisher 1978; Lin and Bilmes 2011 for texts). What is promised beyond that, and tested: never more
than the budget, whole units only, the same answer for the same question, and more budget never covers fewer topics.

How: which topics are served is settled first, by covers that do not depend on the budget: one topic more at a time, by
the unit that costs least. Of these the largest cover that fits is kept to. Then each of its topics takes its best unit
that leaves room for the others', and what room is left goes to the units of these topics that add most.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

_SCALE = 1 << 20


@dataclass(frozen=True)
class Topic:
    """What a unit may be taken for; `weight` counts among topics, from 1."""

    key: str
    weight: int = 1


@dataclass(frozen=True)
class Candidate:
    """A unit that may be taken: its tokens, and its relevance (1 to 1000) by the key of each topic it speaks of."""

    unit_id: str
    tokens: int
    relevance: Mapping[str, int]


class Why(StrEnum):
    """Why a unit was left out."""

    BUDGET = "budget"
    DUPLICATE = "duplicate"
    BELOW_THRESHOLD = "below_threshold"


@dataclass(frozen=True)
class Taken:
    """A unit that was taken: for which topic, its rank there (from 1), its relevance there, its tokens."""

    unit_id: str
    topic: str
    rank: int
    relevance: int
    tokens: int


@dataclass(frozen=True)
class LeftOut:
    """A unit that was not taken: why, its best topic, its relevance there, its tokens; the unit that it repeats."""

    unit_id: str
    why: Why
    topic: str
    relevance: int
    tokens: int
    like: str = ""


@dataclass(frozen=True)
class Selection:
    """What was taken and left out, both in the order of the candidates; tokens taken; units taken by topic."""

    taken: tuple[Taken, ...]
    left_out: tuple[LeftOut, ...]
    tokens: int
    covered: Mapping[str, int]


def select(topics: Sequence[Topic], candidates: Sequence[Candidate], budget: int, *, least: int = 1) -> Selection:
    """The units that take at most `budget` tokens; those of no relevance of `least` or more to any topic stay out.

    Ties go to the topic and the candidate that come first.
    """
    wanted = {topic.key for topic in topics}
    known = [_narrowed(candidate, wanted, least) for candidate in candidates]
    choice = _Choice(topics, [candidate for candidate in known if candidate.relevance], budget)
    choice.make()
    taken: list[Taken] = []
    left: list[LeftOut] = []
    for candidate in candidates:
        topic = choice.taken.get(candidate.unit_id)
        if topic is None:
            left.append(_left_out(candidate, wanted, least))
            continue
        own = candidate.relevance[topic]
        taken.append(Taken(candidate.unit_id, topic, choice.rank(topic, candidate.unit_id), own, candidate.tokens))
    return Selection(tuple(taken), tuple(left), choice.spent, choice.counts())


def _narrowed(candidate: Candidate, wanted: set[str], least: int) -> Candidate:
    own = {key: value for key, value in candidate.relevance.items() if key in wanted and value >= max(1, least)}
    return Candidate(candidate.unit_id, candidate.tokens, own)


def _left_out(candidate: Candidate, wanted: set[str], least: int) -> LeftOut:
    own = [(value, key) for key, value in candidate.relevance.items() if key in wanted]
    value, key = max(own, key=lambda each: each[0], default=(0, ""))
    why = Why.BUDGET if value >= max(1, least) else Why.BELOW_THRESHOLD
    return LeftOut(candidate.unit_id, why, key, value, candidate.tokens)


@dataclass
class _Choice:
    """A selection in the making; `taken` gives the topic for which each unit was taken."""

    topics: Sequence[Topic]
    candidates: Sequence[Candidate]
    budget: int
    taken: dict[str, str] = field(default_factory=dict)
    spent: int = 0

    def __post_init__(self) -> None:
        self._by_id = {candidate.unit_id: candidate for candidate in self.candidates}
        self._place = {candidate.unit_id: place for place, candidate in enumerate(self.candidates)}
        self._weights = {topic.key: topic.weight for topic in self.topics}
        found: dict[str, list[Candidate]] = {topic.key: [] for topic in self.topics}
        for candidate in self.candidates:
            for key in candidate.relevance:
                found[key].append(candidate)
        # Best first; candidates come in their order, and sorting keeps it among equals.
        self._ranked = {key: sorted(own, key=lambda each: -each.relevance[key]) for key, own in found.items()}
        self._order = sorted(self.topics, key=lambda topic: -topic.weight)
        self._counts = dict.fromkeys(found, 0)
        self._open: set[str] = set()  # the topics that are served

    def make(self) -> None:
        """Take what is to be taken."""
        cover = self._cover()
        self._open = {key for unit_id in cover for key in self._by_id[unit_id].relevance}
        self._serve(cover)
        self._fill()
        if self._is_room_for_another():
            # What each topic likes best took less than the cover itself: the cover then is what keeps the promise.
            self.taken, self.spent, self._counts = {}, 0, dict.fromkeys(self._counts, 0)
            for unit_id in cover:
                self._take(self._by_id[unit_id], self._best_topic(self._by_id[unit_id]))
            self._fill()

    def rank(self, topic: str, unit_id: str) -> int:
        """The place of a unit among those of a topic, from 1."""
        return 1 + [candidate.unit_id for candidate in self._ranked[topic]].index(unit_id)

    def counts(self) -> Mapping[str, int]:
        """Units taken that speak of each topic, whatever they were taken for."""
        return dict(self._counts)

    def _cover(self) -> list[str]:
        """The units of the largest cover that fits. Each covers all topics of the one before it and more, so that with
        more budget no topic is lost; units that later ones make needless are dropped on the way."""
        best: list[str] = []
        cover: dict[str, Candidate] = {}
        covered: set[str] = set()
        by_cost = sorted(
            self.candidates, key=lambda each: (each.tokens, -max(each.relevance.values()), self._place[each.unit_id])
        )
        for candidate in by_cost:
            if candidate.relevance.keys() <= covered:
                continue
            cover[candidate.unit_id] = candidate
            covered.update(candidate.relevance)
            _drop_needless(cover)
            if sum(each.tokens for each in cover.values()) <= self.budget:
                best = list(cover)
        return best

    def _serve(self, cover: Sequence[str]) -> None:
        """Each topic in turn takes its best unit that leaves room for what covers those that have none yet."""
        for topic in self._order:
            if topic.key not in self._open:
                continue
            for candidate in self._ranked[topic.key]:
                if candidate.unit_id in self.taken:
                    break
                if candidate.relevance.keys() <= self._open and self._leaves_room(candidate, cover):
                    self._take(candidate, topic.key)
                    break

    def _leaves_room(self, candidate: Candidate, cover: Sequence[str]) -> bool:
        lacking = {key for key in self._open if not self._counts[key]} - candidate.relevance.keys()
        needed = [self._by_id[unit_id] for unit_id in cover if unit_id not in self.taken]
        kept = sum(each.tokens for each in needed if not lacking.isdisjoint(each.relevance) and each is not candidate)
        return self.spent + candidate.tokens + kept <= self.budget

    def _fill(self) -> None:
        """Take what adds most while it fits. Gains only shrink, so that what was best and still is needs no second look
        at the others (lazy evaluation, Minoux 1978)."""
        free = [each for each in self.candidates if each.unit_id not in self.taken and self._is_served(each)]
        heap = [(-self._gain(each), self._place[each.unit_id]) for each in free]
        heapq.heapify(heap)
        while heap:
            gain, place = heapq.heappop(heap)
            candidate = self.candidates[place]
            if self.spent + candidate.tokens > self.budget:
                continue
            now = -self._gain(candidate)
            if now > gain:
                heapq.heappush(heap, (now, place))
                continue
            self._take(candidate, self._best_topic(candidate))

    def _is_served(self, candidate: Candidate) -> bool:
        return candidate.relevance.keys() <= self._open

    def _is_room_for_another(self) -> bool:
        room = self.budget - self.spent
        return any(each.tokens <= room and not self._is_served(each) for each in self.candidates)

    def _gain(self, candidate: Candidate) -> int:
        return sum(self._gain_for(candidate, key) for key in candidate.relevance)

    def _gain_for(self, candidate: Candidate, key: str) -> int:
        return self._weights[key] * candidate.relevance[key] * _SCALE // (1 + self._counts[key])

    def _best_topic(self, candidate: Candidate) -> str:
        own = [topic.key for topic in self.topics if topic.key in candidate.relevance]
        return max(own, key=lambda key: self._gain_for(candidate, key))

    def _take(self, candidate: Candidate, topic: str) -> None:
        self.taken[candidate.unit_id] = topic
        self.spent += candidate.tokens
        for key in candidate.relevance:
            self._counts[key] += 1


def _drop_needless(cover: dict[str, Candidate]) -> None:
    """Take out units all of whose topics others of the cover hold, the costliest first."""
    held: dict[str, int] = {}
    for candidate in cover.values():
        for key in candidate.relevance:
            held[key] = held.get(key, 0) + 1
    for candidate in sorted(cover.values(), key=lambda each: -each.tokens):
        if all(held[key] > 1 for key in candidate.relevance):
            del cover[candidate.unit_id]
            for key in candidate.relevance:
                held[key] -= 1
