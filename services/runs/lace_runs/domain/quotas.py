"""What a tenant may use at once, and when a start is one too many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lace_core.errors import LaceError, Reason

WINDOW = timedelta(seconds=60)
# Nobody knows when a place in the queue becomes free; this long it is worth to wait.
QUEUE_WAIT_S = 5.0


@dataclass(frozen=True)
class Limits:
    """Runs worked on at once, runs that wait, runs started within any 60 seconds; 0 is no limit.

    `version` counts up with every change by control; 0 while nothing was ever set.
    """

    max_concurrent_runs: int = 0
    max_queued_runs: int = 0
    runs_per_minute: int = 0
    version: int = 0


UNLIMITED = Limits()


def too_fast(limits: Limits, started_at: datetime, now: datetime) -> LaceError:
    """The refusal of a start; `started_at` is that of the oldest run that must leave the window first."""
    wait = max(1.0, (started_at + WINDOW - now).total_seconds())
    return LaceError(
        Reason.RATE_LIMITED,
        f"The tenant has started {limits.runs_per_minute} runs within a minute, as many as it may.",
        retryable=True,
        retry_after=wait,
    )


def too_many(limits: Limits) -> LaceError:
    """The refusal of a start while the queue is full."""
    return LaceError(
        Reason.QUOTA_EXCEEDED,
        f"The tenant has {limits.max_queued_runs} runs waiting, as many as it may.",
        retryable=True,
        retry_after=QUEUE_WAIT_S,
    )
