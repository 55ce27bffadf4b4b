"""Circuit breakers and the budget of retries: pure, on a clock that is given."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lace_llm_gateway.domain.breaker import Breaker, BreakerPolicy, BreakerState, Permit
from lace_llm_gateway.domain.hedging import Latencies, hedge_delay
from lace_llm_gateway.domain.retries import RetryBudget

POLICY = BreakerPolicy(failure_percent=50, min_calls=4, window_s=10.0, open_s=5.0)


def _permit(breaker: Breaker, now: float) -> Permit:
    found = breaker.enter(now)
    assert isinstance(found, Permit)
    return found


def _opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(4):
        breaker.failed(_permit(breaker, now), now)
    assert _state(breaker) is BreakerState.OPEN
    return breaker


def test_it_opens_at_the_share_of_failures_and_not_before_enough_calls() -> None:
    breaker = Breaker(POLICY)
    for failed in (True, True, False):
        permit = _permit(breaker, 0.0)
        (breaker.failed if failed else breaker.succeeded)(permit, 0.0)
    assert _state(breaker) is BreakerState.CLOSED
    breaker.failed(_permit(breaker, 0.0), 0.0)
    assert _state(breaker) is BreakerState.OPEN


def test_failures_are_forgotten_with_their_window() -> None:
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.failed(_permit(breaker, 0.0), 0.0)
    breaker.failed(_permit(breaker, 10.0), 10.0)
    assert _state(breaker) is BreakerState.CLOSED
    assert breaker.counts(10.0) == (1, 1)


def test_an_open_circuit_says_how_long() -> None:
    breaker = _opened()
    assert breaker.enter(1.0) == 4.0
    assert breaker.enter(4.5) == 0.5


def test_one_trial_is_let_through_and_closes_it() -> None:
    breaker = _opened()
    trial = _permit(breaker, 5.0)
    assert _state(breaker) is BreakerState.HALF_OPEN
    assert breaker.enter(5.0) == 5.0  # one at a time
    breaker.succeeded(trial, 6.0)
    assert _state(breaker) is BreakerState.CLOSED
    assert breaker.counts(6.0) == (1, 0)


def test_a_trial_that_fails_doubles_the_wait_up_to_eight_times() -> None:
    breaker, now = _opened(), 0.0
    for wait in (5.0, 10.0, 20.0, 40.0, 40.0):
        assert breaker.enter(now) == wait
        now += wait
        breaker.failed(_permit(breaker, now), now)
    breaker.succeeded(_permit(breaker, now + 40.0), now + 40.0)
    for _ in range(3):
        breaker.failed(_permit(breaker, now + 41.0), now + 41.0)
    assert breaker.enter(now + 41.0) == 5.0


def test_a_trial_that_says_nothing_leaves_room_for_another() -> None:
    breaker = _opened()
    breaker.left(_permit(breaker, 5.0))
    assert isinstance(breaker.enter(5.0), Permit)


def test_what_began_before_a_change_says_nothing_after_it() -> None:
    breaker = Breaker(POLICY)
    old = [_permit(breaker, 0.0) for _ in range(5)]
    for permit in old[:4]:
        breaker.failed(permit, 0.0)
    trial = _permit(breaker, 5.0)
    breaker.left(old[4])
    assert breaker.enter(5.0) == 5.0  # the trial is still under way
    breaker.succeeded(old[4], 5.0)
    assert _state(breaker) is BreakerState.HALF_OPEN
    breaker.succeeded(trial, 5.0)
    breaker.failed(old[0], 5.0)
    assert breaker.counts(5.0) == (1, 0)


class BreakerMachine(RuleBasedStateMachine):
    """Calls that begin and end in any order, beside a plain recount of what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(POLICY)
        self.now = 100.0
        self.under_way: list[Permit] = []

    @rule(seconds=st.floats(0.01, 20.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_begins(self) -> None:
        state = self.breaker.state
        found = self.breaker.enter(self.now)
        if isinstance(found, Permit):
            self.under_way.append(found)
        else:
            assert found > 0
            assert state is not BreakerState.CLOSED

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0, 50), end=st.sampled_from(["succeeded", "failed", "left"]))
    def a_call_ends(self, at: int, end: str) -> None:
        permit = self.under_way.pop(at % len(self.under_way))
        before = self.breaker.state
        if end == "left":
            self.breaker.left(permit)
        else:
            getattr(self.breaker, end)(permit, self.now)
        if before is BreakerState.CLOSED and self.breaker.state is not before:
            assert end == "failed"
        if before is BreakerState.HALF_OPEN and self.breaker.state is BreakerState.CLOSED:
            assert end == "succeeded"
        assert not (before is BreakerState.OPEN and self.breaker.state is not BreakerState.OPEN)

    @invariant()
    def the_window_is_full_of_neither_more_failures_than_calls_nor_enough_to_open(self) -> None:
        calls, failures = self.breaker.counts(self.now)
        assert 0 <= failures <= calls
        if self.breaker.state is not BreakerState.CLOSED:
            assert calls == 0

    def teardown(self) -> None:
        """However it went, a time without failures closes it again."""
        for permit in self.under_way:
            self.breaker.left(permit)
        self.now += 1000.0
        self.breaker.succeeded(_permit(self.breaker, self.now), self.now)
        assert self.breaker.state is BreakerState.CLOSED


