"""A circuit breaker: it stops calls to a model that mostly fails, and lets one through now and then to see.

The pattern is Michael Nygard's (Release It!, 2007), with a share of failures in a sliding window as its measure. Pure:
the moment is given, in seconds on any clock that only goes forward.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

# The window moves in steps: what is forgotten at once is a tenth of it.
_STEPS = 10
# Trials that fail double the wait, up to so many times the first one.
_LONGEST = 8


class BreakerState(StrEnum):
    """Closed: calls pass. Open: none does. Half-open: one does, and its outcome decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class BreakerPolicy:
    """Opens at `failure_percent` failures of at least `min_calls` calls within `window_s`; tries again after `open_s`.

    Each trial that fails doubles the wait, up to eight times `open_s`.
    """

    failure_percent: int = 50
    min_calls: int = 20
    window_s: float = 30.0
    open_s: float = 10.0


@dataclass(frozen=True)
class Permit:
    """Leave to make one call. What comes of it counts only while the breaker is in the state in which it was given."""

    generation: int


@dataclass
class _Step:
    began_at: float
    calls: int = 0
    failures: int = 0


class Breaker:
    """The breaker of one provider and model."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state = BreakerState.CLOSED
        self._steps: deque[_Step] = deque()  # oldest first
        self._generation = 0
        self._opened_at = 0.0
        self._wait_s = policy.open_s
        self._trial = False

    def enter(self, now: float) -> Permit | float:
        """A permit where a call may be made, else the seconds after which it is worth asking again.

        Whoever has a permit gives it back once: by `succeeded`, `failed`, or `left` where neither can be said.
        """
        if self.state is BreakerState.OPEN:
            left = self._opened_at + self._wait_s - now
            if left > 0:
                return left
            self._become(BreakerState.HALF_OPEN)
        if self.state is BreakerState.HALF_OPEN:
            if self._trial:
                return self.policy.open_s
            self._trial = True
        return Permit(self._generation)

    def succeeded(self, permit: Permit, now: float) -> None:
        """The call was answered."""
        if permit.generation != self._generation:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._wait_s = self.policy.open_s
            self._become(BreakerState.CLOSED)
        self._count(now, failed=False)

    def failed(self, permit: Permit, now: float) -> None:
        """The call failed by the fault of the provider."""
        if permit.generation != self._generation:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._wait_s = min(self._wait_s * 2, self.policy.open_s * _LONGEST)
            self._open(now)
            return
        self._count(now, failed=True)
        calls, failures = self.counts(now)
        if calls >= self.policy.min_calls and failures * 100 >= self.policy.failure_percent * calls:
            self._open(now)

    def left(self, permit: Permit) -> None:
        """The call ended without saying anything of the provider: it was cancelled, or was itself wrong."""
        if permit.generation == self._generation:
            self._trial = False

    def counts(self, now: float) -> tuple[int, int]:
        """Calls and failures within the window."""
        self._forget(now)
        return sum(step.calls for step in self._steps), sum(step.failures for step in self._steps)

    def _open(self, now: float) -> None:
        self._opened_at = now
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self.state, self._trial = state, False
        self._generation += 1
        self._steps.clear()

    def _count(self, now: float, *, failed: bool) -> None:
        self._forget(now)
        if not self._steps or now - self._steps[-1].began_at >= self.policy.window_s / _STEPS:
            self._steps.append(_Step(now))
        self._steps[-1].calls += 1
        self._steps[-1].failures += failed

    def _forget(self, now: float) -> None:
        while self._steps and now - self._steps[0].began_at >= self.policy.window_s:
            self._steps.popleft()
