"""Order keys: strings between which another always fits, so that moving one sibling leaves the others alone."""

from __future__ import annotations

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE = len(_DIGITS)


def between(low: str, high: str) -> str:
    """A key that sorts after `low` and before `high`; an empty end is open.

    Raises ValueError when `low` does not sort before `high`, or one of them is no key.
    """
    if not is_key(low or "1") or not is_key(high or "1") or (high and low >= high):
        raise ValueError(f"no key between {low!r} and {high!r}")
    digits: list[str] = []
    place = 0
    bounded = bool(high)
    while True:
        floor = _DIGITS.index(low[place]) if place < len(low) else 0
        ceiling = _DIGITS.index(high[place]) if bounded and place < len(high) else _BASE
        if ceiling - floor > 1:
            digits.append(_DIGITS[(floor + ceiling) // 2])
            return "".join(digits)
        digits.append(_DIGITS[floor])
        bounded = bounded and ceiling == floor
        place += 1


def is_key(text: str) -> bool:
    """Whether a text is an order key: not empty, of the digits alone, and not ending in the lowest, below which nothing
    would fit.
    """
    return bool(text) and not text.endswith(_DIGITS[0]) and all(character in _DIGITS for character in text)


def spread(count: int) -> list[str]:
    """`count` keys in order with room around each."""
    width = 1
    while _BASE**width < (count + 1) * 4:
        width += 1
    step = _BASE**width // (count + 1)
    return [_digits(step * (index + 1), width).rstrip(_DIGITS[0]) for index in range(count)]


def _digits(number: int, width: int) -> str:
    text = ""
    for _ in range(width):
        number, digit = divmod(number, _BASE)
        text = _DIGITS[digit] + text
    return text
