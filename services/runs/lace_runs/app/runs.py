"""Starting runs, and what is known of them before they begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.labels import is_owner_label
from lace_core.pipeline import PIPELINES, Pipeline
from lace_core.policies.holding import refuse_title
from lace_core.policies.in_force import Link, pinned_in
from lace_core.policies.settings import refuse_models
from lace_core.settings import check_values
from lace_runs.app.pipelines import pipeline_of
from lace_runs.app.ports import EVENT_REFERENCE, Caller, Message, Resolved, Settings, UnitOfWork
from lace_runs.app.quotas import admit
from lace_runs.app.source_ports import SourceInfo, Sources
from lace_runs.domain.artifacts import ArtifactRecord
from lace_runs.domain.events import EventDraft
from lace_runs.domain.quotas import Limits
from lace_runs.domain.runs import DEFAULT_PRIORITY, Request, Run, RunState

DISPATCH_TOPIC = "pipeline.run.requested"
TARGETS = ("md", "docx", "pdf", "owl")
# What a run may do for its principal; never more than the principal may.
GRANT = ("artifacts:read", "artifacts:write", "runs:read", "runs:write", "sources:read", "settings:read")


@dataclass(frozen=True)
class Start:
    """What is asked of a new run."""

    pipeline_id: str
    request: Request
    artifact_id: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    priority: int = DEFAULT_PRIORITY


async def prepare(start: Start, settings: Settings, sources: Sources, pipeline: Pipeline | None = None) -> Resolved:
    """Everything about a start that can be wrong before anything is written; gives the settings to pin.

    `pipeline` is the start's own where it is known already. Raises LaceError PIPELINE_UNKNOWN, INVALID_ARGUMENT,
    SETTING_*, SOURCE_NOT_FOUND and the like.
    """
    asked = pipeline or _pipeline(start.pipeline_id)
    _check(start, asked)
    for target in start.request.targets:
        if target not in TARGETS:
            raise LaceError(Reason.COMPILE_TARGET_UNKNOWN, f"No target {target}; use {', '.join(TARGETS)}.")
    resolved = await settings.resolve(check_values(start.overrides, "request"), start.request.policy)
    if any(step.calls_model for step in asked.steps):
        refuse_models(resolved.values)
    if asked.writes:
        refuse_title(pinned_in(resolved.values), start.request.title)
    if start.pipeline_id == "noop10" and not resolved.values["runs.bench_pipelines"]:
        raise LaceError(Reason.PIPELINE_UNKNOWN, "noop10 is for measuring; switch on runs.bench_pipelines first.")
    given = await existing(sources, start.request.source_ids)
    if asked.takes_facts and not asked.reads:
        _refuse_unread(given)
    return resolved


def _refuse_unread(given: Mapping[str, SourceInfo]) -> None:
    for info in given.values():
        if info.state != "ready":
            raise LaceError(Reason.SOURCE_NOT_READY, f"{info.source.filename} is not read yet; ingest it first.")


async def existing(sources: Sources, source_ids: Sequence[str]) -> Mapping[str, SourceInfo]:
    """These sources by id, in their order; raises LaceError SOURCE_NOT_FOUND for the first that is not there."""
    found = await sources.many(source_ids) if source_ids else {}
    for source_id in source_ids:
        if source_id not in found:
            raise LaceError(Reason.SOURCE_NOT_FOUND, f"No source {source_id}.")
    return {source_id: found[source_id] for source_id in source_ids}


def _check(start: Start, pipeline: Pipeline) -> None:
    """Whether the request has what the pipeline's steps need, and nothing that they do not look at."""
    request, name = start.request, start.pipeline_id
    if pipeline.writes and not request.title.strip():
        raise _invalid("/title", f"{name} needs a title.")
    if pipeline.reads and not pipeline.imports and not request.source_ids:
        raise _invalid("/source_ids", f"{name} needs the sources to read.")
    if pipeline.takes_facts and not pipeline.imports and not request.source_ids:
        raise _invalid("/source_ids", f"{name} needs the sources to take facts out of.")
    if "snapshot" in pipeline.names and not start.artifact_id:
        raise _invalid("/artifact_id", f"{name} compiles a written artifact; name it.")
    if pipeline.writer == "amend" and not request.instructions.strip():
        raise _invalid("/instructions", f"{name} changes what the instructions say; give some.")
    if not pipeline.edits and (request.node_id or request.scope):
        field_name = "node_id" if request.node_id else "scope"
        raise _invalid(f"/{field_name}", f"{name} has no scope; leave out {field_name}.")
    if pipeline.writes and request.revision_id:
        raise _invalid("/base_revision_id", f"{name} starts from the head; leave out base_revision_id.")


def _pipeline(pipeline_id: str) -> Pipeline:
    if pipeline_id not in PIPELINES:
        raise LaceError(Reason.PIPELINE_UNKNOWN, f"No pipeline {pipeline_id}; GET /v1/pipelines lists them.")
    return PIPELINES[pipeline_id]


