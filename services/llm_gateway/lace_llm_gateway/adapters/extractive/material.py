"""The given facts in reading order, measured: which sentences can be used, what each says, how well it fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lace_core.contracts import Fact, Section
from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.standing import Screened, Standing, screen
from lace_llm_gateway.adapters.extractive.vectors import TermSpace, Vector, centrality, cosine
from lace_llm_gateway.adapters.extractive.words import (
    figures,
    latest_date,
    measures,
    overlap,
    stems,
    tokens,
    word_count,
)

_MOST = 320
_CENTRAL, _RELEVANT, _HEADED, _FOUND, _LEAD, _FIGURES = 0.28, 0.27, 0.22, 0.15, 0.06, 0.05
_UNTIED = 0.35
_DIGITS = re.compile(r"(\d+)")
_HEADING_SHARE = 0.5
_BRIEF_MARKS = re.compile(r"[;:]\s|\.$")


@dataclass(frozen=True)
class Candidate:
    """A sentence that may be used.

    `place` is its place among all given sentences in reading order, `unit` the number of its unit there, `follows`
    the place of the sentence directly before it in the same unit (-1 for the first). `worth` is 0 to about 1.
    """

    fact: Fact
    fact_ids: tuple[str, ...]
    place: int
    unit: int
    follows: int
    screened: Screened
    words: int
    vector: Vector
    figures: frozenset[str]
    measures: frozenset[str]
    """The figures that are neither dates nor numbers of things."""
    date: tuple[int, int]
    worth: float = 0.0


@dataclass(frozen=True)
class Material:
    """All that a section can be made of: sentences by worth, and everything else that is carried whole."""

    candidates: tuple[Candidate, ...]
    introductions: tuple[Candidate, ...]
    fragments: tuple[Candidate, ...]
    wholes: tuple[Fact, ...]
    wanted: Vector
    space: TermSpace


def in_reading_order(facts: Iterable[Fact]) -> list[Fact]:
    """Facts by source (file names in natural order), then units as given, then places within the unit."""
    given = list(facts)
    first: dict[tuple[str, str], int] = {}
    for at, fact in enumerate(given):
        first.setdefault((fact.source, fact.unit), at)
    return sorted(given, key=lambda f: (natural(f.source), first[f.source, f.unit], f.position))


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which file 2 comes before file 10."""
    return tuple(
        (0, int(part[:18]), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name.casefold()) if part
    )


def gather(facts: Sequence[Fact], section: Section, context: Sequence[str] = ()) -> Material:
    """Screens, measures and ranks the facts for a section; `context` holds further words that it is about."""
    ordered = in_reading_order(facts)
    sentences = [fact for fact in ordered if fact.kind == "sentence"]
    wholes = tuple(fact for fact in ordered if fact.kind != "sentence")
    screened = _screened(sentences)
    kept = _strongest(screened, section)
    terms = [_terms(fact) for fact, *_ in kept]
    space = TermSpace([*terms, *(stems(fact.text[:600]) for fact in wholes[:200])])
    wanted = _wanted(section, context, space)
    measured = [_measured(entry, space.vector(own)) for entry, own in zip(kept, terms, strict=True)]
    ranked = _ranked(measured, section, wanted)
    usable = [c for c in ranked if c.screened.standing in (Standing.ALONE, Standing.AFTER)]
    return Material(
        candidates=tuple(usable),
        introductions=tuple(c for c in ranked if c.screened.standing is Standing.INTRODUCES),
        fragments=tuple(c for c in ranked if c.screened.standing is Standing.FRAGMENT),
        wholes=wholes,
        wanted=wanted,
        space=space,
    )


_Entry = tuple[Fact, int, int, int, Screened]


def _screened(sentences: Sequence[Fact]) -> list[_Entry]:
    """(fact, place, unit, place of the sentence before or -1, finding) of what is of any use."""
    found: list[_Entry] = []
    units: dict[tuple[str, str], int] = {}
    before: Fact | None = None
    for place, fact in enumerate(sentences):
        unit = units.setdefault((fact.source, fact.unit), len(units))
        follows = (
            place - 1
            if before is not None
            and (before.source, before.unit) == (fact.source, fact.unit)
            and before.position + 1 == fact.position
            else -1
        )
        before = fact
        if any(headings.is_noise(heading) for heading in fact.heading_path):
            continue
        finding = screen(fact.text)
        if finding.standing is not Standing.NEVER:
            found.append((fact, place, unit, follows, finding))
    return found


