"""Whether and when a failed call is tried again: by the kind of its failure, in one place, without any waiting."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.errors import LaceError, Reason

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 20.0
# What a second try of the same call at the same provider can mend, where the adapter says that it can: it knows the
# status. A refused key or account (401, 402, 403), a request that is wrong and an answer that was cut are none of them.
_PASSING = frozenset({Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_RATE_LIMITED, Reason.PROVIDER_OUTPUT_INVALID})
# What another provider can mend: besides the same, a key that was refused, and a circuit that is open.
_ELSEWHERE = _PASSING | {Reason.PROVIDER_CREDENTIALS}
# What says that the provider itself is not well. Being asked to slow down does not, nor does a wrong request.
_OUTAGES = frozenset({Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_OUTPUT_INVALID})


def may_pass(failure: LaceError) -> bool:
    """Whether the same call may succeed when it is repeated."""
    return failure.retryable and failure.reason in _PASSING


def may_pass_elsewhere(failure: LaceError) -> bool:
    """Whether another provider may answer what failed at one."""
    return failure.reason is Reason.PROVIDER_CREDENTIALS or (failure.retryable and failure.reason in _ELSEWHERE)


def is_outage(failure: LaceError) -> bool:
    """Whether the failure counts against the provider's health."""
    return failure.retryable and failure.reason in _OUTAGES


@dataclass(frozen=True)
class RetryPolicy:
    """At most `retries` further tries, none that would begin after `budget_s` seconds."""

    retries: int
    budget_s: float

    def delay_after(self, tries: int, failure: LaceError, spent_s: float, chance: float) -> float | None:
        """Seconds to wait after that many tries, None where the failure is final.

        `chance` is between 0 and 1: the wait is drawn evenly between nothing and 1, 2, 4 … 20 s ("full jitter", Marc
        Brooker, AWS Architecture Blog, 2015). What the provider asks for by Retry-After is kept to; where there is no
        time left for it, the caller gets the failure and may come back.
        """
        if not may_pass(failure) or tries > self.retries:
            return None
        # 2 ** 5 s is beyond the longest: a larger exponent would only make the number large.
        wished = chance * min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(tries - 1, 5))
        delay = max(wished, failure.retry_after or 0.0)
        return delay if spent_s + delay < self.budget_s else None


class RetryBudget:
    """A token bucket for the retries at one provider, so that they cannot multiply the load of an outage.

    Each first try puts in `percent` hundredths of a token and each second `per_s`, up to `burst`; a retry takes one.
    The moment is given, in seconds on any clock that only goes forward.
    """

    def __init__(self, percent: int, burst: int, per_s: float = 0.5) -> None:
        self._percent = percent
        self._burst = float(burst)
        self._per_s = per_s
        self._tokens = float(burst)
        self._seen = 0.0

    def tried(self, now: float) -> None:
        """A call was tried for the first time."""
        self._refill(now)
        self._tokens = min(self._burst, self._tokens + self._percent / 100)

    def take(self, now: float) -> bool:
        """Whether one more retry may be made; it is counted."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _refill(self, now: float) -> None:
        if self._seen:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._seen) * self._per_s)
        self._seen = now
