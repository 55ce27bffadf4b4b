"""Whether quotes support a sentence, decided without a model: plain agreement supports it, all else lowers it.

A sentence is supported where it stands in a quote (after one fixed normalisation), or where its wording is one of
those that say no more than a single statement of a quote does (see wording); so halves of two statements never make
one. Every other sentence is at best partially supported. The layers then look for what is wrong with it, each by
itself (see layers), also where the wording agrees: a sentence is as good as the worst that a layer finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from lace_core.verification import lexicon
from lace_core.verification.clauses import readings
from lace_core.verification.inferring import follows
from lace_core.verification.joining import splits
from lace_core.verification.language import are_english
from lace_core.verification.layers import compared, look
from lace_core.verification.leaving_out import without
from lace_core.verification.passages import spelled
from lace_core.verification.tokens import Keys, Tokens
from lace_core.verification.turning import active, owned, ways
from lace_core.verification.verdicts import Judged, LayerVerdict, Verdict
from lace_core.verification.wording import (
    Cell,
    Statement,
    cells,
    keys_of,
    normalise,
    statements,
    stems_of,
    told,
    verbatim,
)

__all__ = ["Judged", "LayerVerdict", "Verdict", "normalise", "supports", "verify"]


def supports(sentence: str, quotes: Sequence[str]) -> bool:
    """Whether the quotes support the sentence."""
    return verify(sentence, quotes).verdict is Verdict.SUPPORTED


def verify(sentence: str, quotes: Sequence[str]) -> Judged:
    """Whether the quotes support the sentence, and what each layer found. The same texts are looked at once."""
    return _verified(sentence, tuple(quotes))


@lru_cache(maxsize=2048)
def _verified(sentence: str, quotes: tuple[str, ...]) -> Judged:
    if not quotes:
        return _refused("citation", "none")
    claims = statements(sentence)
    if not any(claim.text for claim in claims):
        return _refused("sentence", "empty")
    cited = LayerVerdict(layer="citation", verdict=Verdict.SUPPORTED.word, finding=_counted(len(quotes)))
    if _stands(sentence, claims, quotes):
        same = (cited, _layer("quote", True, "verbatim"), _layer("wording", True, "the evidence's own"))
        return _combined(sentence, claims, _equal(claims, quotes), quotes, same)
    quote = _layer("quote", False, "not verbatim")
    agreeing = [_agreeing(claim, quotes) for claim in claims]
    if all(agreeing) and not any(_points_back(claim) for claim in claims[1:]):
        return _combined(sentence, claims, agreeing, quotes, (cited, quote, _layer("wording", True, "agrees")))
    if joined := _joins(claims, quotes):
        clauses, agreeing = joined
        each = _layer("wording", True, "each part agrees")
        return _combined(sentence, clauses, agreeing, quotes, (cited, quote, each))
    differs = _layer("wording", False, "no single statement says this and no less")
    return _combined(sentence, claims, agreeing, quotes, (cited, quote, differs))


def _counted(count: int) -> str:
    return "1 quote" if count == 1 else f"{count} quotes"


def _layer(name: str, is_sound: bool, finding: str) -> LayerVerdict:
    verdict = Verdict.SUPPORTED if is_sound else Verdict.PARTIALLY
    return LayerVerdict(layer=name, verdict=verdict.word, finding=finding)


def _refused(layer: str, finding: str) -> Judged:
    found = LayerVerdict(layer=layer, verdict=Verdict.UNSUPPORTED.word, finding=finding)
    return Judged(Verdict.UNSUPPORTED, (found.told,), (found,))


def _combined(
    sentence: str,
    claims: Sequence[Statement],
    agreeing: Sequence[Statement | None],
    quotes: tuple[str, ...],
    first: tuple[LayerVerdict, ...],
) -> Judged:
    """The worst of what the layers find; supported only where the wording agrees and no other layer objects."""
    stated = [statement for quote in quotes for statement in statements(quote)]
    agreed = Verdict.of(first[-1].verdict) is Verdict.SUPPORTED
    pairs = [
        compared(claim, stated, other)
        for claim, other in zip(claims, agreeing, strict=True)
        if agreed or other is None or all(agreeing)
    ]
    found = look(sentence, quotes, pairs)
    worst = min(Verdict.of(layer.verdict) for layer in (*found, first[-1]))
    if worst is Verdict.SUPPORTED:
        said = first[1:2] if first[1].verdict == worst.word else first[1:]
        return Judged(worst, tuple(layer.told for layer in said), (*first, *found))
    telling = [*first[1:], *sorted(found, key=lambda layer: -Verdict.of(layer.verdict))]
    return Judged(worst, tuple(layer.told for layer in telling), (*first, *found))


def _stands(sentence: str, claims: Sequence[Statement], quotes: Sequence[str]) -> bool:
    """Whether a quote is the sentence, or holds its statements one after the other."""
    wanted = [claim.text for claim in claims]
    whole = verbatim(sentence)
    for quote in quotes:
        stated = statements(quote)
        if whole == verbatim(quote) and not _is_cut(claims[-1], stated[-1]) and not _is_cut(claims[0], stated[0]):
            return True
        if _holds(stated, wanted, claims):
            return True
    return False


def _holds(stated: Sequence[Statement], wanted: Sequence[str], claims: Sequence[Statement]) -> bool:
    texts = [statement.text for statement in stated]
    for at in range(len(texts) - len(wanted) + 1):
        there = stated[at : at + len(wanted)]
        if texts[at : at + len(wanted)] == wanted:
            return not any(_is_cut(claim, statement) for claim, statement in zip(claims, there, strict=True))
    return False


def _equal(claims: Sequence[Statement], quotes: Sequence[str]) -> list[Statement | None]:
    """The statement of a quote that each claim is, word for word."""
    by_text = {statement.text: statement for quote in quotes for statement in statements(quote)}
    return [by_text.get(claim.text, claim) for claim in claims]


_MOST_STRANGE = 2  # content words of a claim that only another form of has to stand in the statement


def _agreeing(claim: Statement, quotes: Sequence[str]) -> Statement | None:
    """What is left of the statement that says all of the claim; the claim itself where a cell of a table does."""
    likely = any(True for quote in quotes for _ in _like(claim, statements(quote)))
    plain, held = ways(claim.tokens) if likely else _NONE
    for quote in (*quotes, *_tables(quotes)):
        for statement in _like(claim, statements(quote)) if plain else ():
            own, theirs = _implied(statement.tokens)
            for keys in sorted(((plain | held) & own.keys()) or (plain & theirs.keys())):
                return _part(statement, own.get(keys) or theirs[keys])
        if " | " in quote and _told_by_a_cell(claim, quote):
            return claim
    return _following(claim, quotes)


def _following(claim: Statement, quotes: Sequence[str]) -> Statement | None:
    """What says all of the claim and follows from a statement, or from what a text says across its lines."""
    for quote in quotes:
        for statement in _like(claim, (*statements(quote), *spelled(quote))):
            found = _inferred(statement.tokens)
            for keys in sorted(ways(claim.tokens)[0] & found.keys()):
                return _part(statement, found[keys])
    return None


_NONE: tuple[frozenset[Keys], frozenset[Keys]] = (frozenset(), frozenset())


def _like(claim: Statement, stated: Sequence[Statement]) -> Iterator[Statement]:
    """The statements that may say what the claim says."""
    return (one for one in stated if _may_agree(claim, one) and not _is_cut(claim, one))


def _may_agree(claim: Statement, statement: Statement) -> bool:
    """Whether the statement has the claim's numbers, and nearly all of its words, in the language of the rules."""
    if not claim.figures <= statement.figures:
        return False
    if len(claim.stems - statement.stems) > _MOST_STRANGE:
        return False
    return are_english(claim.language, statement.language)