def _strongest(entries: list[_Entry], section: Section) -> list[_Entry]:
    """So many that comparing all with all stays quick: those that were found best and share words with the section."""
    if len(entries) <= _MOST:
        return entries
    asked = frozenset(stems(f"{section.title} {section.brief}"))
    ranked = sorted(
        range(len(entries)),
        key=lambda at: (-entries[at][0].score - 400 * overlap(asked, set(stems(entries[at][0].text))), at),
    )
    return [entries[at] for at in sorted(ranked[:_MOST])]


def _terms(fact: Fact) -> list[str]:
    return stems(fact.text)


def _wanted(section: Section, context: Sequence[str], space: TermSpace) -> Vector:
    weights: dict[str, float] = {}
    for text, weight in ((section.brief, 1.0), *((text, 1.0) for text in context), (section.title, 4.0)):
        for term in stems(text):
            weights[term] = max(weights.get(term, 0.0), weight)
    return space.vector(weights)


def _measured(entry: _Entry, vector: Vector) -> Candidate:
    fact, place, unit, follows, finding = entry
    return Candidate(
        fact=fact,
        fact_ids=(fact.fact_id,),
        place=place,
        unit=unit,
        follows=follows,
        screened=finding,
        words=word_count(fact.text),
        vector=vector,
        figures=figures(fact.text),
        measures=measures(fact.text),
        date=latest_date(fact.text),
    )


def _ranked(candidates: Sequence[Candidate], section: Section, wanted: Vector) -> list[Candidate]:
    central = centrality([candidate.vector for candidate in candidates])
    top_score = max((candidate.fact.score for candidate in candidates), default=0) or 1
    likeness = [cosine(candidate.vector, wanted) for candidate in candidates]
    top_likeness = max(likeness, default=0.0) or 1.0
    ranked: list[Candidate] = []
    for candidate, middle, near in zip(candidates, central, likeness, strict=True):
        headed = heading_fit(candidate.fact.heading_path, section)
        worth = (
            _CENTRAL * middle
            + _RELEVANT * near / top_likeness
            + _HEADED * headed
            + _FOUND * candidate.fact.score / top_score
            + (_LEAD if candidate.fact.position == 0 else 0.0)
            + (_FIGURES if candidate.figures else 0.0)
        )
        # What neither its heading nor its words tie to the section was only found by chance.
        tied = _UNTIED + (1 - _UNTIED) * max(headed, near / top_likeness)
        ranked.append(replace(candidate, worth=worth * tied * candidate.screened.quality))
    return ranked


def heading_fit(path: Sequence[str], section: Section) -> float:
    """How well the headings above a fact fit the section, 0 to 1: 1 where the section was made from that heading."""
    named = _named(section.brief)
    asked = headings.topic_stems(section.title)
    best = 0.0
    for heading in path:
        wording = headings.clean(heading)
        if wording and (wording.casefold() in named or headings.same_words(wording, section.title)):
            return 1.0
        own = headings.topic_stems(heading)
        if own:
            best = max(best, len(own & asked) / min(len(own), max(1, len(asked))))
        if headings.part_of(heading) and headings.part_of(heading) in headings.parts_of(section.title):
            best = max(best, _HEADING_SHARE)
    return best


@lru_cache(maxsize=256)
def _named(brief: str) -> frozenset[str]:
    """The headings that a brief names between its marks."""
    return frozenset(headings.clean(piece).casefold() for piece in _BRIEF_MARKS.split(brief))


def belongs_to_sibling(path: Sequence[str], section: Section, siblings: Sequence[str]) -> bool:
    """Whether the headings above a fact name a sibling's subject and not this section's."""
    own = heading_fit(path, section)
    if own >= _HEADING_SHARE:
        return False
    return any(
        heading_fit(path, Section(title=sibling, brief="", path=(), depth=section.depth)) > max(own, 0.75)
        for sibling in siblings
        if not any(headings.same_words(sibling, own_title) for own_title in (section.title, *section.path))
    )


def is_same_statement(one: Candidate, other: Candidate) -> bool:
    """Whether two sentences say the same: the same figures, and nearly the same words."""
    if one.figures != other.figures:
        return False
    mine, theirs = set(tokens(one.fact.text)), set(tokens(other.fact.text))
    return len(mine & theirs) >= 0.8 * len(mine | theirs)
