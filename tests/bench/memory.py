"""The most memory that one process held."""

from __future__ import annotations

import threading

import psutil

_SAMPLE_S = 0.05


class Peak:
    """Looks at the process again and again within the block; `bytes` is the highest resident set it saw."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bytes = 0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @staticmethod
    def now(pid: int) -> int:
        """The resident set at this moment, in bytes."""
        held: int = psutil.Process(pid).memory_info().rss
        return held

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            self.bytes = max(self.bytes, self._process.memory_info().rss)
