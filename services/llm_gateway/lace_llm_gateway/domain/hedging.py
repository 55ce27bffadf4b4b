"""When a second, hedging call is made beside one that is slow ("The Tail at Scale", Dean and Barroso, 2013)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

_KEPT = 200
_LEAST = 20
_PERCENT = 95


class Latencies:
    """How long the last calls to one provider and model took, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """A call was answered after that long."""
        if len(self._recent) == _KEPT:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._sorted, seconds)

    def slow(self) -> float | None:
        """Their 95th percentile (nearest rank); None while too few are known to say."""
        if len(self._sorted) < _LEAST:
            return None
        return self._sorted[-(-len(self._sorted) * _PERCENT // 100) - 1]


def hedge_delay(enabled: bool, after_ms: int, latencies: Latencies) -> float | None:
    """Seconds after which a call is hedged, None for never: what is set, or where that is 0 what is slow by now."""
    if not enabled:
        return None
    return after_ms / 1000 if after_ms else latencies.slow()
