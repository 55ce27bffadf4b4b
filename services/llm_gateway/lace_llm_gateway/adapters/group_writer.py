"""Items of many callers written by one statement after the other, each with all that came in the meantime."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import psycopg
import structlog

from lace_core.errors import LaceError, Reason

T = TypeVar("T")
R = TypeVar("R")

_BATCH = 500
_PAUSES_S = (0.05, 0.2, 0.5, 1.0, 2.0)
_CLOSING_S = 10.0

log = structlog.get_logger(__name__)


class GroupWriter(Generic[T, R]):
    """`write` gets a batch and answers with one result for each item, in order, after its commit.

    An item is written at once where nothing else is, or after `pause_s` so that more can join it. A statement that
    fails is cut in half and tried again, so that one bad item fails alone. While the database is away it is tried
    again: for ever where `patient`, else for some seconds, after which SERVICE_UNAVAILABLE is raised. As the outcome
    of a try that was cut off is not known, writing an item twice must be the same as writing it once.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        patient: bool,
        pause_s: float = 0.0,
    ) -> None:
        self._name = name
        self._write = write
        self._patient = patient
        self._pause_s = pause_s
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: T) -> asyncio.Future[R]:
        """Have it written; the future is done when it is durable, or raises LaceError."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"group-writer-{self._name}")
        return future

    async def flush(self) -> None:
        """Returns when all that was put so far is written or has failed; does not wait for the pause."""
        self._closing.set()
        try:
            while self._task is not None:
                await asyncio.wait([self._task])
        finally:
            self._closing.clear()

    async def close(self) -> None:
        """Write what is left, for some seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                await self.flush()
        if self._task is not None:
            log.error("ledger_rows_lost", writer=self._name, rows=len(self._waiting))
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._pause_s:
                    await self._gather()
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                await self._settle(batch)
        finally:
            self._task = None

    async def _gather(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s):
                await self._closing.wait()

    async def _settle(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._persist([item for item, _ in batch])
        except (psycopg.OperationalError, psycopg.InterfaceError):
            for _, future in batch:
                _fail(future, _away())
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                await self._settle(batch[middle:])
                return
            log.error("ledger_row_refused", writer=self._name, error=str(error))
            _fail(batch[0][1], LaceError(Reason.INTERNAL, "The call could not be written to the ledger."))
        except asyncio.CancelledError:
            for _, future in batch:
                _fail(future, _away())
            raise
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    async def _persist(self, items: list[T]) -> Sequence[R]:
        tries = 0
        while True:
            try:
                return await self._write(items)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if tries >= len(_PAUSES_S) and not self._patient:
                    raise
                log.warning("ledger_write_retried", writer=self._name, error=str(error))
            await asyncio.sleep(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
            tries += 1


def _away() -> LaceError:
    return LaceError(
        Reason.SERVICE_UNAVAILABLE, "The ledger cannot be written; try again.", retryable=True, retry_after=1.0
    )


def _fail(future: asyncio.Future[R], error: LaceError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # who does not wait for it need not be told
