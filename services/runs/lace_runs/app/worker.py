"""The worker: claims runs under its lease, works on many at once, hands commands to those it holds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog

from lace_core.errors import LaceError, Reason
from lace_core.pipeline import KINDS, PIPELINES
from lace_runs.app.bodies import CUSTOM, Body
from lace_runs.app.execution import Execution, Tools
from lace_runs.app.ports import Claimed
from lace_runs.domain.pipelines import kind_key
from lace_runs.domain.runs import Run

log = structlog.get_logger(__name__)

POLL_S = 0.5
TOO_NEW_S = 60.0  # then it is looked at again: a command that ends it needs no newer worker
ROUND_EVERY_S = 0.02  # between rounds of a worker that has many runs in hand, so that it claims several at once
MANY = 8
CLAIM_S = 0.05  # a claim that takes longer keeps no start waiting


class Claims(Protocol):
    """How runs are claimed and let go."""

    async def claim(self, held: Sequence[str], can_run: Sequence[str], limit: int) -> Sequence[Claimed]:
        """Free runs taken over by this worker, `limit` at most beside those that are only to be cancelled or paused."""

    def holds(self, run: Run) -> None:
        """The worker works on a run, claimed or not: its tenant's next one has its turn behind it."""

    async def release(self, run_id: str, epoch: int) -> None:
        """Let go of a run."""


class Worker:
    """Runs in this process. `news` wakes it early; `ended` is told of every run that it lets go."""

    def __init__(
        self,
        claims: Claims,
        tools: Tools,
        bodies: Mapping[str, Body],
        *,
        concurrency: int,
        news: Callable[[float], Awaitable[bool]],
        ended: Callable[[str], None],
    ) -> None:
        self._claims = claims
        self._tools = tools
        self._bodies = bodies
        self._concurrency = concurrency
        self._news = news
        self._ended = ended
        self._held: dict[str, tuple[Execution, asyncio.Task[None]]] = {}
        self._loop: asyncio.Task[None] | None = None
        self._freed = asyncio.Event()
        self._claiming = asyncio.Lock()
        # Whether more may wait than there was room for; only otherwise a run need not go behind others.
        self._behind = True
        self._closed = False
        self._beyond: dict[str, float] = {}  # runs that only a newer worker can go on with, until when they are left

    async def start(self) -> None:
        """Begin to claim in the background."""
        self._loop = asyncio.create_task(self._run(), name="worker")

    async def close(self) -> None:
        """Stop claiming and give up what is under way; its lease's end lets others go on."""
        self._closed = True
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        held = list(self._held.values())
        for _, task in held:
            task.cancel()
        await asyncio.gather(*(task for _, task in held), return_exceptions=True)

    @contextlib.asynccontextmanager
    async def open(self, wanted: int) -> AsyncIterator[int]:
        """How many of so many new runs may be given to `begin` within the block; nothing is claimed meanwhile.

        Those that are not given wait, and are claimed in their turn before any more are given.
        """
        try:
            async with asyncio.timeout(CLAIM_S):
                await self._claiming.acquire()
        except TimeoutError:
            yield 0
            return
        try:
            free = 0 if self._behind or self._closed else max(0, self._concurrency - len(self._held))
            self._behind = self._behind or free < wanted
            yield min(free, wanted)
        finally:
            self._claiming.release()

    def begin(self, work: Claimed) -> None:
        """Begin with a run that is this worker's by its row."""
        if self._closed:
            return  # the end of its lease gives it to others
        self._claims.holds(work.run)
        execution = Execution(work, work.pipeline or PIPELINES[work.run.pipeline_id], self._tools)
        task = asyncio.create_task(self._execute(execution), name=f"hold-{work.run.run_id}")
        self._held[work.run.run_id] = (execution, task)

    async def _run(self) -> None:
        can_run = [f"{p.pipeline_id}/{p.version}" for p in PIPELINES.values()]
        can_run += [kind_key(kind) for kind in KINDS.values()]
        while True:
            began = time.monotonic()
            try:
                full = await self._claim(can_run)
                await self._take_commands()
            except Exception:
                log.exception("worker_round_failed")
                full = False
            if not full:
                await self._wait()
                if len(self._held) >= MANY:
                    await asyncio.sleep(max(0.0, began + ROUND_EVERY_S - time.monotonic()))
                self._freed.clear()

    async def _claim(self, can_run: Sequence[str]) -> bool:
        # Also without room: what is only to be cancelled or paused needs none.
        async with self._claiming:
            room = max(0, min(self._concurrency - len(self._held), 50))
            self._behind = True
            claimed = await self._claims.claim([*self._held, *self._not_for_us()], can_run, room)
            for work in claimed:
                self.begin(work)
            self._behind = len(claimed) >= room
        return len(claimed) >= room > 0

    async def _wait(self) -> None:
        """Until there is news, a place became free, or the poll's time is over."""
        freed = asyncio.ensure_future(self._freed.wait())
        news = asyncio.ensure_future(self._news(POLL_S))
        try:
            await asyncio.wait({freed, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            freed.cancel()
            news.cancel()
            await asyncio.gather(freed, news, return_exceptions=True)

    async def _execute(self, execution: Execution) -> None:
        run = execution.run
        with structlog.contextvars.bound_contextvars(run_id=run.run_id, correlation_id=run.correlation_id):
            log.info("run_taken", pipeline=run.pipeline_id, epoch=run.epoch)
            try:
                await execution.execute(self._bodies.get(run.pipeline_id, self._bodies[CUSTOM]))
                log.info("run_left", state=execution.state.value, steps=len(execution.checkpoints))
                if not execution.let_go:
                    await self._claims.release(run.run_id, run.epoch)
            except LaceError as error:
                log.warning("run_lost", reason=error.reason.value, fenced=error.reason is Reason.RUN_FENCED)
                if error.reason is Reason.SCHEMA_TOO_NEW:
                    self._beyond[run.run_id] = time.monotonic() + TOO_NEW_S
                    await self._claims.release(run.run_id, run.epoch)
            except asyncio.CancelledError:
                await execution.stop()
                raise
            except Exception:
                log.exception("run_broke")
                with contextlib.suppress(LaceError):
                    await execution.break_down()
            finally:
                self._held.pop(run.run_id, None)
                self._ended(run.run_id)
                if self._behind:
                    self._freed.set()

    def _not_for_us(self) -> list[str]:
        now = time.monotonic()
        self._beyond = {run_id: until for run_id, until in self._beyond.items() if until > now}
        return list(self._beyond)

    async def _take_commands(self) -> None:
        """Hand over commands that came while no boundary was written; one look for all held runs."""
        if not self._held:
            return
        for run_id, commands in (await self._tools.log.open_commands(list(self._held))).items():
            if run_id in self._held:
                await self._held[run_id][0].take(commands)
