"""Readability by published formulas, each for the languages that it was made or tested for.

Flesch reading ease: 206.835 - 1.015 words/sentences - 84.6 syllables/words (Flesch, A new readability yardstick, 1948).
Flesch-Kincaid grade: 0.39 words/sentences + 11.8 syllables/words - 15.59 (Kincaid et al., Research Branch Report 8-75,
1975). LIX: words/sentences + 100 long words/words, long ones having more than six letters (Björnsson, Läsbarhet, 1968).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal

from lace_core.suites import checks
from lace_core.suites.passages import Passage, Reading, words_of
from lace_core.suites.results import Finding
from lace_core.suites.style import prose
from lace_core.suites.syllables import syllables

LANGUAGES = {
    "flesch_reading_ease": frozenset({"en"}),
    "flesch_kincaid_grade": frozenset({"en"}),
    "lix": frozenset({"da", "de", "en", "fi", "fr", "nb", "nn", "no", "sv"}),
}
_LONG = 6


def not_applicable(check: checks.Readability, reading: Reading) -> str:
    """Why the formula says nothing of the document; empty where it does."""
    known = LANGUAGES[check.formula]
    if reading.language not in known:
        return f"Not applicable: {check.formula} is made for {', '.join(sorted(known))}, this is {reading.language}."
    sections, _ = reading.chosen(check.sections)
    return "" if any(words_of(p.text) for p in prose(sections)) else "Not applicable: there is no prose."


def readability(check: checks.Readability, reading: Reading) -> Iterator[Finding]:
    """One finding where the prose is out of bounds."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    found = score(check.formula, [passage.text for passage in prose(sections)])
    if check.at_least <= found <= check.at_most:
        return
    bound = f"at least {check.at_least}" if found < check.at_least else f"at most {check.at_most}"
    message = f"{check.formula} is {found}, {bound} is wanted; shorten the sentences and words that weigh most."
    hardest = sorted(prose(sections), key=_weight)[:3]
    yield Finding(code="READABILITY", message=message, places=tuple(passage.place for passage in hardest))


def _weight(passage: Passage) -> tuple[int, str]:
    return -sum(syllables(word) for word in words_of(passage.text)), passage.part_id


def score(formula: str, sentences: Sequence[str]) -> Decimal:
    """The formula's value, with one fractional digit; sentences without words do not count. Raises ZeroDivisionError
    where no sentence has words.
    """
    split = [words for words in map(words_of, sentences) if words]
    words = [word for sentence in split for word in sentence]
    if not words:
        raise ZeroDivisionError("no words")
    length = Decimal(len(words)) / len(split)
    if formula == "lix":
        value = length + Decimal(100 * sum(_is_long(word) for word in words)) / len(words)
    else:
        weight = Decimal(sum(map(syllables, words))) / len(words)
        if formula == "flesch_reading_ease":
            value = Decimal("206.835") - Decimal("1.015") * length - Decimal("84.6") * weight
        else:
            value = Decimal("0.39") * length + Decimal("11.8") * weight - Decimal("15.59")
    return value.quantize(Decimal("0.1"), ROUND_HALF_UP)


def _is_long(word: str) -> bool:
    return sum(c.isalpha() for c in word) > _LONG
