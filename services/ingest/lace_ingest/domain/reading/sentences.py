"""Finds the sentences of a normalised text by fixed rules: no model, no state, the same answer everywhere.

A stop ends a sentence when what follows can begin one and nothing before it says otherwise: an abbreviation, an
initial, an ordinal, an open bracket or quotation. Where the rules cannot tell, two sentences stay together: a
sentence that is too long can still be cited, half of one cannot.
"""

from __future__ import annotations

import re

from lace_ingest.domain.documents import Span


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Always followed by the thing that they announce.
_NEVER_LAST = _words(
    "mr mrs ms mx dr prof st gen col capt lt sgt cmdr rev hon gov sen rep pres messrs mme mlle"
    " e.g i.e eg ie cf vs viz approx ca esp incl excl resp aka a.k.a n.b et v z.b d.h u.a bzw vgl evtl p.ex"
)
# Followed by a number, a letter or a name where they are abbreviations, words of their own otherwise.
_BEFORE_NUMBER = _words(
    "no nos nr fig figs eq eqs eqn tab tabs sec secs sect ch chap vol vols ed p pp para paras art arts app ref refs"
    " abb abs bd seite ex pt pl ver ss jan feb mar apr jun jul aug sep sept oct nov dec"
)
# May stand inside or at the end; then only a word that begins sentences ends one.
_EITHER = _words(
    "al inc ltd co corp bros plc llc jr sr esq dept univ est max min avg std gov mt ave blvd rd a.m p.m am pm"
    " u.s u.k u.n e.u ph.d m.sc b.sc m.d b.c a.d d.c jan feb mar apr jun jul aug sep sept oct nov dec"
)
_STARTERS = _words(
    "a after all although an and as at because before both but by during each for from he her here his how however"
    " i if in it its many more most no nor not of on one only or our she since so some such that the their then there"
    " these they this those though thus to under until we what when where whether which while who with yet you"
)
# A single capital after one of these is a name of its own, not an initial: "Section C. Drilling began."
_LABELLED = _words(
    "section sections part option phase class group type zone grade plan appendix annex figure table schedule vitamin"
    " hepatitis category case level step stage line unit block area lot item point site team route scenario bracket"
)
# Stops of scripts that use them for nothing else: CJK, Arabic and Urdu, Devanagari, Armenian, Ethiopic, Khmer,
# Burmese, Tibetan.
_CERTAIN = "\u3002\uff01\uff1f\uff61\u061f\u06d4\u0964\u0965\u0589\u1362\u1367\u17d4\u17d5\u104b\u0f0d\u0f0e"
_STOP = re.compile(rf"(?:[.!?\u2026]+|[{_CERTAIN}]+)")
_QUOTATIVE = ("\u3068", "\u3063\u3066")  # Japanese: what follows says that the sentence before was only quoted
_CLOSERS = "\"'\u2019\u201d\u00bb)]}\u300d\u300f\uff09"
_OPENERS = "\"'\u2018\u201c\u00ab([{\u300c\u300e\uff08\u00bf\u00a1\u201e"
_CITATION = re.compile(r"(?:\[\d{1,3}(?:\s?[,\u2013-]\s?\d{1,3})*\]|[\u00b9\u00b2\u00b3\u2070-\u2079])+")
_LAST_TOKEN = re.compile(r"(?:[^\W\d_]\.)*[^\W_]+(?:[-\u2019'][^\W_]+)*$|\d[\d.,]*$")
_NEXT_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_BRACKETS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "\u201c": "\u201d",
    "\u00ab": "\u00bb",
    "\u201e": "\u201c",
    "\uff08": "\uff09",
    "\u300c": "\u300d",
    "\u300e": "\u300f",
}
_LONGEST_TOKEN = 40
_DEEPEST = 16
_REACH = 400  # an opener whose closer is farther away than this is taken for a typing error


def sentence_spans(text: str) -> tuple[Span, ...]:
    """The sentences of `text` in order, without the white space between them; they cover all else."""
    enclosures = _Enclosures(text)
    spans: list[Span] = []
    start = 0
    for stop in _STOP.finditer(text):
        end = _include_closers(text, stop.end())
        if (
            not any(map(str.isalnum, text[start : stop.start()][:80]))
            or not _ends_sentence(text, start, stop, end)
            or enclosures.hold(end)
        ):
            continue
        spans.append(Span(start, end))
        start = _skip_space(text, end)
    tail = len(text.rstrip())
    if start < tail:
        spans.append(Span(start, tail))
    return tuple(spans)


