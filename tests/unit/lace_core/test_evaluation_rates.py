"""Rates and their bounds, against published and exactly computed values."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lace_core.evaluation.rates import lower_bound, rare_rate_of, rate_of, upper_bound

counted = st.integers(1, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@pytest.mark.parametrize("total", [1, 10, 62, 185, 1000])
def test_where_nothing_was_found_the_bound_is_the_exact_one_of_the_rule_of_three(total: int) -> None:
    found = rare_rate_of(0, total)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / total), abs=1e-6)
    assert found.low == found.rate == 0
    if total >= 62:
        assert found.high == pytest.approx(3 / total, rel=0.04)


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    # Brown, Cai and DasGupta (2001) work this example: 0 of 20, and by symmetry 20 of 20; R's binom.test(7, 20).
    assert rate_of(0, 20).high == pytest.approx(0.168433, abs=1e-6)
    assert rate_of(20, 20).low == pytest.approx(1 - 0.168433, abs=1e-6)
    found = rate_of(7, 20)
    assert (found.low, found.high) == pytest.approx((0.153909, 0.592189), abs=1e-5)


def test_of_nothing_the_rate_may_be_anything() -> None:
    found = rate_of(0, 0)
    assert (found.rate, found.low, found.high) == (0, 0, 1)


@settings(max_examples=40)
@given(counted)
def test_at_the_bounds_the_tails_have_the_probability_asked_for(pair: tuple[int, int]) -> None:
    count, total = pair
    high, low = upper_bound(count, total, 0.05), lower_bound(count, total, 0.05)
    assert 0 <= low <= count / total <= high <= 1
    if count < total:
        assert _at_most(count, total, high) == pytest.approx(0.05, abs=2e-4)
    if count:
        assert 1 - _at_most(count - 1, total, low) == pytest.approx(0.05, abs=2e-4)


def _at_most(count: int, total: int, p: float) -> float:
    return float(sum(comb(total, i) * p**i * (1 - p) ** (total - i) for i in range(count + 1)))


@pytest.mark.parametrize(("count", "total"), [(-1, 3), (4, 3)])
def test_more_than_all_is_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="of 3"):
        upper_bound(count, total, 0.05)
