"""The course of one call over its tries and providers: pure decisions, without any waiting or calling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.domain.retries import RetryPolicy, may_pass_elsewhere

# A provider that asks to wait longer than this is left for the next in the list, where there is one.
_SHORT_WAIT_S = 1.0


@dataclass(frozen=True)
class RoutingPolicy:
    """How a call may be tried: `fallbacks` are (provider, model) in order, an empty model is the provider's default.

    A hedge is made after `hedge_after_ms`, or where that is 0 after the 95th percentile of past calls.
    """

    retries: int = 2
    fallbacks: tuple[tuple[str, str], ...] = ()
    hedge: bool = False
    hedge_after_ms: int = 0


class Result(StrEnum):
    """What became of a try; `refused` was never sent, as the circuit is open or the provider cannot take it."""

    ANSWERED = "answered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUSED = "refused"


@dataclass(frozen=True)
class Tried:
    """One try as the ledger keeps it. `lost_*` is what a cancelled hedge is taken to have cost: its input at least."""

    provider: str
    model: str
    result: Result
    error_code: str = ""
    hedge: bool = False
    duration_ms: int = 0
    lost_tokens: int = 0
    lost_micro_usd: int = 0

    def as_json(self) -> dict[str, str | int | bool]:
        """Its fields by name, without those that say nothing."""
        plain: dict[str, str | int | bool] = {**vars(self), "result": self.result.value}
        return {name: value for name, value in plain.items() if value}


@dataclass
class Trail:
    """What was asked, what answered and why: the tries of a call in the order in which they ended."""

    tries: list[Tried] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """Tries that reached a provider."""
        return sum(tried.result is not Result.REFUSED for tried in self.tries)

    @property
    def hedged(self) -> bool:
        """Whether a second call was made beside a slow one."""
        return any(tried.hedge for tried in self.tries)

    @property
    def lost_tokens(self) -> int:
        """Tokens of calls that were cancelled since another was faster."""
        return sum(tried.lost_tokens for tried in self.tries)

    @property
    def lost_micro_usd(self) -> int:
        """Their cost, in millionths of a US dollar."""
        return sum(tried.lost_micro_usd for tried in self.tries)

    def as_json(self) -> list[dict[str, str | int | bool]]:
        """For the ledger."""
        return [tried.as_json() for tried in self.tries]


class Course:
    """Where a call is in its list of providers: `at` counts from 0; `after` says what comes next.

    `deadline` is on the same clock as the moments that are given.
    """

    def __init__(self, policy: RoutingPolicy, names: tuple[str, ...], deadline: float, now: float) -> None:
        self._names = names
        self._deadline = deadline
        self._retries = RetryPolicy(policy.retries, deadline - now)
        self._began_at = now
        self._tries = 0
        self._first: LaceError | None = None
        self._others: list[Detail] = []
        self.at = 0

    @property
    def fresh(self) -> bool:
        """Whether the provider at `at` was not tried yet."""
        return self._tries == 0

    def after(self, failure: LaceError, now: float, chance: float, may_retry: Callable[[], bool]) -> float:
        """Seconds to wait before the next try, which is at `at`; raises the failure of the call where there is none.

        `may_retry` is asked only where a retry is due, and counts it.
        """
        self._tries += 1
        last = self.at + 1 >= len(self._names)
        delay = self._retries.delay_after(self._tries, failure, now - self._began_at, chance)
        if delay is not None and (last or (failure.retry_after or 0.0) <= _SHORT_WAIT_S) and may_retry():
            return delay
        return self.skip(failure, now, elsewhere=may_pass_elsewhere(failure))

    def skip(self, failure: LaceError, now: float, *, elsewhere: bool) -> float:
        """Go on to the next provider, where `elsewhere` says that it may help; raises like `after`."""
        if self._first is None:
            self._first = failure
        else:
            self._others.append(Detail(self._names[self.at], f"{failure.reason.value}: {failure.message}"[:300]))
        if self.at + 1 >= len(self._names) or not elsewhere or now >= self._deadline:
            raise self._failure()
        self.at += 1
        self._tries = 0
        return 0.0

    def _failure(self) -> LaceError:
        """What the provider that was asked for said; what the others said is in its details."""
        first = self._first
        assert first is not None
        if not self._others:
            return first
        return LaceError(
            first.reason,
            first.message,
            details=(*first.details, *self._others),
            retryable=first.retryable,
            retry_after=first.retry_after,
        )


def circuit_open(name: str, wait_s: float) -> LaceError:
    """The refusal of a call while the circuit to a provider and model is open."""
    return LaceError(
        Reason.PROVIDER_UNAVAILABLE,
        f"{name} has mostly failed of late and is not called; it is tried again in {wait_s:.0f} s.",
        retryable=True,
        retry_after=round(wait_s, 3),
    )


def too_small(name: str, needed: int, limit: int) -> LaceError:
    """Why a fallback is passed over: its context does not hold the call."""
    return LaceError(Reason.CONTEXT_TOO_LONG, f"{name} holds {limit} tokens and the call needs {needed}.")
