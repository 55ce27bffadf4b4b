"""Whether quotes support a sentence, decided without a model: plain agreement supports it, all else lowers it.

A sentence is supported where it stands in a quote (after one fixed normalisation), or where its wording is one of
those that say no more than a single statement of a quote does (see wording); so halves of two statements never make
one. Every other sentence is at best partially supported; layers then look for what is wrong with it: numbers with
their units and directions, names, negation, direction of comparison, hedges and causes, and how many of its words
the quotes hold. Each layer's finding is kept, the telling one last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum

from lace_core import lexicon
from lace_core.wording import (
    Keys,
    Statement,
    Token,
    active,
    cells,
    normalise,
    number,
    statements,
    told,
    turned,
    verbatim,
)

__all__ = ["Judged", "Verdict", "normalise", "verify"]


class Verdict(IntEnum):
    """How far evidence carries a sentence; lower is worse, so that layers combine by `min`."""

    CONTRADICTED = 0
    UNSUPPORTED = 1
    PARTIALLY = 2
    SUPPORTED = 3

    @property
    def word(self) -> str:
        """The name used on the wire and in SQL."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Verdict:
        """The verdict of that name; raises KeyError."""
        return cls[word.upper()]


@dataclass(frozen=True)
class Judged:
    """The verdict on one sentence and what each layer found ("layer: finding"), the telling finding last."""

    verdict: Verdict
    reasons: tuple[str, ...]


Finding = tuple[Verdict, str]

_RELATED = 0.5


def verify(sentence: str, quotes: Sequence[str]) -> Judged:
    """Whether the quotes support the sentence."""
    if not quotes:
        return Judged(Verdict.UNSUPPORTED, ("citation: none",))
    claims = statements(sentence)
    if not any(claim.text for claim in claims):
        return Judged(Verdict.UNSUPPORTED, ("sentence: empty",))
    if _stands(sentence, claims, quotes):
        return Judged(Verdict.SUPPORTED, ("quote: verbatim",))
    open_claims = [claim for claim in claims if not _agrees(claim, quotes)]
    if not open_claims and not any(_points_back(claim) for claim in claims[1:]):
        return Judged(Verdict.SUPPORTED, ("quote: not verbatim", "wording: agrees"))
    if _joins(sentence, quotes):
        return Judged(Verdict.SUPPORTED, ("quote: not verbatim", "wording: each part agrees"))
    return _lowered(sentence, open_claims or claims, quotes)


def _stands(sentence: str, claims: Sequence[Statement], quotes: Sequence[str]) -> bool:
    """Whether a quote is the sentence, or holds its statements one after the other."""
    wanted = [claim.text for claim in claims]
    whole = verbatim(sentence)
    return any(whole == verbatim(quote) or _holds(statements(quote), wanted) for quote in quotes)


def _holds(stated: Sequence[Statement], wanted: Sequence[str]) -> bool:
    texts = [statement.text for statement in stated]
    return any(texts[at : at + len(wanted)] == wanted for at in range(len(texts) - len(wanted) + 1))


def _agrees(claim: Statement, quotes: Sequence[str]) -> bool:
    """Whether one statement, or one cell of a table, says all that the claim says."""
    own = claim.wordings[0] if claim.wordings else ()
    ways = {own, *turned(own), *active(own)}
    if not own:
        return False
    for quote in quotes:
        if any(not ways.isdisjoint(statement.wordings) for statement in statements(quote)):
            return True
        if " | " in quote and _told_by_a_cell(claim, own, quote):
            return True
    return False


def _told_by_a_cell(claim: Statement, own: Keys, quote: str) -> bool:
    held = claim.keys
    return any(own in told(cell) for cell in cells(quote) if held.issuperset(cell.value))


_JOINT = re.compile(r";\s+|,\s+and\s+")


def _joins(sentence: str, quotes: Sequence[str]) -> bool:
    """Whether the sentence joins clauses each of which agrees by itself."""
    parts = [statements(part) for part in _JOINT.split(sentence)]
    if len(parts) < 2 or any(len(claims) != 1 for claims in parts):
        return False
    alone = [claims[0] for claims in parts]
    return all(_agrees(claim, quotes) for claim in alone) and not any(map(_points_back, alone[1:]))


def _points_back(claim: Statement) -> bool:
    return bool(claim.tokens) and claim.tokens[0].key in lexicon.PRONOUNS


def _lowered(sentence: str, claims: Sequence[Statement], quotes: Sequence[str]) -> Judged:
    stated = [statement for quote in quotes for statement in statements(quote)]
    findings: list[Finding] = [(Verdict.PARTIALLY, "quote: not verbatim")]
    for claim in claims:
        nearest = max(stated, key=lambda statement: _share(claim, statement.stems), default=claim)
        is_related = _share(claim, nearest.stems) >= _RELATED
        findings.extend(
            (_softened(verdict) if not is_related else verdict, reason)
            for verdict, reason in (
                _coverage(claim, stated),
                _numbers(claim, nearest, stated),
                _negation(claim, nearest),
                _direction(claim, nearest),
                _modality(claim, nearest),
            )
        )
    findings.append(_names(sentence, normalise("\n".join(quotes))))
    findings.sort(key=lambda finding: -finding[0])
    return Judged(findings[-1][0], tuple(reason for _, reason in findings))


def _softened(verdict: Verdict) -> Verdict:
    """What speaks of something else cannot contradict."""
    return max(verdict, Verdict.UNSUPPORTED)


def _share(claim: Statement, stems: frozenset[str]) -> float:
    return len(claim.stems & stems) / len(claim.stems) if claim.stems else 0.0


