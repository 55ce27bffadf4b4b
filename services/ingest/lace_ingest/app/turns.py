"""One at a time for each key, in the order of asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Locks by key that are forgotten when nobody waits for them: the same document asked for a hundred times at once
    is read once in this process, and the others find it read. Between processes the same is only spared work: what a
    second reading makes is there already.
    """

    def __init__(self) -> None:
        self._locks: dict[tuple[str, ...], asyncio.Lock] = {}
        self._waiting: dict[tuple[str, ...], int] = {}

    @asynccontextmanager
    async def turn(self, *key: str) -> AsyncIterator[None]:
        """Alone with the key for the length of the block."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._locks[key], self._waiting[key]
