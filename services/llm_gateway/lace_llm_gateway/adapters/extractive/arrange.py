"""Puts chosen sentences into paragraphs: what stood together stays together, in reading order."""

from __future__ import annotations

from collections.abc import Sequence

from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.material import Candidate
from lace_llm_gateway.adapters.extractive.vectors import centroid, cosine

_FEWEST, _MOST = 2, 5
_MOST_WORDS = 130
_STRAY, _SAME_HEADING = 0.1, 0.2

Paragraph = list[Candidate]


def paragraphs(chosen: Sequence[Candidate]) -> list[Paragraph]:
    """Paragraphs of two to five sentences, each from one passage or from passages on the same thing."""
    joined = _with_singles_joined(_neighbours_joined(_by_unit(chosen)))
    return _general_first(joined)


def _by_unit(chosen: Sequence[Candidate]) -> list[Paragraph]:
    made: list[Paragraph] = []
    for candidate in sorted(chosen, key=lambda c: c.place):
        if made and made[-1][-1].unit == candidate.unit and len(made[-1]) < _MOST:
            made[-1].append(candidate)
        else:
            made.append([candidate])
    return made


def _neighbours_joined(groups: Sequence[Paragraph]) -> list[Paragraph]:
    """Short groups under one heading of one source become one paragraph."""
    made: list[Paragraph] = []
    for group in groups:
        if made and _same_heading(made[-1], group) and _fits(made[-1], group):
            made[-1] = made[-1] + group
        else:
            made.append(list(group))
    return made


def _with_singles_joined(groups: list[Paragraph]) -> list[Paragraph]:
    """A sentence that is left alone goes to the neighbour that it is most like."""
    made = [list(group) for group in groups]
    at = 0
    while at < len(made) and len(made) > 1:
        if len(made[at]) >= _FEWEST:
            at += 1
            continue
        choices = [near for near in (at - 1, at + 1) if 0 <= near < len(made) and _fits(made[near], made[at])]
        if not choices:
            at += 1
            continue
        best = max(choices, key=lambda near: (_likeness(made[at], made[near]), -near))
        low, high = min(at, best), max(at, best)
        made[low : high + 1] = [made[low] + made[high]]
        at = low
    return made


def stray(groups: Sequence[Paragraph]) -> set[int]:
    """The places of sentences that stand alone among paragraphs, or at the end of one that is about other things."""
    if len(groups) < 3:
        return set()
    lonely = {group[0].place for group in groups if len(group) == 1}
    for group in groups:
        for candidate in (group[0], group[-1]):
            others = [c for c in group if c.unit != candidate.unit]
            own = [c for c in group if c.unit == candidate.unit]
            if others and len(own) == 1 and _likeness([candidate], others) < _STRAY:
                lonely.add(candidate.place)
    return lonely


def _general_first(groups: list[Paragraph]) -> list[Paragraph]:
    """What introduces the subject opens the section; all else keeps its order."""
    if len(groups) < 3:
        return groups
    opening = [group for group in groups if headings.part_of(_deepest(group[0])) in ("purpose", "scope")]
    rest = [group for group in groups if group not in opening]
    return opening + rest


def _fits(one: Paragraph, other: Paragraph) -> bool:
    return len(one) + len(other) <= _MOST and sum(c.words for c in one) + sum(c.words for c in other) <= _MOST_WORDS


def _same_heading(one: Paragraph, other: Paragraph) -> bool:
    return (one[-1].fact.source, one[-1].fact.heading_path) == (other[0].fact.source, other[0].fact.heading_path)


def _likeness(one: Paragraph, other: Paragraph) -> float:
    near = cosine(centroid([c.vector for c in one]), centroid([c.vector for c in other]))
    return near + (_SAME_HEADING if _same_heading(one, other) else 0.0)


def _deepest(candidate: Candidate) -> str:
    return candidate.fact.heading_path[-1] if candidate.fact.heading_path else ""
