"""Choosing what to quote of a unit: the span that answers best, and the words in it that match."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set

from lace_ingest.domain.documents import Span, Unit
from lace_ingest.domain.retrieval.hits import Passage

# A number keeps its decimals and its unit (10.6, 5mm); all else that joins words joins lexemes of their own.
_WORD = re.compile(r"\d+(?:[.,]\d+)*\w*|\w+")

Lexemes = Mapping[str, Set[str]]
"""The lexemes of words, by the word in lower case."""


def words_of(text: str) -> set[str]:
    """The words of a text, in lower case."""
    return set(map(str.lower, _WORD.findall(text)))


def matching(lexemes: Lexemes, asked: Set[str]) -> Lexemes:
    """The words of which a lexeme is asked for, each with those lexemes."""
    return {word: found & asked for word, found in lexemes.items() if not found.isdisjoint(asked)}


def best_passage(unit: Unit, marked: Lexemes) -> Passage:
    """The span of a unit that holds most lexemes of these words, the first of equal ones, and what matches in it.

    A lexeme counts the more the fewer of the unit's spans hold it: what stands everywhere points nowhere.
    """
    spans = unit.spans or (Span(0, len(unit.text)),)
    matches = [tuple(_matches(unit.text, span, marked)) for span in spans]
    held = [{lexeme for _, found in places for lexeme in found} for places in matches]
    holding = Counter(lexeme for found in held for lexeme in found)
    worth = {lexeme: math.log(1 + len(spans) / count) for lexeme, count in holding.items()}
    # Sorted, so that no order of adding decides between equal spans.
    sums = [round(sum(sorted(worth[lexeme] for lexeme in found)), 9) for found in held]
    best = max(range(len(spans)), key=lambda at: (sums[at], -at))
    return Passage(spans[best], tuple(place for place, _ in matches[best]))


def _matches(text: str, span: Span, marked: Lexemes) -> Iterator[tuple[Span, Set[str]]]:
    for match in _WORD.finditer(text, span.start, span.end):
        if found := marked.get(match.group().lower()):
            yield Span(*match.span()), found
