"""Writes a document's own summary: what it is about in a few sentences, then its findings with their figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lace_core.contracts import Fact, WriteInput, Written, WrittenList, WrittenParagraph, WrittenSentence
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.material import Candidate, gather, natural
from lace_llm_gateway.adapters.extractive.select import merge_equal
from lace_llm_gateway.adapters.extractive.standing import Standing
from lace_llm_gateway.adapters.extractive.vectors import cosine

_BACKGROUND, _DONE = frozenset({"purpose", "scope"}), frozenset({"design", "doing"})
_FOUND = frozenset({"summary", "results", "cost", "lessons", "schedule", "operation"})
_FEWEST, _MOST = 4, 6
_GOOD = 0.5
_ALIKE = 0.32
_LONGEST_FINDING, _LONGEST_OPENING = 34, 45
_FINDS, _WEIGHS, _SUPPOSES = 1.5, 1.25, 0.6
_ABOUT_TITLE, _DEFINED, _FIRST_SOURCE = 0.35, 0.15, 0.25
_DEFINES = re.compile(
    r"^[A-Z][^,.]{2,60}?\s(?:is|are|was|were|replaces?|provides?|describes?|builds?|built)\s", re.IGNORECASE
)
_SUPPOSITION = re.compile(r"\b(?:will|would|may|might|could|should|planned|expected|estimated)\b", re.IGNORECASE)
_OUTCOME = re.compile(
    r"\b(?:compared\s+with|against|instead\s+of|(?:more|less|fewer|higher|lower|better|worse)\s+than|above|below|increase[ds]?|"
    r"reduc\w+|rose|fell|raised|met|passed|failed|completed|achieved|reached|averaged?|total|final|per\s+cent|percent|"
    r"largest|highest|lowest|most)\b|%",
    re.IGNORECASE,
)


def write_key_points(asked: WriteInput, facts: Sequence[Fact]) -> Written:
    """One paragraph of up to three sentences and a list of four to six findings; less where there is less."""
    material = gather(facts, asked.section, [asked.document_title])
    alone = [c for c in material.candidates if c.screened.standing is Standing.ALONE]
    pool = merge_equal([c for c in alone if c.screened.quality >= _GOOD] or alone)
    places = {fact.source: None for fact in facts}
    rank = {source: at / len(places) for at, source in enumerate(sorted(places, key=natural))}

    def introduces(candidate: Candidate) -> float:
        merit = candidate.worth + _ABOUT_TITLE * cosine(candidate.vector, material.wanted)
        merit += _DEFINED if _DEFINES.match(candidate.fact.text) else 0.0
        return merit + _FIRST_SOURCE * (1.0 - rank[candidate.fact.source])

    opening = _opening(pool, introduces, lambda c: _telling(c) + _ABOUT_TITLE * cosine(c.vector, material.wanted))
    points = _findings(pool, opening)
    blocks: list[WrittenParagraph | WrittenList] = []
    if opening:
        blocks.append(WrittenParagraph(sentences=tuple(map(_sentence, opening))))
    if len(points) >= _FEWEST:
        blocks.append(WrittenList(ordered=False, items=tuple(map(_sentence, points))))
    return Written(blocks=tuple(blocks), summary=opening[0].fact.text if opening else "")


def _opening(
    pool: Sequence[Candidate], introduces: Callable[[Candidate], float], concludes: Callable[[Candidate], float]
) -> list[Candidate]:
    """What it is about, what was done, what came of it: the best sentence for each, the best of all where none fits."""
    chosen: list[Candidate] = []
    short = [c for c in pool if c.words <= _LONGEST_OPENING]
    for parts, merit in ((_BACKGROUND, introduces), (_DONE, introduces), (_FOUND, concludes)):
        free = [c for c in short if not _is_like(c, chosen)]
        choices = [c for c in free if _part(c) in parts] or [c for c in free if not _part(c)] or free
        if choices:
            chosen.append(max(choices, key=lambda c: (merit(c), -c.place)))
    return chosen


def _findings(pool: Sequence[Candidate], opening: Sequence[Candidate]) -> list[Candidate]:
    """The best sentences with figures, each on another thing, from as many parts of the sources as can be.

    What the background says is no finding; it stands in only where there are few.
    """
    ranked = sorted(
        (c for c in pool if c.measures and c.words <= _LONGEST_FINDING), key=lambda c: (-_telling(c), c.place)
    )
    later = [c for c in ranked if _part(c) not in _BACKGROUND]
    chosen: list[Candidate] = []
    for choices, enough, most_of_heading in ((later, _MOST, 1), (later, _MOST, 2), (ranked, _FEWEST, 2)):
        for candidate in choices:
            if len(chosen) >= enough:
                break
            same = sum(_heading(candidate) == _heading(other) for other in (*opening, *chosen))
            if candidate not in chosen and same < most_of_heading and not _is_like(candidate, [*opening, *chosen]):
                chosen.append(candidate)
    return sorted(chosen, key=lambda c: c.place)


def _telling(candidate: Candidate) -> float:
    part = _part(candidate)
    merit = candidate.worth * (_FINDS if part in _FOUND else _SUPPOSES if part in _BACKGROUND else 1.0)
    merit *= _SUPPOSES if _SUPPOSITION.search(candidate.fact.text) else 1.0
    return merit * (_WEIGHS if _OUTCOME.search(candidate.fact.text) else 1.0)


def _is_like(candidate: Candidate, others: Sequence[Candidate]) -> bool:
    return any(c.place == candidate.place or cosine(candidate.vector, c.vector) > _ALIKE for c in others)


def _part(candidate: Candidate) -> str:
    return headings.part_of(candidate.fact.heading_path[0]) if candidate.fact.heading_path else ""


def _heading(candidate: Candidate) -> tuple[str, tuple[str, ...]]:
    return candidate.fact.source, candidate.fact.heading_path[:1]


def _sentence(candidate: Candidate) -> WrittenSentence:
    return WrittenSentence(text=candidate.fact.text, fact_ids=candidate.fact_ids)
