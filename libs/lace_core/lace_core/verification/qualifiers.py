"""What a statement names beside its claim: its dates, its numbers with their units, and its names, as it words them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lace_core.contracts import Qualifier
from lace_core.verification import lexicon

_MOST = 20
_MONTH = "|".join(month.title() for month in lexicon.MONTHS)
_DATE = re.compile(
    rf"\b\d{{4}}-\d\d(?:-\d\d)?\b|\b(?:\d{{1,2}}(?:st|nd|rd|th)? )?(?:{_MONTH})(?: \d{{1,2}})?(?:,? \d{{4}})?\b(?<=\d)"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)? (?:{_MONTH})\b|\b(?:1[5-9]|20)\d\d\b(?![.,]?\d)"
)
_MEASURES = lexicon.MEASURES | {word for word, same in lexicon.SAME.items() if same in lexicon.MEASURES}
_WORDS = "|".join(sorted((word for word in _MEASURES if word.isalpha()), key=lambda word: (-len(word), word)))
_NUMBER = re.compile(
    r"(?<![\w.,-])[-+]?(?:[£$€¥] ?)?\d+(?:[.,]\d+)*"
    rf"(?: ?(?:%|°\s?[CF]?|per cent\b|percent\b|(?:(?:million|billion|thousand) )?(?:{_WORDS})\b))?",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b[A-Z][\w'-]*(?: (?:of |the )?[A-Z][\w'-]*)*")
_CODE = re.compile(r"[A-Z]{2,}|[A-Z]+-?\d")
_BEGINS = re.compile(r"(?:^|[.!?:|])[\s\"'“‘(]*\Z")


def qualifiers_of(text: str) -> tuple[Qualifier, ...]:
    """The first twenty, in the order in which they stand; each is a part of the text, and no two overlap."""
    found: dict[int, Qualifier] = {}
    taken: set[int] = set()
    for kind, start, part in (*_dates(text), *_numbers(text), *_names(text)):
        if taken.isdisjoint(range(start, start + len(part))):
            taken.update(range(start, start + len(part)))
            found[start] = Qualifier(kind=kind, text=part)  # type: ignore[arg-type]
    return tuple(dict.fromkeys(found[start] for start in sorted(found)))[:_MOST]


def _dates(text: str) -> Iterator[tuple[str, int, str]]:
    for match in _DATE.finditer(text):
        yield "date", match.start(), match[0]


def _numbers(text: str) -> Iterator[tuple[str, int, str]]:
    for match in _NUMBER.finditer(text):
        yield "number", match.start(), match[0]


def _names(text: str) -> Iterator[tuple[str, int, str]]:
    """Capitalised words; a single one that begins a sentence may be any word, and is none unless it is a code."""
    for match in _NAME.finditer(text):
        start, name = match.start(), match[0]
        first, _, rest = name.partition(" ")
        begins = _BEGINS.search(text, max(0, start - 20), start) is not None and not _CODE.match(first)
        if begins and first.casefold() in lexicon.STOP:
            start, name = start + len(name) - len(rest), rest
        elif begins and not rest:
            continue
        if name and name.casefold() not in lexicon.MONTHS:
            yield "name", start, name