Left = dict[Keys, Tokens]


@lru_cache(maxsize=1024)
def _implied(tokens: Tokens) -> tuple[Left, Left]:
    """What follows from a statement, also as said of who did it, and of whose it is; each with what is left of it."""
    own = readings(tokens)
    said = {way: left for keys, left in own.items() for way in active(keys)} | dict(own)
    return said, {way: left for keys, left in own.items() for way in owned(keys)}


@lru_cache(maxsize=1024)
def _inferred(tokens: Tokens) -> Left:
    """What follows from a statement by the rules of inferring, and as said of who did it; with the tokens of it."""
    found: Left = {}
    for one in _chained(tokens):
        found.setdefault(keys_of(one), one)
    return {way: one for keys, one in found.items() for way in active(keys)} | found


_MOST_CHAINED = 400


def _chained(tokens: Tokens) -> Mapping[Tokens, None]:
    """The readings of a statement and what follows from each by one rule or two, in the order of the rules."""
    found = dict.fromkeys(readings(tokens).values())
    for _ in range(2):
        for one in tuple(found):
            if len(found) < _MOST_CHAINED:
                found.update(dict.fromkeys((*without(one), *follows(one))))
    return found


def _tables(quotes: Sequence[str]) -> Iterator[str]:
    """Lines of one table that are quoted one by one, put together: the first names the columns."""
    lines = [quote for quote in quotes if " | " in quote and "\n" not in quote]
    if len(lines) > 1 and len({line.count(" | ") for line in lines}) == 1:
        yield "\n".join(lines)