BreakerMachine.TestCase.settings = settings(max_examples=40, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase


def _state(breaker: Breaker) -> BreakerState:
    """Read anew: a checker takes an attribute for what it was compared with last."""
    return breaker.state


def test_retries_are_a_share_of_calls_beyond_the_burst() -> None:
    budget = RetryBudget(percent=20, burst=3, per_s=0.0)
    assert [budget.take(1.0) for _ in range(4)] == [True, True, True, False]
    for _ in range(5):
        budget.tried(1.0)
    assert [budget.take(1.0) for _ in range(2)] == [True, False]


def test_retries_come_back_with_time_up_to_the_burst() -> None:
    budget = RetryBudget(percent=0, burst=2, per_s=0.5)
    assert [budget.take(1.0) for _ in range(3)] == [True, True, False]
    assert [budget.take(3.0) for _ in range(2)] == [True, False]
    assert [budget.take(100.0) for _ in range(3)] == [True, True, False]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["try", "retry"]), st.floats(0, 1)), max_size=200), st.integers(0, 100))
def test_no_outage_is_multiplied(steps: list[tuple[str, float]], percent: int) -> None:
    budget, now, tried, retried = RetryBudget(percent=percent, burst=10, per_s=0.5), 1.0, 0, 0
    for step, seconds in steps:
        now += seconds
        if step == "try":
            budget.tried(now)
            tried += 1
        else:
            retried += budget.take(now)
    assert retried <= 10 + tried * percent / 100 + (now - 1.0) * 0.5 + 1e-6


def test_a_hedge_waits_for_what_is_set_or_for_what_is_slow() -> None:
    latencies = Latencies()
    assert hedge_delay(False, 100, latencies) is None
    assert hedge_delay(True, 100, latencies) == 0.1
    for at in range(19):
        latencies.add(at / 10)
    assert hedge_delay(True, 0, latencies) is None
    latencies.add(100.0)
    assert hedge_delay(True, 0, latencies) == 1.8


@settings(max_examples=30)
@given(st.lists(st.floats(0, 100), min_size=20, max_size=450))
def test_slow_is_the_95th_percentile_of_the_last_200(seconds: list[float]) -> None:
    latencies = Latencies()
    for each in seconds:
        latencies.add(each)
    recent = sorted(seconds[-200:])
    slow = latencies.slow()
    assert slow is not None
    assert sum(each <= slow for each in recent) * 100 >= 95 * len(recent)
    assert sum(each < slow for each in recent) * 100 < 95 * len(recent)
