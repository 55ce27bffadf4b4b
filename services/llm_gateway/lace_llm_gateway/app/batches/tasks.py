"""The seam between asking for work and doing it: who asks does not know whether it is done here or over a queue.

Both runners have the same code make each run (`BatchExecutor`, `run_cell`), and both find what there is to do in the
rows of batches and runs alone; what a runner decides is where that code runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Protocol

import structlog

from lace_core.errors import LaceError
from lace_llm_gateway.app.batches.execution import BatchExecutor
from lace_llm_gateway.app.batches.ports import BatchUnit, BatchUnits, Orphans
from lace_llm_gateway.app.templates.cell import run_cell
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.domain.batches import Batch, ExecutionMode

_ORPHANS_EVERY_S = 5.0
_GRACE_S = 5.0

log = structlog.get_logger(__name__)


class TaskRunner(Protocol):
    """Has work done apart from the request that asks for it."""

    @property
    def mode(self) -> ExecutionMode:
        """Where it is done."""
        ...

    async def run_cell(self, tenant_id: str, run_id: str) -> None:
        """Have one run made whose row is there; returns before it is."""
        ...

    async def run_batch(self, unit: BatchUnit, batch: Batch) -> None:
        """Have a queued batch executed once the unit is committed; to be called before its commit."""
        ...


class Background:
    """Work under way in this process; none of its failures is lost, and it is ended with the process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Awaitable[object]) -> None:
        """Do it beside all else."""
        task = asyncio.create_task(self._logged(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let end what is nearly done, cancel the rest and wait for its end."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=_GRACE_S)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def idle(self) -> None:
        """Returns when nothing is under way."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _logged(self, name: str, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception:  # the rows say what is still to be done, and it is taken up again
            log.exception("background_work_failed", work=name)


class OrphanWatch:
    """Takes up batches whose process has died, in every process and in both execution modes."""

    def __init__(
        self, executor: BatchExecutor, orphans: Orphans, background: Background, every_s: float = _ORPHANS_EVERY_S
    ) -> None:
        self._executor = executor
        self._orphans = orphans
        self._background = background
        self._every_s = every_s

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except LaceError as failure:  # the database is away
                log.warning("orphans_not_found", error=failure.message)
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Once."""
        for tenant_id, batch_id in await self._executor.orphaned(self._orphans):
            self._background.start(f"batch {batch_id}", self._executor.execute(tenant_id, batch_id))


class SyncTaskRunner:
    """Does the work in this process."""

    mode = ExecutionMode.SYNC

    def __init__(self, templates: Templates, executor: BatchExecutor, background: Background) -> None:
        self._templates = templates
        self._executor = executor
        self._background = background

    async def run_cell(self, tenant_id: str, run_id: str) -> None:
        """Starts it."""
        self._background.start(f"run {run_id}", run_cell(self._templates, tenant_id, run_id, None))

    async def run_batch(self, unit: BatchUnit, batch: Batch) -> None:
        """Starts it when its row is durable."""
        unit.after_commit(lambda: self._start(batch))

    def _start(self, batch: Batch) -> None:
        self._background.start(f"batch {batch.batch_id}", self._executor.execute(batch.tenant_id, batch.batch_id))


class QueueTaskRunner:
    """Sends the work over the bus, to whichever process takes it; the message leaves with the rows that it is about."""

    mode = ExecutionMode.QUEUE

    def __init__(self, units: BatchUnits) -> None:
        self._units = units

    async def run_cell(self, tenant_id: str, run_id: str) -> None:
        """Sends it."""
        async with self._units.of_tenant(tenant_id) as unit:
            await unit.request(tenant_id, "", 1, run_id)
            await unit.commit()

    async def run_batch(self, unit: BatchUnit, batch: Batch) -> None:
        """Sends it with the unit's commit."""
        await unit.request(batch.tenant_id, batch.batch_id, batch.dispatch)


class RequestedWork:
    """What a process does with a message from the queue: takes it once, and does the work beside the consumption."""

    def __init__(
        self, templates: Templates, units: BatchUnits, executor: BatchExecutor, background: Background
    ) -> None:
        self._templates = templates
        self._units = units
        self._executor = executor
        self._background = background

    async def take(self, tenant_id: str, event_id: str, topic: str, batch_id: str, run_id: str) -> None:
        """Begins the work of a message; a second delivery changes nothing.

        The batch is taken in the transaction that marks the message as handled: the process that has it then either
        ends it or loses it, and a lost batch is found by its row.
        """
        async with self._units.of_tenant(tenant_id) as unit:
            if not await unit.handled(tenant_id, event_id, topic):
                return
            batch = await self._executor.claim_in(unit, tenant_id, batch_id) if batch_id else None
            await unit.commit()
        if batch is not None:
            self._background.start(f"batch {batch_id}", self._executor.execute_claimed(batch))
        elif run_id:
            self._background.start(f"run {run_id}", run_cell(self._templates, tenant_id, run_id, None))
