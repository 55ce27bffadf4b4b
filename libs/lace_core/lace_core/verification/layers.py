"""The layers that look for what is wrong with a sentence: each compares it with the statement nearest to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from lace_core.verification import lexicon
from lace_core.verification.tokens import Token
from lace_core.verification.verdicts import LayerVerdict, Verdict
from lace_core.verification.wording import Statement, normalise, number

Finding = tuple[Verdict, str]

_RELATED = 0.5


@dataclass(frozen=True)
class Compared:
    """A statement of the sentence, the statement nearest to it, and all that the quotes state."""

    claim: Statement
    nearest: Statement
    stated: Sequence[Statement]
    agreed: bool

    @property
    def is_related(self) -> bool:
        """Whether both speak of the same; what speaks of something else cannot contradict."""
        return self.agreed or share(self.claim, self.nearest.stems) >= _RELATED


def compared(claim: Statement, stated: Sequence[Statement], agreeing: Statement | None) -> Compared:
    """The claim beside the statement that it agrees with, else the one that shares most of its words."""
    nearest = agreeing or max(stated, key=lambda statement: share(claim, statement.stems), default=claim)
    return Compared(claim, nearest, stated, agreeing is not None)


def look(sentence: str, quotes: Sequence[str], pairs: Sequence[Compared]) -> list[LayerVerdict]:
    """Each layer's verdict on the whole sentence: the worst of what it finds of its statements."""
    found: list[LayerVerdict] = []
    for name, layer in _LAYERS.items():
        findings = [_bounded(layer(pair), pair) for pair in pairs]
        found.append(_told(name, min(findings, key=lambda finding: finding[0])))
    agreed = all(pair.agreed for pair in pairs)
    found.insert(2, _told("names", _names(sentence, _folded(tuple(quotes)), agreed)))
    return found


def _told(layer: str, finding: Finding) -> LayerVerdict:
    return LayerVerdict(layer=layer, verdict=finding[0].word, finding=finding[1])


def _bounded(finding: Finding, pair: Compared) -> Finding:
    return finding if pair.is_related else (max(finding[0], Verdict.UNSUPPORTED), finding[1])


def share(claim: Statement, stems: frozenset[str]) -> float:
    """How many of its content words are among those, from 0 to 1."""
    return len(claim.stems & stems) / len(claim.stems) if claim.stems else 0.0


def _coverage(pair: Compared) -> Finding:
    if pair.agreed:
        return Verdict.SUPPORTED, "one statement holds what it says"
    held = share(pair.claim, frozenset().union(*(statement.stems for statement in pair.stated)))
    verdict = Verdict.PARTIALLY if held >= _RELATED else Verdict.UNSUPPORTED
    return verdict, f"{round(held * 100)} of 100 content words, not in one statement"


@dataclass(frozen=True)
class _Quantity:
    value: str
    figure: str
    unit: str
    way: str


@lru_cache(maxsize=2048)
def _quantities(statement: Statement) -> tuple[_Quantity, ...]:
    return tuple(_each_quantity(statement.tokens))


def _each_quantity(tokens: Sequence[Token]) -> Iterator[_Quantity]:
    for at, token in enumerate(tokens):
        if token.figure:
            after = tokens[at + 1].key if at + 1 < len(tokens) else ""
            before = tokens[at - 1].key if at else ""
            unit = after if after in lexicon.MEASURES else before if before in "£$€¥" else ""
            rate = [token.key for token in tokens[at + 2 : at + 4]]
            if unit == after and rate[:1] == ["per"] and len(rate) == 2:
                unit = f"{unit} per {rate[1]}"
            yield _Quantity(number(token.key), token.figure, unit, _way(tokens, at))


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


def _numbers(pair: Compared) -> Finding:
    near: dict[str, list[_Quantity]] = {}
    for quantity in _quantities(pair.nearest):
        near.setdefault(quantity.value, []).append(quantity)
    held = {quantity.value for statement in pair.stated for quantity in _quantities(statement)}
    found = [_number(own, near, held) for own in _quantities(pair.claim)]
    return min(found, key=lambda finding: finding[0], default=(Verdict.SUPPORTED, "agree"))


