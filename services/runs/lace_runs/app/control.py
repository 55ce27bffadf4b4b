"""Pause, resume, restart, cancel: commands that are left for the worker that holds a run.

A command is judged by the state that the run will be in once the commands before it are taken up, so that what is
answered does not hang on how soon the worker is: of two pauses the second is refused, whenever it comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.ids import derive
from lace_runs.app.pipelines import pipeline_of
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.app.runs import GRANT, insert_run, record_of
from lace_runs.domain.dependence import children_of, dependents
from lace_runs.domain.events import Cause
from lace_runs.domain.runs import Command, Run, RunState, Trigger, outlook, transition

_KEEP_FOR_A_NEW_ARTIFACT = {"resolve", "intent", "sources"}


@dataclass(frozen=True)
class Order:
    """What is asked of a run; `from_step_id` is a restart's: a kind of step, a node's step, or empty for the start."""

    run_id: str
    trigger: Trigger
    reason: str = ""
    from_step_id: str = ""


async def control_run(work: UnitOfWork, caller: Caller, order: Order, now: datetime) -> tuple[Run, str]:
    """Leave a command for the run's worker, or restart a finished run anew: (the run concerned, command id).

    Restarting again from the same step, while the first time is still under way, gives the first time's answer.
    Raises LaceError RUN_NOT_FOUND, RUN_TRANSITION_ILLEGAL, STEP_UNKNOWN; the caller commits.
    """
    await work.runs.lock_commands(caller.tenant_id, order.run_id)
    run = await work.runs.get(caller.tenant_id, order.run_id)
    command = _command(caller, order)
    if order.trigger is Trigger.RESTART:
        await _require_step(work, run, order.from_step_id)
        if run.state.is_final:
            return await _restart_again(work, caller, run, command, now)
    waiting = await work.runs.waiting_commands(caller.tenant_id, order.run_id)
    if order.trigger is Trigger.RESTART:
        for other in waiting:
            if (other.trigger, other.from_step_id) == (command.trigger, command.from_step_id):
                return run, other.command_id
    transition(outlook(run.state, waiting), order.trigger)
    await work.runs.add_command(caller.tenant_id, order.run_id, command)
    work.wake_workers()
    return run, command.command_id


def _command(caller: Caller, order: Order) -> Command:
    return Command(
        derive("cmd", order.run_id, order.trigger.value, caller.principal_id, caller.idempotency_key),
        order.trigger,
        caller.principal_id,
        order.reason,
        order.from_step_id,
        Cause(caller.request_id, caller.correlation_id, caller.idempotency_key, caller.traceparent),
    )


async def _require_step(work: UnitOfWork, run: Run, step_id: str) -> None:
    pipeline = await pipeline_of(work, run.tenant_id, run.pipeline_id, run.pipeline_version)
    dependents(pipeline, (), step_id)
    if ":" in step_id and not await work.runs.has_step(run.tenant_id, run.run_id, step_id):
        raise LaceError(Reason.STEP_UNKNOWN, f"{run.run_id} has not come to a step {step_id}.")


async def _restart_again(
    work: UnitOfWork, caller: Caller, old: Run, command: Command, now: datetime
) -> tuple[Run, str]:
    """The run that an equal restart led to, while that one lives, or a new one."""
    before = await work.runs.restarted_as(caller.tenant_id, old.run_id, command.from_step_id)
    if before is not None:
        run = await work.runs.get(caller.tenant_id, before[1])
        if not run.state.is_final:
            return run, before[0]
    run = await _restart_anew(work, caller, old, command.from_step_id, now)
    await work.runs.add_command(caller.tenant_id, old.run_id, command, outcome=run.run_id)
    return run, command.command_id


async def _restart_anew(work: UnitOfWork, caller: Caller, old: Run, from_step_id: str, now: datetime) -> Run:
    """A new run that takes over what the old one had done before the step; the old one stays as it is."""
    pipeline = await pipeline_of(work, old.tenant_id, old.pipeline_id, old.pipeline_version)
    done = await work.runs.checkpoints(caller.tenant_id, old.run_id)
    again = set(dependents(pipeline, done, from_step_id, children_of(done)))
    keep = [step_id for step_id in done if step_id not in again]
    run_id = derive("run", old.run_id, "restart", caller.principal_id, caller.idempotency_key)
    artifact_id = old.artifact_id
    if old.state is RunState.SUCCEEDED and pipeline.writes:
        # What is committed stays; the new run writes an artifact of its own, so its plan has ids of its own.
        artifact_id = derive("art", run_id)
        await work.artifacts.insert(caller.tenant_id, record_of(artifact_id, old.request, caller, now))
        keep = [step_id for step_id in keep if step_id in _KEEP_FOR_A_NEW_ARTIFACT]
    elif old.state is RunState.SUCCEEDED and pipeline.edits:
        # The document has changed by what the old run did: it is opened and looked at again.
        keep = [step_id for step_id in keep if step_id in _KEEP_FOR_A_NEW_ARTIFACT]
    run = replace(
        old,
        run_id=run_id,
        artifact_id=artifact_id,
        state=RunState.QUEUED,
        requested_by=caller.principal_id,
        scopes=tuple(sorted(set(GRANT) & caller.scopes)),
        request_id=caller.request_id,
        correlation_id=caller.correlation_id,
        idempotency_key=caller.idempotency_key,
        traceparent=caller.traceparent,
        created_at=now,
        restarted_from_run_id=old.run_id,
        revision_id="",
    )
    await insert_run(work, run, now)
    await work.runs.copy_checkpoints(caller.tenant_id, old.run_id, run_id, keep)
    return run