async def start_run(work: UnitOfWork, caller: Caller, start: Start, resolved: Resolved, now: datetime) -> Run:
    """Add the run, its artifact where it needs a new one, its first event and its dispatch; the caller commits."""
    pipeline = await pipeline_of(work, caller.tenant_id, start.pipeline_id)
    run_id = run_id_of(caller, start)
    try:
        return await work.runs.get(caller.tenant_id, run_id)  # the key was used before its record expired
    except LaceError as error:
        if error.reason is not Reason.RUN_NOT_FOUND:
            raise
    artifact_id = start.artifact_id
    if pipeline.writes and not artifact_id:
        artifact_id = derive("art", run_id)
        await work.artifacts.insert(caller.tenant_id, record_of(artifact_id, start.request, caller, now))
    elif artifact_id:
        await work.artifacts.get(caller.tenant_id, artifact_id)
    run = new_run(caller, start, artifact_id, pipeline, resolved, now)
    await insert_run(work, run, now, resolved.limits)
    return run


def run_id_of(caller: Caller, start: Start) -> str:
    """The id that a start's run has, however often it is asked for under one key."""
    asked = start.request.asked_pipeline_id or start.pipeline_id
    return derive("run", caller.tenant_id, asked, caller.principal_id, caller.idempotency_key)


def new_run(
    caller: Caller, start: Start, artifact_id: str, pipeline: Pipeline, resolved: Resolved, now: datetime
) -> Run:
    """The run as it is before anybody has taken it."""
    return Run(
        tenant_id=caller.tenant_id,
        run_id=run_id_of(caller, start),
        pipeline_id=pipeline.pipeline_id,
        pipeline_version=pipeline.version,
        state=RunState.QUEUED,
        request=_held_to(start.request, resolved.policy),
        artifact_id=artifact_id,
        requested_by=caller.principal_id,
        settings=resolved.values,
        settings_hash=resolved.settings_hash,
        settings_uri=resolved.uri,
        scopes=tuple(sorted(set(GRANT) & caller.scopes)),
        # What the run might read; that it may read what is its principal's own says nothing of what it does read.
        labels=tuple(sorted(label for label in caller.labels if not is_owner_label(label))),
        request_id=caller.request_id,
        correlation_id=caller.correlation_id,
        idempotency_key=caller.idempotency_key,
        traceparent=caller.traceparent,
        created_at=now,
        priority=start.priority,
    )


def _held_to(request: Request, policy: Link | None) -> Request:
    """The request with the policy that holds for it."""
    if policy is None:
        return request
    return replace(request, policy_name=policy.policy, policy_version=policy.version, policy_sha256=policy.sha256)


def asked_of(run: Run, now: datetime) -> EventDraft:
    """The run's first event: what was asked."""
    asked = {
        "title": run.request.title,
        "artifact_id": run.artifact_id,
        "source_ids": list(run.request.source_ids),
        "targets": list(run.request.targets),
        "requested_by": run.requested_by,
        "asked_pipeline_id": run.request.asked_pipeline_id or run.pipeline_id,
        "pipeline_id": run.pipeline_id,
        "pipeline_version": run.pipeline_version,
        "reason": run.request.chosen_because,
        "node_id": run.request.node_id,
        "scope": run.request.scope,
    }
    return EventDraft("pipeline.run.requested", {"run_requested": asked}, now, status="queued")


async def insert_run(work: UnitOfWork, run: Run, now: datetime, limits: Limits | None = None) -> None:
    """Add a run with its first event and its dispatch; raises LaceError RATE_LIMITED, QUOTA_EXCEEDED.

    `limits` are what control says of the tenant now; None leaves what it said before.
    """
    await admit(work, run.tenant_id, limits, now)
    await work.runs.insert(run.tenant_id, run, asked_of(run, now))
    # The first event is also the dispatch.
    work.send(Message(derive("msg", run.run_id), EVENT_REFERENCE, run.run_id, {"first": 1, "last": 1}))
    work.wake_workers()


def record_of(artifact_id: str, request: Request, caller: Caller, now: datetime) -> ArtifactRecord:
    """The row of an artifact that a run begins."""
    return ArtifactRecord(
        tenant_id=caller.tenant_id,
        artifact_id=artifact_id,
        title=request.title,
        language=request.language,
        created_by=caller.principal_id,
        created_at=now,
        updated_at=now,
    )


async def finish_job(work: UnitOfWork, tenant_id: str, run_id: str, job_id: str, result: Mapping[str, Any]) -> None:
    """Record what came of a job, and wake the worker whose run waits for it; the caller commits."""
    await work.runs.finish_job(tenant_id, run_id, job_id, result)
    work.wake_workers()


def _invalid(field_name: str, message: str) -> LaceError:
    return LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail(field_name, message)])