def _is_cut(claim: Statement, statement: Statement) -> bool:
    """Whether the statement seems to be the middle of a sentence, where the claim is a whole one."""
    if " | " in statement.text:
        return False
    begins = statement.opens_small and not claim.opens_small
    return begins or (claim.closes and not statement.closes)


def _told_by_a_cell(claim: Statement, quote: str) -> bool:
    own = keys_of(claim.tokens)
    words = frozenset(key.removesuffix("'s") for key in own)
    for cell in cells(quote):
        if any(map(words.issuperset, cell.rows)) and any(map(words.issuperset, cell.values)):
            for keys in (own, *_without_names(claim, cell)):
                if keys in told(cell):
                    return True
    return False


def _without_names(claim: Statement, cell: Cell) -> Iterator[Keys]:
    """The claim without a second name between commas that another cell of the row gives."""
    commas = [at for at, token in enumerate(claim.tokens) if token.key == ","]
    for first, second in pairwise(commas):
        if keys_of(claim.tokens[first + 1 : second]) in cell.others:
            yield keys_of((*claim.tokens[:first], *claim.tokens[second + 1 :]))


def _joins(
    sentence: Sequence[Statement], quotes: Sequence[str]
) -> tuple[list[Statement], list[Statement | None]] | None:
    """The clauses that the sentence joins, each of which agrees by itself, with what they agree with."""
    if len(sentence) != 1 or len(sentence[0].tokens) > _MOST_JOINED:
        return None
    whole = sentence[0]
    known: dict[Tokens, Statement | None] = {}
    for left, right in splits(whole.tokens):
        alone = [_part(whole, left), _part(whole, right)]
        for claim in alone:
            if claim.tokens not in known:
                known[claim.tokens] = _agreeing(claim, quotes)
            if known[claim.tokens] is None:
                break
        else:
            return alone, [known[claim.tokens] for claim in alone]
    return None


_MOST_JOINED = 120


def _part(whole: Statement, tokens: Tokens) -> Statement:
    text = " ".join(token.figure or token.key for token in tokens)
    return Statement(text, tokens, stems_of(tokens), whole.opens_small, whole.closes)


def _points_back(claim: Statement) -> bool:
    return bool(claim.tokens) and claim.tokens[0].key in lexicon.PRONOUNS
