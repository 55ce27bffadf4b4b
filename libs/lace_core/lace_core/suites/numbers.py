"""Whether a document gives the same thing the same value everywhere, in sentences and tables, in whatever unit.

What a quantity is called is the rest of a statement in which it stands, in the wordings by which evidence is compared:
two quantities are the same where one wording of each is the same but for the number and its unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from lace_core.suites import checks
from lace_core.suites.passages import Passage, Reading
from lace_core.suites.results import Finding
from lace_core.verification import lexicon
from lace_core.verification.tokens import Keys, Token
from lace_core.verification.turning import active
from lace_core.verification.wording import aside_ranges, cells, keys_of, statements, told

_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
_YEAR = re.compile(r"(?:1[5-9]|20|21)\d\d")
_CURRENCIES = frozenset("£$€¥")
_MAGNITUDES = {"thousand": Decimal(10**3), "million": Decimal(10**6), "billion": Decimal(10**9)}
_POWERS = {"square": 2, "cubic": 3}
_UNITS = {
    key: (base, Decimal(factor))
    for base, row in {
        "m": "mm 0.001 cm 0.01 m 1 km 1000",
        "g": "mg 0.001 g 1 kg 1000 t 1000000",
        "s": "ms 0.001 s 1 min 60 h 3600 days 86400 weeks 604800",
        "l": "ml 0.001 l 1 litres 1 megalitres 1000000",
        "w": "milliw 0.001 w 1 kw 1000 megaw 1000000",
        "wh": "wh 1 kwh 1000 megawh 1000000",
        "pa": "pa 1 kpa 1000 bar 100000 megapa 1000000",
        "v": "milliv 0.001 v 1 kv 1000",
        "hz": "hz 1 khz 1000 mhz 1000000 ghz 1000000000",
        "ha": "ha 1",
        "%": "% 1",
        "pp": "pp 1",
        "°": "° 1",
        "months": "months 1",
        "years": "years 1",
    }.items()
    for key, factor in zip(row.split()[::2], row.split()[1::2], strict=True)
}
# Behind these a bare number counts something; behind a noun it may as well tell one thing from another ("phase 2").
_BEFORE_COUNTS = frozenset(
    """
    is are was were be been has have had of at to totalled total totals reached recorded counted numbered found serves
    served contains contained holds held includes included comprises comprised covers covered received cost costs had
    """.split()
)
_MOST_WORDINGS = 16
_MOST_TOKENS = 300
_MOST_ASIDES = 4
_MOST_PLACES = 20


@dataclass(frozen=True)
class Quantity:
    """A named value: what it is called (its number and unit left out) and how much it is, in the base of its unit."""

    name: Keys
    value: Decimal


def quantities(passage: Passage) -> Iterator[Quantity]:
    """The quantities that a passage names, each in every wording of it."""
    if passage.kind == "table":
        for cell in cells(passage.stated):
            for wording in told(cell):
                yield from _in_wording(wording)
        return
    for statement in statements(passage.text):
        if statement.tokens and statement.tokens[0].key in lexicon.PRONOUNS:
            continue  # what "it" is, is said elsewhere
        for wording in dict.fromkeys(islice(_wordings(statement.tokens), _MOST_WORDINGS)):
            yield from _in_wording(wording)


def _wordings(tokens: Sequence[Token]) -> Iterator[Keys]:
    """The statement as it is, without any of its asides, and each of these said of who did it."""
    if len(tokens) > _MOST_TOKENS:
        return
    asides = list(islice(aside_ranges(tokens), _MOST_ASIDES))
    for left_out in ([], *([aside] for aside in asides), asides):
        gone = {at for aside in left_out for at in aside}
        keys = keys_of([token for at, token in enumerate(tokens) if at not in gone])
        yield keys
        yield from active(keys)


def _in_wording(keys: Keys) -> Iterator[Quantity]:
    for at, key in enumerate(keys):
        if _NUMBER.fullmatch(key):
            found = _quantity(keys, at)
            if found is not None:
                yield found


def _quantity(keys: Keys, at: int) -> Quantity | None:
    value, end, unit = Decimal(keys[at]), at + 1, ""
    if end < len(keys) and keys[end] in _MAGNITUDES:
        value, end = value * _MAGNITUDES[keys[end]], end + 1
    start = at
    if at and keys[at - 1] in _CURRENCIES:
        start, unit = at - 1, keys[at - 1]
    else:
        value, end, unit = _measured(keys, value, end)
    before = keys[start - 1] if start else ""
    if not unit and (before not in _BEFORE_COUNTS or (_YEAR.fullmatch(keys[at]) and end == at + 1)):
        return None
    return Quantity((*keys[:start], f"#{unit}", *keys[end:]), value.normalize())


def _measured(keys: Keys, value: Decimal, end: int) -> tuple[Decimal, int, str]:
    power = _POWERS.get(keys[end], 1) if end < len(keys) else 1
    at = end + (power > 1)
    if at < len(keys) and keys[at] in _UNITS:
        base, factor = _UNITS[keys[at]]
        return value * factor**power, at + 1, f"{base}{power}" if power > 1 else base
    return value, end, ""


@dataclass(frozen=True)
class _Said:
    value: Decimal
    passage: Passage


def number_consistency(check: checks.NumberConsistency, reading: Reading) -> Iterator[Finding]:
    """One finding for what has several values, with the first place of each and its evidence."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    said: dict[Keys, list[_Said]] = {}
    for section in sections:
        for passage in section.passages:
            if passage.kind in ("code", "equation"):
                continue
            for quantity in dict.fromkeys(quantities(passage)):
                said.setdefault(quantity.name, []).append(_Said(quantity.value, passage))
    told_already: set[tuple[str, ...]] = set()
    for name, places in said.items():
        differing = _differing(places, check.tolerance_percent)
        # Wordings of one pair of sentences tell the same thing again.
        key = tuple(f"{each.passage.block_id}/{each.passage.part_id}" for each in differing)
        if len(differing) > 1 and key not in told_already:
            told_already.add(key)
            yield _finding(name, differing)


def _differing(places: Sequence[_Said], tolerance: int) -> list[_Said]:
    """The first place, and the first place of each other value that is not as good as one before."""
    kept: list[_Said] = []
    for each in places:
        if not any(_is_same(each.value, other.value, tolerance) for other in kept):
            kept.append(each)
    return kept[:_MOST_PLACES]


def _is_same(one: Decimal, other: Decimal, tolerance: int) -> bool:
    return abs(one - other) * 100 <= tolerance * max(abs(one), abs(other))


def _finding(name: Keys, differing: Sequence[_Said]) -> Finding:
    unit = next(key for key in name if key.startswith("#"))[1:]
    values = " and ".join(f"{each.value:f} {unit}".strip() for each in differing)
    called = " ".join("…" if key.startswith("#") else key for key in name)
    message = f"{called!r} is given as {values}; find out which is right, and say it everywhere."
    return Finding(code="NUMBERS_DIFFER", message=message, places=tuple(each.passage.place for each in differing))
