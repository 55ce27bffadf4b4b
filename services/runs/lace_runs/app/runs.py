"""Starting, controlling and reading runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.pipeline import PIPELINES, PLANNED_LATER, Pipeline
from lace_core.settings import check_values
from lace_runs.app.ports import Caller, Message, Resolved, Settings, Sources, UnitOfWork
from lace_runs.domain.artifacts import ArtifactRecord
from lace_runs.domain.dependence import dependents
from lace_runs.domain.events import EventDraft
from lace_runs.domain.runs import Command, Request, Run, RunState, Trigger, transition

DISPATCH_TOPIC = "pipeline.run.requested"
TARGETS = ("md", "docx", "pdf", "owl")
# What a run may do for its principal; never more than the principal may.
GRANT = ("artifacts:read", "artifacts:write", "runs:read", "runs:write", "sources:read", "settings:read")
_KEEP_FOR_A_NEW_ARTIFACT = {"resolve", "intent", "sources"}


@dataclass(frozen=True)
class Start:
    """What is asked of a new run."""

    pipeline_id: str
    request: Request
    artifact_id: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)


async def prepare(start: Start, settings: Settings, sources: Sources) -> Resolved:
    """Everything about a start that can be wrong before anything is written; gives the settings to pin.

    Raises LaceError PIPELINE_UNKNOWN, NOT_AVAILABLE_YET, INVALID_ARGUMENT, SETTING_*, SOURCE_NOT_FOUND and the like.
    """
    pipeline = _pipeline(start.pipeline_id)
    if pipeline.needs_title and not start.request.title.strip():
        raise _invalid("/title", f"{start.pipeline_id} needs a title.")
    if start.pipeline_id == "ingest" and not start.request.source_ids:
        raise _invalid("/source_ids", "ingest needs the sources to read.")
    for target in start.request.targets:
        if target not in TARGETS:
            raise LaceError(Reason.COMPILE_TARGET_UNKNOWN, f"No target {target}; use {', '.join(TARGETS)}.")
    resolved = await settings.resolve(check_values(start.overrides, "request"))
    if start.pipeline_id == "noop10" and not resolved.values["runs.bench_pipelines"]:
        raise LaceError(Reason.PIPELINE_UNKNOWN, "noop10 is for measuring; switch on runs.bench_pipelines first.")
    await asyncio.gather(*(sources.get(source_id) for source_id in start.request.source_ids))
    return resolved


def _pipeline(pipeline_id: str) -> Pipeline:
    if pipeline_id in PLANNED_LATER:
        raise LaceError(Reason.NOT_AVAILABLE_YET, f"The pipeline {pipeline_id} is not available yet.")
    if pipeline_id not in PIPELINES:
        raise LaceError(Reason.PIPELINE_UNKNOWN, f"No pipeline {pipeline_id}; GET /v1/pipelines lists them.")
    return PIPELINES[pipeline_id]


async def start_run(work: UnitOfWork, caller: Caller, start: Start, resolved: Resolved, now: datetime) -> Run:
    """Add the run, its artifact where it needs a new one, its first event and its dispatch; the caller commits."""
    pipeline = PIPELINES[start.pipeline_id]
    run_id = derive("run", caller.tenant_id, start.pipeline_id, caller.principal_id, caller.idempotency_key)
    try:
        return await work.runs.get(caller.tenant_id, run_id)  # the key was used before its record expired
    except LaceError as error:
        if error.reason is not Reason.RUN_NOT_FOUND:
            raise
    artifact_id = start.artifact_id
    if pipeline.writes and not artifact_id:
        artifact_id = derive("art", run_id)
        await work.artifacts.insert(caller.tenant_id, _record(artifact_id, start.request, caller, now))
    elif artifact_id:
        await work.artifacts.get(caller.tenant_id, artifact_id)
    run = Run(
        tenant_id=caller.tenant_id,
        run_id=run_id,
        pipeline_id=pipeline.pipeline_id,
        pipeline_version=pipeline.version,
        state=RunState.QUEUED,
        request=start.request,
        artifact_id=artifact_id,
        requested_by=caller.principal_id,
        settings=resolved.values,
        settings_hash=resolved.settings_hash,
        settings_uri=resolved.uri,
        scopes=tuple(sorted(set(GRANT) & caller.scopes)),
        labels=tuple(sorted(caller.labels)),
        request_id=caller.request_id,
        correlation_id=caller.correlation_id,
        idempotency_key=caller.idempotency_key,
        traceparent=caller.traceparent,
        created_at=now,
    )
    await _insert(work, run, now)
    return run


async def _insert(work: UnitOfWork, run: Run, now: datetime) -> None:
    asked = {
        "title": run.request.title,
        "artifact_id": run.artifact_id,
        "source_ids": list(run.request.source_ids),
        "targets": list(run.request.targets),
        "requested_by": run.requested_by,
    }
    event = EventDraft("pipeline.run.requested", {"run_requested": asked}, now, status="queued")
    await work.runs.insert(run.tenant_id, run, event)
    _dispatch(work, run, run.run_id)


def _dispatch(work: UnitOfWork, run: Run, message_id: str) -> None:
    payload = {"run_id": run.run_id, "tenant_id": run.tenant_id}
    work.send(Message(derive("msg", message_id), DISPATCH_TOPIC, run.run_id, payload))
    work.wake_workers()


def _record(artifact_id: str, request: Request, caller: Caller, now: datetime) -> ArtifactRecord:
    return ArtifactRecord(
        tenant_id=caller.tenant_id,
        artifact_id=artifact_id,
        title=request.title,
        language=request.language,
        created_by=caller.principal_id,
        created_at=now,
        updated_at=now,
    )


async def control_run(
    work: UnitOfWork, caller: Caller, run_id: str, trigger: Trigger, reason: str, from_step_id: str, now: datetime
) -> tuple[Run, str]:
    """Leave a command for the run's worker, or restart a finished run anew: (the run concerned, command id).

    Raises LaceError RUN_NOT_FOUND, RUN_TRANSITION_ILLEGAL, STEP_UNKNOWN; the caller commits.
    """
    run = await work.runs.get(caller.tenant_id, run_id)
    command_id = derive("cmd", run_id, trigger.value, caller.principal_id, caller.idempotency_key)
    if trigger is Trigger.RESTART:
        dependents(PIPELINES[run.pipeline_id], (), from_step_id)
        if run.state.is_final:
            return await _restart_anew(work, caller, run, from_step_id, now), command_id
    transition(run.state, trigger)
    command = Command(command_id, trigger, caller.principal_id, reason, from_step_id)
    await work.runs.add_command(caller.tenant_id, run_id, command)
    work.wake_workers()
    return run, command_id


async def _restart_anew(work: UnitOfWork, caller: Caller, old: Run, from_step_id: str, now: datetime) -> Run:
    """A new run that takes over what the old one had done before the step; the old one stays as it is."""
    done = await work.runs.checkpoints(caller.tenant_id, old.run_id)
    again = set(dependents(PIPELINES[old.pipeline_id], done, from_step_id))
    keep = [step_id for step_id in done if step_id not in again]
    run_id = derive("run", old.run_id, "restart", caller.principal_id, caller.idempotency_key)
    artifact_id = old.artifact_id
    if old.state is RunState.SUCCEEDED and PIPELINES[old.pipeline_id].writes:
        # What is committed stays; the new run writes an artifact of its own, so its plan has ids of its own.
        artifact_id = derive("art", run_id)
        await work.artifacts.insert(caller.tenant_id, _record(artifact_id, old.request, caller, now))
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
    await _insert(work, run, now)
    await work.runs.copy_checkpoints(caller.tenant_id, old.run_id, run_id, keep)
    return run


async def finish_job(work: UnitOfWork, tenant_id: str, run_id: str, job_id: str, result: Mapping[str, Any]) -> None:
    """Record what came of a job, and wake the worker whose run waits for it; the caller commits."""
    await work.runs.finish_job(tenant_id, run_id, job_id, result)
    work.wake_workers()


def _invalid(field_name: str, message: str) -> LaceError:
    return LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail(field_name, message)])


def pipelines() -> Sequence[Pipeline]:
    """All pipelines that can be started by name, sorted by id."""
    return [PIPELINES[key] for key in sorted(PIPELINES) if key != "noop10"]
