"""How far a run is: steps done of those known so far, and the time that the rest may take."""

from __future__ import annotations

import time
from typing import Any

TOLD_EVERY_S = 0.05


class Progress:
    """Counts under one worker, which took the run up with `done_before` steps done of `total` known."""

    def __init__(self, done_before: int, total: int) -> None:
        self.total = total
        self._done_before = done_before
        self._began = self._told_at = time.monotonic()

    @property
    def worked_s(self) -> float:
        """Seconds since the worker took the run up."""
        return time.monotonic() - self._began

    def total_at(self, done: int) -> int:
        """Steps in all: never fewer than are done."""
        return max(done, self.total)

    def tick(self, done: int, node_id: str, title: str) -> dict[str, Any] | None:
        """What to tell where the last telling is long enough ago, and at the end; the next one says it all again."""
        now = time.monotonic()
        if now - self._told_at < TOLD_EVERY_S and done < self.total:
            return None
        self._told_at = now
        told: dict[str, Any] = {"steps_done": done, "steps_total": self.total_at(done)}
        if node_id:
            told["node"] = {"node_id": node_id, "title": title}
        mine = done - self._done_before
        if mine > 1:
            told["remaining_ms"] = round(self.worked_s * 1000 / mine * (self.total_at(done) - done))
        return told
