"""The thread that the model lives on: one text after the other, so that those of several calls take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from lace_llm_gateway.adapters.http import failures
from lace_llm_gateway.adapters.local.minilm import MiniLm, require_installed
from lace_llm_gateway.domain.measures import Vector

T = TypeVar("T")


class MiniLmWorker:
    """Loads the model with the first text. While numpy computes other threads go on, and the loop keeps its turn."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._model: MiniLm | None = None

    async def counts(self, texts: tuple[str, ...]) -> list[int]:
        """Tokens of each text; raises LaceError PROVIDER_UNKNOWN where the model is not installed."""
        return await self._run(lambda model: [model.count(text) for text in texts])

    async def vectors(self, texts: tuple[str, ...], timeout_s: float) -> tuple[Vector[float], ...]:
        """A unit vector for each text; raises LaceError PROVIDER_UNKNOWN, PROVIDER_UNAVAILABLE where time runs out."""
        try:
            async with asyncio.timeout(timeout_s):
                return tuple([await self._run(partial(MiniLm.vector, text=text)) for text in texts])
        except TimeoutError:
            raise failures.too_late(timeout_s) from None

    def close(self) -> None:
        """Ends the thread; the text that it is at is finished."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[MiniLm], T]) -> T:
        require_installed()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._with_model, work)

    def _with_model(self, work: Callable[[MiniLm], T]) -> T:
        if self._model is None:
            self._model = MiniLm.load()
        return work(self._model)
