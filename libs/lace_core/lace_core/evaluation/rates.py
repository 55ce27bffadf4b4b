"""Rates of what was counted, with the bounds within which the true rates lie."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log, log1p

from msgspec import Struct

CONFIDENCE = 0.95
_STEPS = 60
_DIGITS = 6


class Rate(Struct, frozen=True, kw_only=True):
    """So many of so many, and the bounds of the true rate; where nothing was counted it may be anything: 0 to 1."""

    count: int
    total: int
    rate: float
    low: float
    high: float


def rate_of(count: int, total: int) -> Rate:
    """The rate with its two-sided 95% interval: 2.5% are left on either side."""
    tail = (1 - CONFIDENCE) / 2
    return _rate(count, total, lower_bound(count, total, tail), upper_bound(count, total, tail))


def rare_rate_of(count: int, total: int) -> Rate:
    """The rate of what should not be, with its one-sided 95% upper bound: about 3/total where nothing was found.

    That is the rule of three (Hanley and Lippman-Hand 1983), which the exact bound 1 - 0.05^(1/total) gives.
    """
    return _rate(count, total, 0.0, upper_bound(count, total, 1 - CONFIDENCE))


def upper_bound(count: int, total: int, tail: float) -> float:
    """The rate at which no more than `count` of `total` come with the probability `tail` (Clopper and Pearson 1934).

    It solves sum over i <= count of C(total, i) p^i (1 - p)^(total - i) = tail for p; 1 where all were counted.
    """
    _check(count, total)
    if count == total:
        return 1.0
    return round(_where(lambda p: _at_most(count, total, p) < tail), _DIGITS)


def lower_bound(count: int, total: int, tail: float) -> float:
    """The rate at which no fewer than `count` of `total` come with the probability `tail`; 0 where none were."""
    _check(count, total)
    if count == 0:
        return 0.0
    return round(_where(lambda p: 1 - _at_most(count - 1, total, p) >= tail), _DIGITS)


def _rate(count: int, total: int, low: float, high: float) -> Rate:
    rate = round(count / total, _DIGITS) if total else 0.0
    return Rate(count=count, total=total, rate=rate, low=low, high=high)


def _check(count: int, total: int) -> None:
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total}")


def _where(holds: Callable[[float], bool]) -> float:
    """The least rate for which it holds, which it does for every greater one; by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _at_most(count: int, total: int, p: float) -> float:
    """The probability of at most `count` of `total` at the rate p, 0 < p < 1; by logarithms: factorials are large."""
    whole = lgamma(total + 1)
    return sum(
        exp(whole - lgamma(i + 1) - lgamma(total - i + 1) + i * log(p) + (total - i) * log1p(-p))
        for i in range(count + 1)
    )