def _number(own: _Quantity, near: Mapping[str, Sequence[_Quantity]], held: Set[str]) -> Finding:
    same = near.get(own.value, ())
    if not same and own.value in held:
        return Verdict.PARTIALLY, f"{own.figure} stands in another statement"
    if not same and any(_is_grouped_alike(own, other) for others in near.values() for other in others):
        return Verdict.PARTIALLY, f"it is unclear how {own.figure} is grouped"
    if not same:
        return Verdict.CONTRADICTED, f"{own.figure} is not in the evidence"
    if own.unit and own.unit not in {quantity.unit for quantity in same}:
        return Verdict.CONTRADICTED, f"{own.figure} has another unit in the evidence"
    if own.way and all(quantity.way and quantity.way != own.way for quantity in same):
        return Verdict.CONTRADICTED, f"{own.figure} goes the other way in the evidence"
    return Verdict.SUPPORTED, "agree"


def _is_grouped_alike(one: _Quantity, other: _Quantity) -> bool:
    figures = (one.figure, other.figure)
    return all(map(_GROUPS.fullmatch, figures)) and len({re.sub("[.,]", "", figure) for figure in figures}) == 1


_NAME = re.compile(r"\b(?:[A-Z]+-?\d+[\w-]*|[A-Z][\w'-]*[a-z]\w*|[A-Z]{2,}\w*)\b")
_ORDINARY = re.compile(r"[\"'“‘(\s]*[A-Z][a-z]+(?!\s+[A-Z])\b")


@lru_cache(maxsize=512)
def _folded(quotes: tuple[str, ...]) -> str:
    return normalise("\n".join(quotes))


def _names(sentence: str, quotes: str, agreed: bool) -> Finding:
    ordinary = _ORDINARY.match(sentence)  # what begins a sentence may be any word; coverage counts it
    begin = ordinary.end() if ordinary else 0
    names = [(m.start(), normalise(m[0]).removesuffix("'s")) for m in _NAME.finditer(sentence)]
    for start, name in names:
        if start >= begin and not agreed and not re.search(rf"(?<!\w){re.escape(name)}", quotes):
            return Verdict.UNSUPPORTED, f"{name} is not in the evidence"
    places = [quotes.find(name) for name in dict.fromkeys(name for _, name in names) if name in quotes]
    if agreed or places == sorted(places):
        return Verdict.SUPPORTED, "agree"
    return Verdict.PARTIALLY, "in another order"


def _negation(pair: Compared) -> Finding:
    mine, theirs = (sum(t.key in lexicon.NEGATIONS for t in s.tokens) for s in (pair.claim, pair.nearest))
    if (mine > 0) != (theirs > 0):
        return Verdict.CONTRADICTED, "differs"
    return (Verdict.SUPPORTED, "agrees") if mine == theirs else (Verdict.PARTIALLY, "unclear")


def _direction(pair: Compared) -> Finding:
    mine, theirs = pair.claim.keys, pair.nearest.keys
    for name, way, other in (("up", lexicon.UP, lexicon.DOWN), ("down", lexicon.DOWN, lexicon.UP)):
        if mine & way and not theirs & way:
            verdict = Verdict.CONTRADICTED if theirs & other else Verdict.PARTIALLY
            return verdict, f"{name} is not in the evidence"
    return Verdict.SUPPORTED, "agrees"


def _modality(pair: Compared) -> Finding:
    if pair.nearest.keys & lexicon.HEDGES and not pair.claim.keys & lexicon.HEDGES:
        return Verdict.UNSUPPORTED, "a hedge of the evidence was dropped"
    return Verdict.SUPPORTED, "agrees"


def _cause(pair: Compared) -> Finding:
    if pair.claim.keys & lexicon.CAUSES and not pair.nearest.keys & lexicon.CAUSES:
        return Verdict.UNSUPPORTED, "a cause was added"
    return Verdict.SUPPORTED, "agrees"


def _attribution(pair: Compared) -> Finding:
    if pair.nearest.keys & lexicon.SAYING and not pair.claim.keys & lexicon.SAYING:
        return Verdict.PARTIALLY, "whose words they are was left out"
    return Verdict.SUPPORTED, "agrees"


_LAYERS: Mapping[str, Callable[[Compared], Finding]] = {
    "coverage": _coverage,
    "numbers": _numbers,
    "negation": _negation,
    "direction": _direction,
    "modality": _modality,
    "cause": _cause,
    "attribution": _attribution,
}
