"""Whether a step that failed is tried again, and when: failures are counted, absences are waited out."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.errors import LaceError, Reason

_PAUSES_S = (0.5, 2.0, 8.0)
# A part of the installation is away and says nothing about the step: it comes back, or the wait for it is over.
_ABSENCES = frozenset({Reason.SERVICE_UNAVAILABLE})


@dataclass
class Retries:
    """One step's: `attempts` at most that fail by themselves, and `outage_s` seconds of absences in a row."""

    attempts: int
    outage_s: float
    _failed: int = 0
    _absent: int = 0
    _absent_since: float = 0.0

    def pause_after(self, failure: LaceError, now: float) -> float | None:
        """Seconds until the next attempt, None where this was the last; `now` is monotonic, in seconds."""
        if not failure.retryable:
            return None
        if failure.reason in _ABSENCES:
            return self._wait_out(failure, now)
        self._absent = 0
        self._failed += 1
        if self._failed >= self.attempts:
            return None
        return failure.retry_after or _pause(self._failed)

    def _wait_out(self, failure: LaceError, now: float) -> float | None:
        if not self._absent:
            self._absent_since = now
        self._absent += 1
        if now - self._absent_since >= self.outage_s:
            return None
        return max(failure.retry_after or 0.0, _pause(self._absent))


def _pause(times: int) -> float:
    return _PAUSES_S[min(times, len(_PAUSES_S)) - 1]
