"""How far a long run is: a bar that is drawn over on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

_WIDTH = 30
_EVERY_S = 15.0


class Progress:
    """Counts steps up to `total`; what was last done is shown beside."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._began = self._told = time.monotonic()
        self._draws = sys.stderr.isatty()

    def step(self, what: str) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if not self._draws and now - self._told < _EVERY_S and self._done < self._total:
            return
        self._told = now
        left = (now - self._began) / self._done * (self._total - self._done)
        filled = round(_WIDTH * self._done / self._total)
        line = f"[{'#' * filled:<{_WIDTH}}] {self._done}/{self._total}, {left / 60:.0f} min left, {what[:80]}"
        print(f"\r\033[K{line}" if self._draws else line, end="" if self._draws else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the bar's line, so that others can write."""
        if self._draws:
            print(file=sys.stderr, flush=True)
