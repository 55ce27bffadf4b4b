"""Chooses the wording of a heading among the sources' own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lace_llm_gateway.adapters.extractive import headings
from lace_llm_gateway.adapters.extractive.vectors import Vector, cosine, unit
from lace_llm_gateway.adapters.extractive.words import tokens

_IDEAL_WORDS = range(2, 6)
_SUPPORT = 0.9


def best_title(choices: Sequence[tuple[str, float]], centre: Vector, names: headings.Names) -> str:
    """The heading that says best what all of them share, in sentence case.

    `choices` are (heading, weight) and `centre` is the direction that their group shares.
    """
    if not choices:
        return ""
    total = sum(weight for _, weight in choices) or 1.0
    support: dict[str, float] = defaultdict(float)
    for heading, weight in choices:
        support[headings.clean(heading).casefold()] += weight / total

    def merit(choice: tuple[str, float]) -> tuple[float, int]:
        heading = choice[0]
        part = headings.part_of(heading)
        terms = [*sorted(headings.topic_stems(heading)), *([f"part:{part}"] if part else [])]
        covered = cosine(unit({term: centre[term] for term in terms if term in centre}), centre)
        telling = len([term for term in terms if term in centre]) / max(1, len(terms))
        return covered * telling + _SUPPORT * support[headings.clean(heading).casefold()] + _shape(heading), -len(
            heading
        )

    best = max(choices, key=merit)[0]
    return headings.sentence_case(headings.without_document(headings.shorten(headings.subject(best))), names)


def _shape(heading: str) -> float:
    """How a heading looks as the title of a section: a few words, a subject, no date, no figures."""
    count = len(tokens(heading))
    merit = 0.15 if count in _IDEAL_WORDS else -0.04 * max(0, count - 6)
    if headings.is_generic(heading):
        merit -= 0.25
    if headings.names_document(heading):
        merit -= 0.3
    if any(char.isdigit() for char in heading):
        merit -= 0.2
    return merit
