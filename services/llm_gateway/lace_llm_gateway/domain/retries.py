"""Whether and when a failed call is tried again: by the kind of its failure, in one place, without any waiting."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.errors import LaceError

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 20.0
_JITTER = (0.8, 1.2)


@dataclass(frozen=True)
class RetryPolicy:
    """At most `retries` further tries, none that would begin after `budget_s` seconds."""

    retries: int
    budget_s: float

    def delay_after(self, tries: int, failure: LaceError, spent_s: float, chance: float) -> float | None:
        """Seconds to wait after that many tries, None where the failure is final.

        `chance` is between 0 and 1 and spreads the waiting of many callers. What the provider asks for by
        Retry-After is kept to; where there is no time left for it, the caller gets the failure and may come back.
        """
        if not failure.retryable or tries > self.retries:
            return None
        low, high = _JITTER
        wished = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (tries - 1)) * (low + (high - low) * chance)
        delay = max(wished, failure.retry_after or 0.0)
        return delay if spent_s + delay < self.budget_s else None