def _coverage(claim: Statement, stated: Sequence[Statement]) -> Finding:
    share = _share(claim, frozenset().union(*(statement.stems for statement in stated)))
    verdict = Verdict.PARTIALLY if share >= _RELATED else Verdict.UNSUPPORTED
    return verdict, f"coverage: {round(share * 100)} of 100 content words, not in one statement"


@dataclass(frozen=True)
class _Quantity:
    value: str
    figure: str
    unit: str
    way: str


def _quantities(statement: Statement) -> Iterator[_Quantity]:
    tokens = statement.tokens
    for at, token in enumerate(tokens):
        if token.figure:
            after = tokens[at + 1].key if at + 1 < len(tokens) else ""
            before = tokens[at - 1].key if at else ""
            unit = after if after in lexicon.MEASURES else before if before in "£$€¥" else ""
            yield _Quantity(number(token.figure), token.figure, unit, _way(tokens, at))


def _way(tokens: Sequence[Token], at: int) -> str:
    """The direction that a number is bound to: by the words right after it, else by those right before it."""
    for near in (tokens[at + 1 : at + 4], tokens[max(0, at - 3) : at][::-1]):
        for token in near:
            if token.figure or token.key in ("and", "or", ",", ";"):
                break
            if token.key in lexicon.UP:
                return "up"
            if token.key in lexicon.DOWN:
                return "down"
    return ""


_GROUPS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


def _numbers(claim: Statement, nearest: Statement, stated: Sequence[Statement]) -> Finding:
    near: dict[str, list[_Quantity]] = {}
    for quantity in _quantities(nearest):
        near.setdefault(quantity.value, []).append(quantity)
    held = {number(token.figure) for statement in stated for token in statement.tokens if token.figure}
    found = [_number(own, near, held) for own in _quantities(claim)]
    return min(found, key=lambda finding: finding[0], default=(Verdict.PARTIALLY, "numbers: agree"))


def _number(own: _Quantity, near: Mapping[str, Sequence[_Quantity]], held: Set[str]) -> Finding:
    same = near.get(own.value, ())
    if not same and own.value in held:
        return Verdict.PARTIALLY, f"numbers: {own.figure} stands in another statement"
    if not same and any(_is_grouped_alike(own, other) for others in near.values() for other in others):
        return Verdict.PARTIALLY, f"numbers: it is unclear how {own.figure} is grouped"
    if not same:
        return Verdict.CONTRADICTED, f"numbers: {own.figure} is not in the evidence"
    if own.unit and own.unit not in {quantity.unit for quantity in same}:
        return Verdict.CONTRADICTED, f"numbers: {own.figure} has another unit in the evidence"
    if own.way and all(quantity.way and quantity.way != own.way for quantity in same):
        return Verdict.CONTRADICTED, f"numbers: {own.figure} goes the other way in the evidence"
    return Verdict.PARTIALLY, "numbers: agree"


def _is_grouped_alike(one: _Quantity, other: _Quantity) -> bool:
    figures = (one.figure, other.figure)
    return all(map(_GROUPS.fullmatch, figures)) and len({re.sub("[.,]", "", figure) for figure in figures}) == 1


_NAME = re.compile(r"\b(?:[A-Z]+-?\d+[\w-]*|[A-Z][\w'-]*[a-z]\w*|[A-Z]{2,}\w*)\b")
_ORDINARY = re.compile(r"[\"'“‘(\s]*[A-Z][a-z]+(?!\s+[A-Z])\b")


def _names(sentence: str, quotes: str) -> Finding:
    ordinary = _ORDINARY.match(sentence)  # what begins a sentence may be any word; coverage counts it
    begin = ordinary.end() if ordinary else 0
    names = [(m.start(), normalise(m[0]).removesuffix("'s")) for m in _NAME.finditer(sentence)]
    for start, name in names:
        if start >= begin and not re.search(rf"(?<!\w){re.escape(name)}", quotes):
            return Verdict.UNSUPPORTED, f"names: {name} is not in the evidence"
    places = [quotes.find(name) for name in dict.fromkeys(name for _, name in names) if name in quotes]
    return Verdict.PARTIALLY, "names: agree" if places == sorted(places) else "names: in another order"


def _negation(claim: Statement, nearest: Statement) -> Finding:
    mine, theirs = (sum(t.key in lexicon.NEGATIONS for t in s.tokens) for s in (claim, nearest))
    if (mine > 0) != (theirs > 0):
        return Verdict.CONTRADICTED, "negation: differs"
    return Verdict.PARTIALLY, "negation: agrees" if mine == theirs else "negation: unclear"


def _direction(claim: Statement, nearest: Statement) -> Finding:
    mine, theirs = claim.keys, nearest.keys
    for name, way, other in (("up", lexicon.UP, lexicon.DOWN), ("down", lexicon.DOWN, lexicon.UP)):
        if mine & way and not theirs & way:
            verdict = Verdict.CONTRADICTED if theirs & other else Verdict.PARTIALLY
            return verdict, f"direction: {name} is not in the evidence"
    return Verdict.PARTIALLY, "direction: agrees"


def _modality(claim: Statement, nearest: Statement) -> Finding:
    mine, theirs = claim.keys, nearest.keys
    if theirs & lexicon.HEDGES and not mine & lexicon.HEDGES:
        return Verdict.UNSUPPORTED, "modality: a hedge of the evidence was dropped"
    if mine & lexicon.CAUSES and not theirs & lexicon.CAUSES:
        return Verdict.UNSUPPORTED, "modality: a cause was added"
    return Verdict.PARTIALLY, "modality: agrees"
