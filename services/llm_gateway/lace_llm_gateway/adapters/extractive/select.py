"""Chooses sentences for a text: worth first, nothing twice, and rather a few whole passages than scattered lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lace_llm_gateway.adapters.extractive.material import Candidate, is_same_statement
from lace_llm_gateway.adapters.extractive.standing import Standing
from lace_llm_gateway.adapters.extractive.vectors import cosine

_REPETITION = 0.55
_SAME = 0.82
_NEXT_TO_CHOSEN, _IN_CHOSEN_UNIT = 0.14, 0.06
_MOST_IN_UNIT = 5
_WEAKEST = 0.26
_CONFLICT_LIKENESS = 0.42


def merge_equal(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with those that say the same as one: the best worded stays and cites the facts of all."""
    kept: list[Candidate] = []
    by_figures: dict[frozenset[str], list[int]] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.worth, c.place)):
        twins = by_figures.setdefault(candidate.figures, [])
        twin = next((at for at in twins if is_same_statement(kept[at], candidate)), None)
        if twin is None:
            twins.append(len(kept))
            kept.append(candidate)
        else:
            kept[twin] = replace(kept[twin], fact_ids=(*kept[twin].fact_ids, *candidate.fact_ids))
    return kept


def choose(candidates: Sequence[Candidate], words: int) -> list[Candidate]:
    """Sentences of about that many words, in reading order; fewer where the rest would only pad or repeat."""
    open_ = sorted(merge_equal(candidates), key=lambda c: (-c.worth, c.place))
    floor = _WEAKEST * (open_[0].worth if open_ else 0.0)
    chosen: dict[int, Candidate] = {}
    likeness: dict[int, float] = {}
    per_unit: Counter[int] = Counter()
    total = 0
    while open_:
        scored = [(_gain(c, chosen, likeness, per_unit), -at) for at, c in enumerate(open_)]
        gain, at = max(scored)
        if gain < floor:
            break
        best = open_.pop(-at)
        if total and total + best.words > words * 1.12:
            if total >= words * 0.85:
                break
            continue
        chosen[best.place] = best
        per_unit[best.unit] += 1
        total += best.words
        for other in open_:
            _note_likeness(other, best, likeness)
    return sorted(_with_newer(chosen, open_).values(), key=lambda c: c.place)


def _gain(
    candidate: Candidate, chosen: dict[int, Candidate], likeness: dict[int, float], per_unit: Counter[int]
) -> float:
    previous = candidate.follows in chosen
    if candidate.screened.standing is Standing.AFTER and not previous:
        return -1.0
    if per_unit[candidate.unit] >= _MOST_IN_UNIT:
        return -1.0
    near = likeness.get(candidate.place, 0.0)
    if near >= _SAME:
        return -1.0
    gain = candidate.worth * (1.0 - _REPETITION * near)
    if previous:
        gain += _NEXT_TO_CHOSEN
    elif per_unit[candidate.unit]:
        gain += _IN_CHOSEN_UNIT
    return gain


def _note_likeness(other: Candidate, best: Candidate, likeness: dict[int, float]) -> None:
    """Another value for the same thing is news, not repetition, and what stands in one passage is meant together."""
    near = cosine(other.vector, best.vector)
    if other.figures - best.figures and best.figures:
        near *= 0.6
    if other.unit == best.unit:
        near *= 0.5
    likeness[other.place] = max(likeness.get(other.place, 0.0), near)


def _with_newer(chosen: dict[int, Candidate], rest: Sequence[Candidate]) -> dict[int, Candidate]:
    """Where a chosen value was replaced later, the later value too: a reader must not be left with the old one."""
    result = dict(chosen)
    for candidate in sorted(chosen.values(), key=lambda c: c.place):
        if not candidate.figures or candidate.date == (0, 0):
            continue
        newer = [
            other
            for other in rest
            if other.place not in result
            and other.screened.standing is Standing.ALONE
            and other.fact.source != candidate.fact.source
            and other.date > candidate.date
            and other.figures - candidate.figures
            and cosine(other.vector, candidate.vector) >= _CONFLICT_LIKENESS
        ]
        already = any(
            other.date > candidate.date and cosine(other.vector, candidate.vector) >= _CONFLICT_LIKENESS
            for other in result.values()
        )
        if newer and not already:
            best = max(newer, key=lambda c: (c.date, c.worth, -c.place))
            result[best.place] = best
    return result
