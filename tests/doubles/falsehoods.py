"""False sentences made out of true ones by rule, one rule for each kind of the golden set."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_UNITS = {
    "kilometres": "metres", "metres": "millimetres", "millimetres": "centimetres", "million": "thousand",
    "megalitres": "litres", "cubic metres": "litres", "per cent": "parts in a thousand", "hours": "days",
    "minutes": "hours", "weeks": "months", "decibels": "watts", "tonnes": "kilograms", "bar": "pascals",
}  # fmt: skip
_NAMES = {
    "Brannock Civil Engineering": "Deepway Trenchless", "Deepway Trenchless": "Orrin Mechanical",
    "Orrin Mechanical": "Brannock Civil Engineering", "Priya Nandakumar": "Tomas Wrenfield",
    "Ingrid Fallow": "Helen Achterberg", "Helen Achterberg": "Joanna Pell", "Section A": "Section B",
    "Section B": "Section C", "Section C": "Section D", "Section D": "Section A", "Quay Street": "Mill Lane",
    "Ferry Road": "Calder Hill", "Calder Hill": "Ferry Road", "Sallow": "Thornley",
}  # fmt: skip
_DIRECTIONS = {
    "above": "below", "below": "above", "rose": "fell", "fell": "rose", "more than": "less than",
    "at least": "at most", "no more than": "no less than", "higher": "lower", "lower": "higher",
    "highest": "lowest", "lowest": "highest", "longer": "shorter", "increase": "decrease", "largest": "smallest",
}  # fmt: skip
_HEDGES = {"could": "will", "about ": "exactly ", "is expected to": "is certain to", "probably": "certainly"}
_PLANS = {"will be": "was", "is planned to be": "was", "should be": "is", "will": "did", "recommends": "built"}
_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fourteen"]
_MONTHS = (
    "January February March April May June July August September October November December"
).split()  # fmt: skip
_SHORT = {"kilometres": " km", "millimetres": " mm", "per cent": "%"}
_NUMBER = re.compile(r"(?<![\w.,-])\d+(?:[.,]\d+)*(?![\w-])")

Rule = Callable[[str], str | None]


def _replaced(table: Mapping[str, str]) -> Rule:
    """The first word of the table that the text has gives way to its other."""
    found = re.compile(r"\b(" + "|".join(map(re.escape, table)) + r")(?!\w)")

    def rule(text: str) -> str | None:
        match = found.search(text)
        return text[: match.start()] + table[match[1]] + text[match.end() :] if match else None

    return rule


def _changed_number(text: str) -> str | None:
    match = _NUMBER.search(text)
    if match is None:
        return None
    last = str((int(match[0][-1]) + 3) % 10)
    return f"{text[: match.end() - 1]}{last}{text[match.end() :]}"


def _number_of_another(text: str) -> str | None:
    """Two numbers of the sentence change places."""
    found = list(_NUMBER.finditer(text))
    pair = next(((a, b) for a in found for b in found if a.start() < b.start() and a[0] != b[0]), None)
    if pair is None:
        return None
    one, other = pair
    return text[: one.start()] + other[0] + text[one.end() : other.start()] + one[0] + text[other.end() :]


def _swapped_roles(text: str) -> str | None:
    """What stands before and behind of `from A to B` changes places."""
    match = re.search(r"\bfrom ([\w’'£.,-]+(?: [\w’'£.,-]+){0,3}?) to ([\w’'£.,-]*\w)", text)
    if match is None or match[1] == match[2]:
        return None
    return f"{text[: match.start()]}from {match[2]} to {match[1]}{text[match.end() :]}"


def _turned_negation(text: str) -> str | None:
    """A not is left out, or put in where there is none."""
    if re.search(r"\bnot\b", text):
        return re.sub(r"\bcannot\b", "can", re.sub(r"\b(?:did|do|does)? ?not ", "", text, count=1))
    match = re.search(r"\b(was|were|is|are|has|had)\b", text)
    return f"{text[: match.end()]} not{text[match.end() :]}" if match else None


def _behind(words: str) -> Rule:
    return lambda text: f"{text.rstrip('.')}{words}." if text.endswith(".") else None


def _lost_attribution(text: str) -> str | None:
    match = re.match(r"[A-Z].{0,60}? (?:said|reported|replied|noted|judged|confirmed) that (\w)", text)
    return match[1].upper() + text[match.end() :] if match else None


def _widened_scope(text: str) -> str | None:
    match = re.search(r"\b(?:[Mm]ost of|[Tt]wo of|[Oo]ne of|[Nn]early all|[Ss]everal)\b", text)
    if match is None:
        return None
    return text[: match.start()] + ("All of" if match.start() == 0 else "all of") + text[match.end() :]


def _shifted_date(text: str) -> str | None:
    match = re.search(rf"\b({'|'.join(_MONTHS)})(?= \d{{4}}\b)", text)
    if match is None:
        return None
    return text[: match.start()] + _MONTHS[(_MONTHS.index(match[1]) + 5) % 12] + text[match.end() :]


def _number_in_words(text: str) -> str | None:
    match = re.search(rf"\b({'|'.join(_WORDS)})\b", text)
    if match is None:
        return None
    return text[: match.start()] + _WORDS[(_WORDS.index(match[1]) + 1) % len(_WORDS)] + text[match.end() :]


def _number_grouping(text: str) -> str | None:
    match = re.search(r"\b(\d{1,3}),(\d{3})\b", text)
    return f"{text[: match.start()]}{match[1]}.{match[2]}{text[match.end() :]}" if match else None


def _part_for_whole(text: str) -> str | None:
    match = re.search(
        r"\b[Tt]he (?:floor|wall|valves?|samples?|loggers?) of the\b|\bSections? [A-D](?: and [A-D])?\b", text
    )
    return f"{text[: match.start()]}The whole programme{text[match.end() :]}" if match else None


KINDS: Mapping[str, Rule] = {
    "changed_number": _changed_number,
    "changed_unit": _replaced(_UNITS),
    "number_of_another": _number_of_another,
    "swapped_entity": _replaced(_NAMES),
    "swapped_roles": _swapped_roles,
    "dropped_negation": _turned_negation,
    "dropped_hedge": _replaced(_HEDGES),
    "added_cause": _behind(" because of the bad weather"),
    "turned_direction": _replaced(_DIRECTIONS),
    "lost_attribution": _lost_attribution,
    "widened_scope": _widened_scope,
    "shifted_date": _shifted_date,
    "number_in_words": _number_in_words,
    "number_grouping": _number_grouping,
    "part_for_whole": _part_for_whole,
    "plan_as_fact": _replaced(_PLANS),
    "added_detail": _behind(", which surprised the mayor"),
}
"""By kind, what makes a true sentence false; None where it has nothing to take hold of."""

STITCHED, WRONG_SOURCE, CUT_QUOTE = "stitched_quotes", "wrong_source", "cut_quote"
"""Kinds that need a second sentence, or that change the quote and not the sentence."""


def stitched(one: str, other: str) -> str:
    """The first half of a sentence with the second half of another."""
    first, second = one.rstrip(".").split(" "), other.split(" ")
    return " ".join((*first[: (len(first) + 1) // 2], *second[len(second) // 2 :]))


def paraphrased(text: str) -> str | None:
    """The same in other words: its time in front, or its units abbreviated; None where it has neither."""
    match = re.fullmatch(r"((?:The|A|An) [^,]*?) (on \d{1,2} [A-Z]\w+ \d{4})\.", text)
    if match is not None and not re.search(r"\b(?:that|planned|before|after|at)\b", match[1]):
        when = match[2]
        return f"{when[0].upper()}{when[1:]} {match[1][0].lower()}{match[1][1:]}."
    short = re.sub(r"(?<=\d) (" + "|".join(_SHORT) + r")\b", lambda unit: _SHORT[unit[1]], text)
    return short if short != text else None
