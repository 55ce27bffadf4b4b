"""One run under one worker: its steps in order, a boundary after each, and the commands that reach it meanwhile.

What is done is what has a checkpoint: going on after a crash is running the same pipeline again and skipping those
steps. The start of a step is written together with the next boundary, or by itself when the step takes longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.pipeline import Pipeline, Step
from lace_runs.app.calling_off import called_off
from lace_runs.app.payloads import controlled_payload, error_payload, step_payload
from lace_runs.app.ports import Acting, Attempts, Boundary, Claimed, Message, RunLog, Snapshots, Spans
from lace_runs.app.progress import Progress
from lace_runs.app.provenance import Taken, UnsentLogs, output_entity
from lace_runs.app.results import ResultLost, read_result, require_known
from lace_runs.app.sent_jobs import IsAnswer, SentJobs
from lace_runs.app.step_scope import StepScope, Target
from lace_runs.domain import steps as outputs
from lace_runs.domain.dependence import children_of, dependents
from lace_runs.domain.events import EventDraft, Notices
from lace_runs.domain.limits import step_limits
from lace_runs.domain.retries import Retries
from lace_runs.domain.runs import IN_DOUBT, LEAVES, Checkpoint, Command, RunState, StepRecord, Trigger, transition

OPENING_PAUSE_S = 0.02
INLINE_BYTES = 64 * 1024
COMMITTING = "validate"  # the step that moves the head

T = TypeVar("T", bound=Struct)


class Paused(Exception):
    """The run stands still; raised at the gate before a step."""


Work = Callable[[StepScope], Awaitable[Struct]]


@dataclass(frozen=True)
class Tools:
    """What executions share. `now` is the clock; `wake` is awaited between looks at jobs and commands."""

    log: RunLog
    snapshots: Snapshots
    acting: Acting
    span: Spans
    now: Callable[[], datetime]
    worker_id: str
    wait_for_news: Callable[[float], Awaitable[bool]]


class Execution:
    """A run that this worker holds. `execute` returns when the run has ended, stands still or was fenced."""

    def __init__(self, claimed: Claimed, pipeline: Pipeline, tools: Tools) -> None:
        self.run = claimed.run
        self.pipeline = pipeline
        self.tools = tools
        self.state = claimed.run.state
        self.checkpoints = dict(claimed.checkpoints)
        self.notices = Notices(list(map(dict, claimed.run.warnings)))
        self.attempt = claimed.run.attempt
        self._attempts = dict(claimed.attempts)
        self.jobs = SentJobs(claimed.run, claimed.jobs, tools.log, tools.wait_for_news)
        self._first_commands = list(claimed.commands)
        self._taken: set[str] = set()
        self._decoded: dict[str, Struct] = {}
        self._progress = Progress(claimed.run.steps_done, claimed.run.steps_total)
        self._opening_steps: list[StepRecord] = []
        self._written: set[tuple[str, int]] = set()  # attempts of which a row may be there
        self._in_doubt = False  # whether a boundary was left before it was known what became of it
        self._opening_events: list[EventDraft] = []
        self._opening: asyncio.Task[None] | None = None
        # A run that was to pause when its worker died is still to pause.
        self._pausing = Command("", Trigger.PAUSE, "") if self.state is RunState.PAUSING else None
        self._work: asyncio.Task[Struct | None] | None = None
        self._interrupt: Command | None = None
        self._last: dict[str, Any] = {}  # what the last step leaves, to be written with the end
        self._let_go = False
        self._logs = UnsentLogs(claimed.run, tools.worker_id, claimed.unlogged)
        self._spent_before_s = claimed.run.spent_s(tools.now())
        self.finish: Callable[[], Awaitable[Mapping[str, Any]]] | None = None
        self.figures: Callable[[], Mapping[str, Any]] | None = None  # what progress tells beside the steps
        self._finishing = 0  # steps whose boundary is on its way

    @property
    def let_go(self) -> bool:
        """Whether the last boundary also gave the run up: it has ended or stands still."""
        return self._let_go

    # -- the run as a whole -------------------------------------------------------------------------------------

    async def execute(self, body: Callable[[Execution], Coroutine[Any, Any, Struct | None]]) -> None:
        """Run the pipeline's body to the end of what can be done now; raises LaceError RUN_FENCED, or
        SCHEMA_TOO_NEW for a run that only a newer worker can go on with.
        """
        if not await self._begin():
            return
        while True:
            self._last = {}
            self._work = asyncio.create_task(body(self), name=self.run.run_id)
            try:
                async with asyncio.timeout(self._remaining_s()):
                    await self._work
                if self._interrupt is None:
                    await self._succeed()
                    return
                if not await self._interrupted(self._interrupt):  # it came as the last step was done
                    return
            except Paused:
                await self._stand_still()
                return
            except ResultLost as lost:
                if not await self._make_again(lost):
                    return
            except TimeoutError:
                await self._fail(LaceError(Reason.RUN_DEADLINE_EXCEEDED, "The run took longer than runs.deadline_s."))
                return
            except LaceError as error:
                if error.reason in (Reason.RUN_FENCED, Reason.SCHEMA_TOO_NEW):
                    raise
                await self._fail(error)
                return
            except asyncio.CancelledError:
                if self._interrupt is None:
                    raise
                if not await self._interrupted(self._interrupt):
                    return
            finally:
                await self._close_opening()
                await self.jobs.stop()

    async def take(self, commands: Sequence[Command]) -> None:
        """Take up commands that came in; the ones taken already are passed over."""
        for command in commands:
            if command.command_id in self._taken:
                continue
            self._taken.add(command.command_id)
            try:
                transition(self.state, command.trigger)
            except LaceError as error:
                await self._boundary(applied={command.command_id: f"refused: {error.message}"})
                continue
            await self._take_one(command)

    async def break_down(self) -> None:
        """End the run after a fault of ours."""
        await self._fail(LaceError(Reason.INTERNAL, "The run failed on our side; quote its correlation id."))

    async def stop(self) -> None:
        """Give up at once without a word: the process ends, another worker goes on."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(BaseException):
                await self._work

    async def _begin(self) -> bool:
        """Move the run to running; False when a command ended it or it keeps standing still."""
        for command in self._first_commands:
            self._taken.add(command.command_id)
            if not await self._begin_with(command):
                return False
        if self.state is RunState.PAUSED:
            return False
        require_known(self.checkpoints.values())
        was = self.state
        self.state = transition(was, Trigger.CLAIM)
        payload = {"worker_id": self.tools.worker_id, "settings_hash": self.run.settings_hash, "epoch": self.run.epoch}
        self._open(self._run_event("pipeline.run.started", {"run_started": payload}))
        if self.run.started_at is None or self.run.paused_at is not None or was is not self.state:
            self._opening_state = self.state
        return True

    async def _begin_with(self, command: Command) -> bool:
        try:
            state = transition(self.state, command.trigger)
        except LaceError as error:
            await self._boundary(applied={command.command_id: f"refused: {error.message}"})
            return self.state is not RunState.PAUSED
        if command.trigger is Trigger.CANCEL:
            await self._cancel(command)
            return False
        if command.trigger is Trigger.PAUSE:
            self._pausing = command
            await self._controlled(
                command, state, ["pause.requested", "paused"] if state is RunState.PAUSED else ["pause.requested"]
            )
            return state is not RunState.PAUSED
        if command.trigger is Trigger.RESTART:
            await self._go_back(command)
            return True
        self._pausing = None
        await self._controlled(command, state, ["resume.requested", "resumed"])
        return True

    async def _take_one(self, command: Command) -> None:
        if command.trigger in (Trigger.CANCEL, Trigger.RESTART):
            self._interrupt = command
            if self._work is not None:
                self._work.cancel()
        elif command.trigger is Trigger.PAUSE:
            self._pausing = command
            await self._controlled(command, RunState.PAUSING, ["pause.requested"])
        else:
            self._pausing = None
            await self._controlled(command, RunState.RUNNING, ["resume.requested", "resumed"])

    async def _interrupted(self, command: Command) -> bool:
        """After the work was stopped for a command: whether it goes on."""
        self._interrupt = None
        if command.trigger is Trigger.CANCEL:
            await self._cancel(command)
            return False
        await self._go_back(command)
        return True

    async def _cancel(self, command: Command) -> None:
        self.state = RunState.CANCELLED
        await self._end(
            self._told("cancelled", command),
            applied={command.command_id: "done"},
            messages=called_off(self.run, self.jobs.all()),
        )

    def _forget(self, from_step_id: str) -> list[str]:
        """Forget the results from a step on; the run goes on from there as its next attempt."""
        below = children_of(self.checkpoints)
        forget = dependents(self.pipeline, self.checkpoints, from_step_id, below)
        self.attempt += 1
        for step_id in forget:
            self.checkpoints.pop(step_id, None)
            self._decoded.pop(step_id, None)
        self.jobs.forget(forget)
        return forget

    async def _make_again(self, lost: ResultLost) -> bool:
        """A step whose result is lost is done again, with all that hangs on it; not where a commit hangs on it."""
        if COMMITTING in self.checkpoints:
            await self._fail(lost)
            return False
        forget = self._forget(lost.step_id)
        message = f"{lost.message} It is made again, with the {len(forget) - 1} results that hang on it."
        self.notices.add(lost.reason.value, message, lost.step_id)
        notice = {"code": lost.reason.value, "message": message, "subject": lost.step_id}
        event = self._run_event("pipeline.warning", {"warning": notice})
        await self._boundary(
            attempt=self.attempt, forget_checkpoints=forget, events=[event], warnings=self.notices.found
        )
        return True

    async def _go_back(self, command: Command) -> None:
        """As a command says: back to a step."""
        forget = self._forget(command.from_step_id)
        self.state = RunState.RESUMING if self.state is RunState.PAUSED else RunState.RUNNING
        self._pausing = None
        event = self._told("restart.requested", command)
        await self._boundary(
            state=self.state,
            attempt=self.attempt,
            forget_checkpoints=forget,
            events=[event],
            applied={command.command_id: "done"},
        )

    async def _succeed(self) -> None:
        self.state = transition(self.state, Trigger.SUCCEED)
        result = dict(await self.finish()) if self.finish else {}
        result["warnings"] = len(self.notices.found)
        event = self._run_event("pipeline.run.completed", {"run_completed": result})
        last, self._last = self._last, {}
        events = (*last.pop("events", ()), event)
        await self._end(*events, result=result, revision_id=result.get("revision_id") or None, **last)

    async def _fail(self, error: LaceError) -> None:
        self.state = transition(self.state, Trigger.FAIL)
        step_id = getattr(error, "step_id", "")
        payload = {"error_code": error.reason.value, "message": error.message, "step_id": step_id}
        # A step's last failure is told with the step.
        told = [] if step_id else [self._run_event("pipeline.error", error_payload(error, ""))]
        await self._end(
            *told,
            self._run_event("pipeline.run.failed", {"run_failed": payload}),
            error_code=error.reason.value,
            error_message=error.message,
        )

    async def _end(self, *events: EventDraft, **values: Any) -> None:
        await self._boundary(state=self.state, ended_at=self.tools.now(), events=events, **values)

    def _run_event(self, event_type: str, payload: Mapping[str, Any], **values: Any) -> EventDraft:
        """An event about the run as a whole, in the state and attempt that it has now."""
        return EventDraft(event_type, payload, self.tools.now(), self.state.value, "", self.attempt, **values)

    def _told(self, kind: str, command: Command) -> EventDraft:
        """What became of a command, under the request that gave it."""
        return self._run_event(f"pipeline.run.{kind}", controlled_payload(command), cause=command.cause)

    async def _stand_still(self) -> None:
        self.state = transition(self.state, Trigger.REACH_BOUNDARY)
        command = self._pausing or Command("", Trigger.PAUSE, "")
        await self._boundary(state=self.state, events=[self._told("paused", command)])

    async def _controlled(self, command: Command, state: RunState, kinds: Sequence[str]) -> None:
        self.state = state
        events = [self._told(kind, command) for kind in kinds]
        await self._boundary(state=state, events=events, applied={command.command_id: "done"})

    def _remaining_s(self) -> float:
        spent = self._spent_before_s + self._progress.worked_s
        return max(0.0, float(self.run.settings["runs.deadline_s"]) - spent)

    # -- steps ----------------------------------------------------------------------------------------------------

    def expect(self, more: int) -> None:
        """There are more steps than was known."""
        self._progress.total += more

    def set_total(self, total: int) -> None:
        """The number of steps as far as it is known."""
        self._progress.total = max(total, len(self.checkpoints))

    def result(self, step_id: str, kind: type[T], scope: StepScope | None = None) -> T:
        """The result of a step that is done; with a scope it is recorded as an input of that step."""
        checkpoint = self.checkpoints[step_id]
        found = self._decoded[step_id]
        if not isinstance(found, kind):
            raise LaceError(Reason.INTERNAL, f"{step_id} gave {type(found).__name__}, not {kind.__name__}.")
        if scope is not None:
            scope.lineage.used(self.entity_of(checkpoint))
        return found

    def entity_of(self, checkpoint: Checkpoint) -> dict[str, str]:
        """A step's result as provenance knows it."""
        return output_entity(self.run.run_id, checkpoint.step_id, checkpoint.output_hash, checkpoint.uri)

    async def step(self, name: str, work: Work, target: Target = Target(), *, is_last: bool = False) -> Struct:
        """The result of a step: its checkpoint's, or that of doing it now, with retries, up to its boundary.

        One that `is_last`, after which the body does nothing more, has its boundary together with the run's end.
        """
        step = next(step for step in self.pipeline.steps if step.name == name)
        step_id = target.step_id(step)
        if step_id in self.checkpoints:
            if step_id not in self._decoded:
                self._decoded[step_id] = await read_result(self.checkpoints[step_id], self.tools.snapshots)
            return self._decoded[step_id]
        limits = step_limits(step, self.run.settings)
        timeout, retries = limits.timeout_s, Retries(limits.attempts, limits.outage_s)
        while True:
            if self._pausing is not None:
                raise Paused
            scope = self._start(step, step_id, target)
            try:
                with self.tools.span(self.run, step_id) as scope.span:
                    async with asyncio.timeout(timeout), self.tools.acting(self.run, timeout):
                        output = await work(scope)
                return await self._finish(scope, target, output, is_last)
            except TimeoutError:
                failure = LaceError(Reason.STEP_TIMEOUT, f"{step_id} took longer than {timeout:g} s.", retryable=True)
            except LaceError as error:
                failure = error
            if failure.reason is Reason.RUN_FENCED:
                raise failure
            pause_s = retries.pause_after(failure, time.monotonic())
            await self._step_failed(scope, failure, pause_s is not None)
            if pause_s is None:
                failure.step_id = step_id  # type: ignore[attr-defined]
                raise failure
            await asyncio.sleep(pause_s)

    async def job(
        self,
        scope: StepScope,
        topic: str,
        payload: Mapping[str, Any],
        *,
        is_answer: IsAnswer = lambda result: True,
    ) -> Mapping[str, Any]:
        """Have another service do something: sent with a boundary of its own, and waited for durably.

        Where the last job of the step came back with what is no answer, the step's next attempt sends another one.
        """
        job = self.jobs.pending(scope.step_id, self.attempt, is_answer)
        if job is None:
            job = self.jobs.next(scope.step_id, self.attempt, topic, payload)
            message = Message(job.job_id, topic, job.job_id, job.payload)  # a key of its own: jobs wait for nobody
            waiting = scope.record("waiting")
            sent = scope.progress(0, 1, f"Sent out as {topic}.", self.tools.now(), "waiting")
            self.jobs.add(job)
            try:
                await self._boundary(jobs=[job], messages=[message], steps=[waiting], events=[sent])
            except LaceError:
                self.jobs.discard(job)
                raise
        return await self.jobs.result(job.job_id)

    async def warn(self, scope: StepScope, code: str, message: str, subject: str = "") -> None:
        """Say something that a person should know: an event, and part of the run's result."""
        if self.notices.add(code, message, subject):
            notice = {"code": code, "message": message, "subject": subject}
            scope.event("pipeline.warning", {"warning": notice}, self.tools.now())

    def progress(self, scope: StepScope, done: int, total: int, message: str) -> None:
        """Say how far a step is; unlike the step's other events it is written soon, not with the step's result."""
        self._open(scope.progress(done, total, message, self.tools.now()))

    def _start(self, step: Step, step_id: str, target: Target) -> StepScope:
        before = self._attempts.get(step_id, Attempts())
        attempt = before.begun + 1
        self._attempts[step_id] = replace(before, begun=attempt)
        now = self.tools.now()
        scope = StepScope(self.run, step, step_id, attempt, now, attempt - before.in_doubt)
        node_id = target.key if step.per == "node" else ""
        payload = step_payload(step.name, node_id, target.title)
        self._open(
            EventDraft("pipeline.step.started", {"step_started": payload}, now, "running", step_id, attempt),
            scope.record("running"),
        )
        return scope

    async def _finish(self, scope: StepScope, target: Target, output: Struct, is_last: bool) -> Struct:
        data = outputs.encode(output)
        digest = sha256_hex(data)
        uri = ""
        if len(data) > INLINE_BYTES:
            uri = await self.tools.snapshots.put_result(self.run.tenant_id, self.run.run_id, digest, data)
        checkpoint = Checkpoint(scope.step_id, scope.step.gives, digest, "" if uri else data.decode(), uri)
        now = self.tools.now()
        duration_ms = max(0, round((now - scope.started_at).total_seconds() * 1000))
        record = StepRecord(
            scope.step_id,
            scope.step.name,
            scope.node_id,
            scope.attempt,
            "succeeded",
            scope.started_at,
            now,
            digest,
            uri,
            {**scope.metrics, "duration_ms": duration_ms},
            summary=scope.summary,
            log=scope.lineage.log(scope.span),
        )
        completed = step_payload(
            scope.step.name,
            scope.node_id,
            target.title,
            duration_ms=duration_ms,
            output_hash=digest,
            summary=scope.summary,
        )
        scope.event("pipeline.step.completed", {"step_completed": completed}, now, status="succeeded")
        # Boundaries of one run are committed in their order: those on their way are done before this one.
        done = len(self.checkpoints) + self._finishing + 1
        written: dict[str, Any] = {
            "done": record,
            "checkpoints": [checkpoint],
            "steps_done": done,
            "steps_total": self._progress.total_at(done),
            "events": [*scope.events, *self._run_progress(done, scope.node_id, target.title)],
            "warnings": self.notices.to_write(anew=self._in_doubt),
        }
        if is_last:
            # Not here: a command that comes now may still stop the run, and what is being committed cannot be stopped.
            self._last = written
            return output
        self._finishing += 1
        try:
            await self._boundary(**written)
        finally:
            self._finishing -= 1
        self.checkpoints[scope.step_id], self._decoded[scope.step_id] = checkpoint, output
        return output

    def _run_progress(self, done: int, node_id: str, title: str) -> Sequence[EventDraft]:
        told = self._progress.tick(done, node_id, title)
        if told is None:
            return ()
        if self.figures is not None:
            told.update(self.figures())
        return (self._run_event("pipeline.run.progress", {"run_progress_v2": told}, payload_schema_version=2),)

    async def _step_failed(self, scope: StepScope, error: LaceError, again: bool) -> None:
        if error.reason in IN_DOUBT:
            counted = self._attempts[scope.step_id]
            self._attempts[scope.step_id] = replace(counted, in_doubt=counted.in_doubt + 1)
        now = self.tools.now()
        record = scope.record("failed", now, error)
        failed = {
            "step": scope.step.name,
            "error_code": error.reason.value,
            "message": error.message,
            "will_retry": again,
        }
        scope.event("pipeline.step.failed", {"step_failed": failed}, now, status="failed")
        if not again:
            scope.event("pipeline.error", error_payload(error, scope.step_id), now, status="failed")
        await self._boundary(steps=[record], events=scope.events)

    # -- boundaries -------------------------------------------------------------------------------------------------

    _opening_state: RunState | None = None

    def _open(self, event: EventDraft, record: StepRecord | None = None) -> None:
        """Have something written with the next boundary, or by itself if that is long in coming."""
        self._opening_events.append(event)
        if record is not None:
            self._opening_steps.append(record)
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._write_opening(), name="opening")

    async def _write_opening(self) -> None:
        await asyncio.sleep(OPENING_PAUSE_S)
        if self._opening_events:
            # A fenced run is found out by the step's own boundary.
            with contextlib.suppress(LaceError):
                await self._boundary()

    async def _close_opening(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._opening

    async def _boundary(
        self,
        *,
        steps: Sequence[StepRecord] = (),
        done: StepRecord | None = None,
        events: Sequence[EventDraft] = (),
        messages: Sequence[Message] = (),
        state: RunState | None = None,
        **values: Any,
    ) -> None:
        """Write a boundary with what was opened before it; commands that it brings are taken up behind it.

        `done` is a step that it completes, whose log leaves with it or with a later one.
        """
        opened, self._opening_steps = self._opening_steps, []
        said, self._opening_events = self._opening_events, []
        begun, self._opening_state = self._opening_state, None
        sending = self._logs.are_due() or state in LEAVES
        if done is not None:
            steps = (*steps, replace(done, log=None) if sending else done)
        taken = self._logs.take() if sending else Taken()
        logs = self._logs.messages(taken, [done] if done is not None and sending else [])
        closed = {(record.step_id, record.attempt) for record in steps}
        again = self._in_doubt or not self._written.isdisjoint(closed)
        kept = [record for record in opened if (record.step_id, record.attempt) not in closed]
        self._written.update((record.step_id, record.attempt) for record in (*kept, *steps))
        boundary = Boundary(
            tenant_id=self.run.tenant_id,
            run_id=self.run.run_id,
            epoch=self.run.epoch,
            state=state or begun,
            started_at=self.tools.now() if begun else None,
            steps=(*kept, *steps),
            events=(*said, *events),
            messages=(*messages, *logs),
            again=again,
            **values,
        )
        commands = await self._commit(boundary, taken, None if sending else done)
        self._let_go = boundary.state in LEAVES
        fresh = [command for command in commands if command.command_id not in self._taken]
        if fresh:
            await self.take(fresh)

    async def _commit(self, boundary: Boundary, sent: Taken, unsent: StepRecord | None) -> Sequence[Command]:
        """Commit, and keep the logs that are still to be sent after it."""
        try:
            commands = await self.tools.log.commit(boundary)
        except LaceError:
            self._logs.put_back(sent)
            self.notices.written = 0
            raise
        except asyncio.CancelledError:
            self._in_doubt = True
            if unsent is not None:  # the boundary is on its way and will be committed
                self._logs.add(unsent)
            raise
        if unsent is not None:
            self._logs.add(unsent)
        return commands
