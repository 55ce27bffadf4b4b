"""Words, stems and figures of a text: the measures that everything else compares by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+(?:['\u2019.,-][^\W_{_CJK}]+)*")
_IS_CJK = re.compile(rf"[{_CJK}]")
_FIGURE = re.compile(r"\d+(?:[.,\u202f ]\d{3})*(?:[.,]\d+)?")
_YEAR = re.compile(r"(?<![\d.,-])(?:1[5-9]|20)\d\d(?![\d,]|\.\d)")
_NO_MEASURE = re.compile(
    r"\b(?:\d{1,2}(?:st|nd|rd|th)?\s+(?:and|to)\s+)?(?:\d{1,2}(?:st|nd|rd|th)?\s+)?(?:January|February|March|April|May|June|July|"
    r"August|September|October|November|December)(?:\s+\d{1,2},?)?(?:\s+\d{4})?\b|\b(?:in|since|by|until|from|to|of)\s+(?:1[5-9]|20)"
    r"\d\d\b|\b[A-Za-z]+-\d[\w.]*|\b\d{4}-\d\d(?:-\d\d)?\b"
)
_SPELT = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
    if number > 1
}
_MONTHS = {
    name: number
    for number, name in enumerate(
        "january february march april may june july august september october november december".split(), start=1
    )
}

STOP_WORDS = frozenset(
    """
    a about above across after again against all almost along already also although always am among an and another any
    anything are around as at away back be became because become been before began behind being below best better
    between both but by came can cannot come comes could despite did do does doing done down during each either else
    enough even ever every far few first for former found from further gave get gets given gives go goes going gone
    got had has have having he hence her here hers herself him himself his how however i if in indeed instead into is
    it its itself just keep kept last later latter least less let like likely made mainly make makes making many may
    me might mine more moreover most mostly much must my myself namely near nearly need needs neither never next no
    nobody none nor not nothing now of off often on once one only onto or other others otherwise our ours out over own
    part per perhaps put quite rather really s same second see seen set several shall she should show shown shows
    since so some something sometimes soon still such t take taken takes than that the their theirs them themselves
    then there thereby therefore these they thing things third this those though through throughout thus to together
    too toward towards two under unless until up upon us use used uses using usually various very via was way we well
    went were what whatever when where whereas whether which while who whole whom whose why will with within without
    would yet you your yours
    """.split()
)


def tokens(text: str) -> list[str]:
    """Lower-case words in order; runs of Chinese, Japanese or Korean script as pairs of neighbouring characters."""
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        if _IS_CJK.match(word):
            found.extend(word[i : i + 2] for i in range(max(1, len(word) - 1)))
        else:
            found.append(word.lower().replace("\u2019", "'").removesuffix("'s"))
    return found


def stems(text: str) -> list[str]:
    """The stems of the content words in order."""
    return [stem(word) for word in tokens(text) if word not in STOP_WORDS]


def word_count(text: str) -> int:
    """Words as a reader counts them; two CJK characters count as one."""
    if not _IS_CJK.search(text):
        return len(text.split())
    return sum(len(m.group()) // 2 + 1 if _IS_CJK.match(m.group()) else 1 for m in _TOKEN.finditer(text))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A word without the commonest English endings; words of other languages lose at most a plural s."""
    if len(word) <= 3 or not word.isalpha() or not word.isascii():
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", "")):
        if word.endswith(ending):
            word = word[: -len(ending)] + instead
            break
    for ending in ("ation", "ment", "ing", "ed", "ally", "al", "ly", "ion"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word[: -len(ending)]
            break
    return word.removesuffix("e") if len(word) > 4 else word


def figures(text: str) -> frozenset[str]:
    """The numbers of a text in one form: 1,250 and 1250 and "three" and 3 are alike."""
    found = {_plain(match.group()) for match in _FIGURE.finditer(text)}
    found.update(_SPELT[word] for word in text.lower().split() if word in _SPELT)
    return frozenset(found)


def measures(text: str) -> frozenset[str]:
    """The figures of a text without its dates and without the numbers in names such as BH-16."""
    return figures(_NO_MEASURE.sub(" ", text))


def latest_date(text: str) -> tuple[int, int]:
    """The latest (year, month) that a text names; month 0 where it names a year alone, (0, 0) where none."""
    latest = (0, 0)
    for match in _YEAR.finditer(text):
        before = text[max(0, match.start() - 12) : match.start()].lower().split()
        month = _MONTHS.get(before[-1], 0) if before else 0
        latest = max(latest, (int(match.group()), month))
    return latest


def overlap(of: Iterable[str], with_: frozenset[str] | set[str]) -> float:
    """The share of the distinct words `of` that are also in `with_`; 0 for none."""
    distinct = set(of)
    return len(distinct & with_) / len(distinct) if distinct else 0.0


def _plain(lexeme: str) -> str:
    digits = re.sub(r"[\u202f ]", "", lexeme)
    digits = re.sub(r",(?=\d{3}(?:\D|$))", "", digits).replace(",", ".")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