def _ends_sentence(text: str, start: int, stop: re.Match[str], end: int) -> bool:
    mark = stop.group()
    if mark[0] in _CERTAIN:
        return end == stop.end() or not text.startswith(_QUOTATIVE, end)
    if end >= len(text):
        return True
    if not text[end].isspace():
        return False
    following = text[_skip_space(text, end) :][:60]
    if not _can_begin(following):
        return False
    if mark == ".":
        return _full_stop_ends(text, start, stop.start(), end, following)
    return True


def _can_begin(following: str) -> bool:
    stripped = following.lstrip(_OPENERS)
    if not stripped:
        return False
    first = stripped[0]
    return first.isupper() or first.isdigit() or first in "#$\u20ac\u00a3`@<*_" or _is_caseless_letter(first)


def _is_caseless_letter(char: str) -> bool:
    return char.isalpha() and not char.islower() and not char.isupper()


def _full_stop_ends(text: str, start: int, at: int, end: int, following: str) -> bool:
    found = _LAST_TOKEN.search(text, max(start, at - _LONGEST_TOKEN), at)
    if found is None:
        return True
    token = found.group()
    lowered = token.lower()
    if end > at + 1 and text[at + 1] not in "\"'\u2019\u201d\u00bb":
        # A bracket or citation mark after the stop: what stands before it is a sentence of its own.
        return True
    word = _NEXT_WORD.match(following.lstrip(_OPENERS))
    next_word = word.group() if word else ""
    if lowered in _NEVER_LAST:
        return False
    if lowered in _BEFORE_NUMBER and (next_word[:1].isdigit() or _is_label(next_word)):
        return False
    if lowered in _EITHER or (_is_initials(token) and not _is_labelled(text, found.start())):
        return next_word.lower() in _STARTERS and not (len(next_word) == 1 and next_word != "A")
    # "1. Introduction" begins with the number of an item.
    return not (token.isdigit() and found.start() == start and len(token) <= 3)


def _is_label(word: str) -> bool:
    """Whether a word can be the number of a figure or section: A, B2, IV."""
    return (
        bool(word)
        and len(word) <= 4
        and word.isupper()
        and (len(word) == 1 or not word.isalpha() or set(word) <= set("IVXLC"))
    )


def _is_labelled(text: str, at: int) -> bool:
    """Whether the word before `at` says that what follows it is a label."""
    before = text[max(0, at - _LONGEST_TOKEN) : at].split()
    return bool(before) and before[-1].lower().rstrip(".") in _LABELLED | _BEFORE_NUMBER


def _is_initials(token: str) -> bool:
    """A single capital (J. Smith) or a chain of letters with stops (U.S.A)."""
    if len(token) == 1:
        return token.isupper()
    parts = token.split(".")
    return len(parts) > 1 and all(len(part) == 1 and part.isalpha() for part in parts)


def _include_closers(text: str, end: int) -> int:
    while end < len(text) and text[end] in _CLOSERS:
        end += 1
    mark = _CITATION.match(text, end)
    return mark.end() if mark else end


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


class _Enclosures:
    """Where brackets and quotations are open; asked with rising places, answers in constant time each."""

    def __init__(self, text: str) -> None:
        pairs = [pair for pair in (*_bracket_pairs(text), *_straight_quotations(text)) if pair[1] - pair[0] <= _REACH]
        self._outermost = _merge(sorted(pairs))
        self._at = 0

    def hold(self, place: int) -> bool:
        """Whether `place` is inside an enclosure: after its opener and not after its closer."""
        while self._at < len(self._outermost) and self._outermost[self._at][1] < place:
            self._at += 1
        return self._at < len(self._outermost) and self._outermost[self._at][0] < place


def _bracket_pairs(text: str) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    stack: list[tuple[str, int]] = []
    for at, char in enumerate(text):
        if stack and char == stack[-1][0]:
            pairs.append((stack.pop()[1], at))
        elif char in _BRACKETS:
            stack = [*stack[-_DEEPEST:], (_BRACKETS[char], at)]
    return pairs


def _straight_quotations(text: str) -> list[tuple[int, int]]:
    """Pairs of straight double quotes (inch marks left out); none where they do not pair up."""
    places = [at for at, char in enumerate(text) if char == '"' and not (at and text[at - 1].isdigit())]
    return [] if len(places) % 2 else list(zip(places[::2], places[1::2], strict=True))


def _merge(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The outermost of nested pairs, overlapping ones joined; `pairs` are sorted."""
    merged: list[tuple[int, int]] = []
    for opened, closed in pairs:
        if merged and opened < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(closed, merged[-1][1]))
        else:
            merged.append((opened, closed))
    return merged
