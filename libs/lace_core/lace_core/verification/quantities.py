"""Numbers in one form: in words or figures, with thousand or million or written out, in one of the units of a measure.

What has one unit for two numbers ("2 to 3 km") stays as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation

from lace_core.verification.equivalents import METRIC, SCALES
from lace_core.verification.tokens import Keys, Token

_BIG = frozenset(("hundred", *SCALES))
_CHANGING = _BIG | METRIC.keys()
_SHARING = frozenset(("thru", "and", "or", ",", "to", "-", "/", "x", "by", "from", "between"))
_CURRENCY = "£$€¥"


def settled(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with each number in one form."""
    if _CHANGING.isdisjoint(token.key for token in tokens):
        return list(tokens)
    return list(_converted(list(_scaled(list(_in_words(tokens))))))


def canonical(keys: Keys) -> Keys:
    """Keys with each number in one form."""
    return tuple(token.key for token in settled([Token(key, key if key[:1].isdigit() else "") for key in keys]))


def _in_words(tokens: Sequence[Token]) -> Iterator[Token]:
    """ "two hundred and forty" as 240."""
    at = 0
    while at < len(tokens):
        value, length = _hundreds(tokens, at)
        if length:
            yield Token(str(value), " ".join(token.figure or token.key for token in tokens[at : at + length]))
        else:
            yield tokens[at]
        at += length or 1


def _hundreds(tokens: Sequence[Token], at: int) -> tuple[int, int]:
    """What is counted in hundreds from here, and by how many tokens; 0 tokens for nothing."""
    if at + 1 >= len(tokens) or tokens[at + 1].key != "hundred":
        return 0, 0
    first = 1 if tokens[at].key == "a" else _small(tokens[at])
    if not 0 < first < 10:
        return 0, 0
    after = at + 3 if at + 2 < len(tokens) and tokens[at + 2].key == "and" else at + 2
    rest = _small(tokens[after]) if after < len(tokens) else 0
    if rest and (after + 1 >= len(tokens) or tokens[after + 1].key not in _BIG):
        return first * 100 + rest, after + 1 - at
    return first * 100, 2


def _small(token: Token) -> int:
    """A number below a hundred that is written as a word, else 0."""
    return int(token.key) if token.figure[:1].isalpha() and token.key.isdigit() and len(token.key) < 3 else 0


def _scaled(tokens: Sequence[Token]) -> Iterator[Token]:
    """ "3 million" as 3000000, "two thousand five hundred" as it is."""
    at = 0
    while at < len(tokens):
        token, end = tokens[at], at + 1
        value = _value(token)
        while value is not None and end < len(tokens) and tokens[end].key in SCALES and not _shares(tokens, at):
            value *= SCALES[tokens[end].key]
            end += 1
        if value is not None and end > at + 1:
            yield Token(_written(value), " ".join(each.figure or each.key for each in tokens[at:end]))
        else:
            yield token
        at = end if value is not None else at + 1


def _converted(tokens: Sequence[Token]) -> Iterator[Token]:
    """ "1.5 km" as 1500 m; a rate or an area stays."""
    factor = Decimal(1)
    for at, token in enumerate(tokens):
        if token.key in METRIC and factor != 1:
            yield Token(METRIC[token.key][0])
            factor = Decimal(1)
            continue
        value, unit = _value(token), tokens[at + 1].key if at + 1 < len(tokens) else ""
        is_rate = at + 2 < len(tokens) and tokens[at + 2].key in ("per", "/", "^")
        if value is not None and unit in METRIC and not is_rate and not _shares(tokens, at):
            factor = METRIC[unit][1]
            yield Token(_written(value * factor), token.figure)
        else:
            yield token


def _shares(tokens: Sequence[Token], at: int) -> bool:
    """Whether the number may have its unit in common with one before it."""
    while at and tokens[at - 1].key in _CURRENCY:
        at -= 1
    return at > 1 and tokens[at - 1].key in _SHARING and bool(tokens[at - 2].figure)


def _value(token: Token) -> Decimal | None:
    if not token.figure:
        return None
    try:
        return Decimal(token.key)
    except InvalidOperation:
        return None


def _written(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
