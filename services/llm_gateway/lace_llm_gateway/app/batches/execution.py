"""Executing a batch: its rows say what is still to be made, so that whoever takes it up goes on where it stands.

One process holds a batch at a time, by a lease in its row. A run whose call was under way when a process died is not
made again by itself: where the ledger has its answer, that one is taken; where nothing tells whether it was answered,
the run fails with a code, and somebody may have it made again (resume with retry_failed).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

import structlog

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.batches.ports import BatchUnit, BatchUnits, Orphans
from lace_llm_gateway.app.calls.generate import generate
from lace_llm_gateway.app.calls.orders import Order
from lace_llm_gateway.app.templates.cell import given_up, run_cell
from lace_llm_gateway.app.templates.sealed import Templates
from lace_llm_gateway.domain.batches import Batch, BatchState, DriftPolicy, ModelLock, drift_of
from lace_llm_gateway.domain.calls import Call, replayable
from lace_llm_gateway.domain.exchange import Message
from lace_llm_gateway.domain.stored_templates import TemplateRun, TemplateRunState
from lace_llm_gateway.domain.template_rules import refuse_another_model

_MOST_CALLS_OF_A_RUN = 1000
_ORPHANS = 20
_PREFLIGHT_TOKENS = 64
# Failures of a run that may pass by themselves; all others would come again.
_PASSING = frozenset(
    {
        Reason.PROVIDER_UNAVAILABLE,
        Reason.PROVIDER_RATE_LIMITED,
        Reason.RATE_LIMITED,
        Reason.OVERLOADED,
        Reason.SERVICE_UNAVAILABLE,
        Reason.DEADLINE_EXCEEDED,
    }
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class BatchLimits:
    """How a batch is executed; `per_minute` 0 is no limit, `backoff_s` is the pause before a second try."""

    concurrency: int = 4
    per_minute: int = 0
    retries: int = 2
    backoff_s: float = 0.5
    poll_s: float = 0.5
    lease_s: float = 15.0


class _Halt(Enum):
    """Why no further run is begun."""

    PAUSE = "pause"
    DRIFT = "drift"
    CANCEL = "cancel"
    STOP = "stop"  # the process ends, or holds the batch no more


class BatchExecutor:
    """Executes batches in this process, which is known to the others as `holder`."""

    def __init__(
        self,
        templates: Templates,
        units: BatchUnits,
        holder: str,
        limits: BatchLimits,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.templates = templates
        self.units = units
        self.holder = holder
        self.limits = limits
        self.sleep = sleep
        self._under_way: set[_Execution] = set()

    def stop(self) -> None:
        """Begin no further run in this process; what is under way goes on, and other processes take up the rest."""
        for execution in self._under_way:
            execution.stop()

    async def execute(self, tenant_id: str, batch_id: str) -> None:
        """As far as it goes; nothing where another process holds the batch, or where it is not live."""
        async with self.units.of_tenant(tenant_id) as unit:
            batch = await self.claim_in(unit, tenant_id, batch_id)
            await unit.commit()
        if batch is not None:
            await self.execute_claimed(batch)

    async def claim_in(self, unit: BatchUnit, tenant_id: str, batch_id: str) -> Batch | None:
        """Take the batch in a transaction; None where there is nothing to take.

        A batch that this process is at is not taken again, though its lease ran out while the database was away.
        """
        if any(execution.batch_id == batch_id for execution in self._under_way):
            return None
        now = self.templates.gateway.now()
        until = now + timedelta(seconds=self.limits.lease_s)
        return await unit.batches.claim(tenant_id, batch_id, self.holder, now, until)

    async def execute_claimed(self, batch: Batch) -> None:
        """As far as it goes; the batch is let go in the end, however it ends."""
        execution = _Execution(self, batch)
        self._under_way.add(execution)
        try:
            await execution.run()
        finally:
            self._under_way.discard(execution)
            await asyncio.shield(self._release(batch))

    async def orphaned(self, orphans: Orphans) -> Sequence[tuple[str, str]]:
        """(tenant, batch) of some batches that no process holds any more."""
        return await orphans.find(self.templates.gateway.now(), _ORPHANS)

    async def _release(self, batch: Batch) -> None:
        async with self.units.of_tenant(batch.tenant_id) as unit:
            await unit.batches.release(batch.tenant_id, batch.batch_id, self.holder)
            await unit.commit()


class _Execution:
    """One process's work on one batch."""

    def __init__(self, executor: BatchExecutor, batch: Batch) -> None:
        self._executor = executor
        self._templates = executor.templates
        self._limits = executor.limits
        self._batch = batch
        self.batch_id = batch.batch_id
        self._halt: _Halt | None = None
        self._drift: LaceError | None = None
        self._cells: set[asyncio.Task[None]] = set()
        self._next_at = time.monotonic()

    async def run(self) -> None:
        """Everything from what a process before has left behind to the batch's next state."""
        watch = asyncio.create_task(self._watch(), name=f"watch {self._batch.batch_id}")
        try:
            await self._recover()
            if await self._lock():
                await self._make_all()
        except asyncio.CancelledError:
            self._halt = _Halt.STOP
            raise
        finally:
            await _ended(*self._cells)
            await _ended(watch)
            if self._halt is not _Halt.STOP:
                await asyncio.shield(self._conclude())

    def stop(self) -> None:
        """Begin no further run."""
        self._halt = self._halt or _Halt.STOP

    # -- who wants what ---------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Keeps the lease and learns of pauses and cancellations."""
        batch, sleep = self._batch, self._executor.sleep
        while True:
            until = self._templates.gateway.now() + timedelta(seconds=self._limits.lease_s)
            try:
                async with self._executor.units.of_tenant(batch.tenant_id) as unit:
                    state = await unit.batches.renew(batch.tenant_id, batch.batch_id, self._executor.holder, until)
                    await unit.commit()
            except LaceError as failure:  # the database is away; the lease runs on meanwhile
                log.warning("batch_not_renewed", batch_id=batch.batch_id, error=failure.message)
            else:
                self._heed(state)
            await sleep(self._limits.poll_s)

    def _heed(self, state: BatchState | None) -> None:
        if state is None:
            self._halt = _Halt.STOP
        elif state is BatchState.CANCELLED:
            self._halt = _Halt.CANCEL
        elif state is BatchState.PAUSING:
            self._halt = self._halt or _Halt.PAUSE
        if self._halt in (_Halt.STOP, _Halt.CANCEL):
            for cell in self._cells:
                cell.cancel()

    # -- before the first run ---------------------------------------------------------------------------------------

    async def _recover(self) -> None:
        """Puts in order the runs that a process before was at."""
        batch = self._batch
        async with self._executor.units.of_tenant(batch.tenant_id) as unit:
            states = (TemplateRunState.RUNNING, TemplateRunState.CANCELLED)
            interrupted = await unit.batches.runs_in(batch.tenant_id, batch.batch_id, states)
        for run in interrupted:
            calls = await self._calls(run.run_id)
            if calls and calls[-1].settlement is None:
                await given_up(self._templates, run)
                continue
            async with self._executor.units.of_tenant(batch.tenant_id) as unit:
                await unit.batches.requeue(batch.tenant_id, run.run_id)
                await unit.commit()

    async def _lock(self) -> bool:
        """Holds the batch to one version and fingerprint, durably; False where that cannot be."""
        if self._halt is not None or self._batch.lock is not None:
            return self._halt is None
        try:
            lock = await self._preflight()
        except LaceError as failure:
            self._drift, self._halt = failure, _Halt.DRIFT
            return False
        self._batch = replace(self._batch, lock=lock, locks=self._batch.locks + 1)
        async with self._executor.units.of_tenant(self._batch.tenant_id) as unit:
            held = await unit.batches.hold(self._batch.tenant_id, self._batch.batch_id)
            if held is not None:
                locked = replace(held, lock=lock, locks=self._batch.locks)
                await unit.batches.save(self._batch.tenant_id, locked)
            await unit.commit()
        return self._halt is None

    async def _preflight(self) -> ModelLock:
        """One small call, in the ledger under the batch; raises LaceError also where the template forbids the model."""
        batch = self._batch
        async with self._executor.units.of_tenant(batch.tenant_id) as unit:
            template = await self._templates.read(unit, batch.tenant_id, batch.template_id)
        order = Order(
            messages=(Message("user", "Answer with the one word: ready."),),
            provider=batch.provider,
            model=batch.model,
            temperature_milli=0,
            max_output_tokens=_PREFLIGHT_TOKENS,
            run_id=batch.batch_id,
            step_id="preflight",
            attempt=batch.locks + 1,
            accept_partial=True,
            principal_id=batch.created_by,
            template_id=batch.template_id,
            template_hash=batch.template_sha256,
        )
        settled = (await generate(self._templates.gateway, batch.tenant_id, order, None)).settlement
        assert settled is not None
        try:
            refuse_another_model(template.content, settled.resolved_model, settled.answered_model, settled.fingerprint)
        except LaceError:
            self._templates.determinism.version_mismatch(batch.provider)
            raise
        return ModelLock(settled.answered_model or settled.resolved_model, settled.fingerprint)

    # -- the runs ---------------------------------------------------------------------------------------------------

    async def _make_all(self) -> None:
        batch = self._batch
        async with self._executor.units.of_tenant(batch.tenant_id) as unit:
            queued = await unit.batches.runs_in(batch.tenant_id, batch.batch_id, (TemplateRunState.QUEUED,))
        places = asyncio.Semaphore(self._limits.concurrency)
        for run in queued:
            await places.acquire()
            await self._pace()
            if self._halt is not None:
                break
            cell = asyncio.create_task(self._cell(run), name=f"run {run.run_id}")
            self._cells.add(cell)
            cell.add_done_callback(lambda done: self._done(done, places))
        while self._cells:
            await asyncio.wait(tuple(self._cells))

    def _done(self, cell: asyncio.Task[None], places: asyncio.Semaphore) -> None:
        self._cells.discard(cell)
        places.release()
        if not cell.cancelled() and (failure := cell.exception()) is not None:
            # A store that is away, or a fault of ours: the rows are as they are, and the batch is taken up again.
            log.error("batch_run_broken", batch_id=self._batch.batch_id, exc_info=failure)
            self._halt = _Halt.STOP

    async def _pace(self) -> None:
        """Waits until the next run may begin."""
        if not self._limits.per_minute:
            return
        wait = self._next_at - time.monotonic()
        self._next_at = max(self._next_at, time.monotonic()) + 60.0 / self._limits.per_minute
        while wait > 0 and self._halt is None:  # in pieces, so that a pause is heeded
            piece = min(wait, self._limits.poll_s)
            await self._executor.sleep(piece)
            wait -= piece

    async def _cell(self, run: TemplateRun) -> None:
        """Makes a run, with further tries; all of them have the run's row, and so its indices and its block."""
        batch = self._batch
        attempt = await self._attempt(run)
        for tries in range(1, self._limits.retries + 2):
            made = await run_cell(self._templates, batch.tenant_id, run.run_id, None, self._check, attempt)
            code = made.answered.error_code
            passing = code and made.state is TemplateRunState.FAILED and Reason(code) in _PASSING
            if not passing or tries > self._limits.retries or self._halt is not None:
                break
            await self._executor.sleep(self._backoff(tries))
            async with self._executor.units.of_tenant(batch.tenant_id) as unit:
                await unit.batches.requeue(batch.tenant_id, run.run_id, code)
                await unit.commit()

    def _backoff(self, tries: int) -> float:
        return float(self._limits.backoff_s * 2 ** (tries - 1) * (0.5 + self._templates.gateway.chance()))

    async def _attempt(self, run: TemplateRun) -> int:
        """The attempt under which the ledger is asked: that of an answer that may be taken again, else a new one."""
        calls = await self._calls(run.run_id)
        last = calls[-1] if calls else None
        if last is None or last.settlement is None or not replayable(last.settlement):
            return self._batch.dispatch
        cause = run.answered.error_message  # see BatchRepository.requeue
        if not cause:  # interrupted after it was answered
            return last.key.attempt
        version = last.settlement.answered_model or last.settlement.resolved_model
        drifted = cause == Reason.BATCH_DRIFTED.value
        if drifted and self._batch.lock and not self._batch.lock.differs(version, last.settlement.fingerprint):
            return last.key.attempt  # what was drift then is what the batch is held to now
        return self._batch.dispatch

    async def _calls(self, run_id: str) -> tuple[Call, ...]:
        ledger = self._templates.gateway.ledger
        return tuple(await ledger.of_run(self._batch.tenant_id, run_id, _MOST_CALLS_OF_A_RUN, None))

    async def _check(self, run: TemplateRun) -> None:
        """Compares an answer with the lock; raises LaceError BATCH_DRIFTED where the policy does not go on."""
        lock, origin = self._batch.lock, run.provenance
        version = origin.answered_model or origin.resolved_model
        if lock is None or not lock.differs(version, origin.fingerprint):
            return
        self._templates.determinism.version_mismatch(origin.provider)
        if self._batch.drift_policy is DriftPolicy.CONTINUE:
            return
        drift = drift_of(lock, version, origin.fingerprint)
        self._drift = self._drift or drift
        self._halt = self._halt or _Halt.DRIFT
        raise drift

    # -- afterwards -------------------------------------------------------------------------------------------------

    async def _conclude(self) -> None:
        """The batch's next state, in one transaction with the end of runs that will not be made."""
        batch = self._batch
        async with self._executor.units.of_tenant(batch.tenant_id) as unit:
            held = await unit.batches.hold(batch.tenant_id, batch.batch_id)
            if held is None:
                return
            left = await unit.batches.runs_in(batch.tenant_id, batch.batch_id, _OPEN)
            after = self._after(held, bool(left))
            if after.state.ended:
                await unit.batches.cancel_runs(batch.tenant_id, batch.batch_id, _OPEN)
            if after != held:
                await unit.batches.save(batch.tenant_id, after)
                progress = await unit.batches.progress(batch.tenant_id, [after])
                await unit.tell(batch.tenant_id, after, progress[after.batch_id])
            await unit.commit()
        if self._drift is not None and after.state is BatchState.PAUSED and after.error_code == _DRIFTED:
            self._templates.determinism.batch_drift_pause(batch.provider)

    def _after(self, held: Batch, left: bool) -> Batch:
        now = self._templates.gateway.now()
        if held.state not in (BatchState.RUNNING, BatchState.PAUSING):
            return held
        if self._drift is not None:
            state = BatchState.FAILED if self._fatal(self._drift) else BatchState.PAUSED
            code, message = self._drift.reason.value, self._drift.message
            return replace(held, state=state, error_code=code, error_message=message, updated_at=now)
        if not left:
            return replace(held, state=BatchState.COMPLETED, error_code="", error_message="", updated_at=now)
        if held.state is BatchState.PAUSING or self._halt is _Halt.PAUSE:
            return replace(held, state=BatchState.PAUSED, updated_at=now)
        return held

    def _fatal(self, failure: LaceError) -> bool:
        """Whether the batch ends with the failure; what may pass, or a person may decide, pauses it."""
        if failure.reason is Reason.BATCH_DRIFTED:
            return self._batch.drift_policy is DriftPolicy.FAIL
        return failure.reason not in _PASSING


_OPEN = (TemplateRunState.QUEUED, TemplateRunState.RUNNING)
_DRIFTED = Reason.BATCH_DRIFTED.value


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
