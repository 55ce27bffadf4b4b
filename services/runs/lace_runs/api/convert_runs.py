"""Runs and their steps between values and messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from google.protobuf.struct_pb2 import Struct

from lace.common.v1 import event_pb2
from lace.runs.v1 import policies_pb2, runs_pb2
from lace_proto import json as wire_json
from lace_proto.times import to_timestamp
from lace_runs.app.runs import Start
from lace_runs.domain.runs import DEFAULT_PRIORITY, Request, Run, RunState, StepRecord

_SCOPES = {
    runs_pb2.RUN_SCOPE_UNSPECIFIED: "",
    runs_pb2.RUN_SCOPE_NODE: "node",
    runs_pb2.RUN_SCOPE_SUBTREE: "subtree",
}


def start_of(request: runs_pb2.StartRunRequest) -> Start:
    """What a StartRunRequest asks."""
    asked = Request(
        title=request.title.strip(),
        instructions=request.instructions,
        source_ids=tuple(dict.fromkeys(request.source_ids)),
        targets=tuple(dict.fromkeys(request.targets)),
        language=request.language or "en",
        revision_id=request.base_revision_id,
        node_id=request.node_id,
        scope=_SCOPES[request.scope],
        bundle_id=request.bundle,
        bundle_version=request.bundle_version,
        policy=request.policy,
    )
    return Start(request.pipeline_id, asked, request.artifact_id, _free(request.settings), _priority(request))


def start_of_compile(request: runs_pb2.StartCompileRequest) -> Start:
    """What a StartCompileRequest asks."""
    asked = Request(targets=tuple(dict.fromkeys(request.targets)), revision_id=request.revision_id)
    return Start("compile", asked, request.artifact_id, _free(request.settings), _priority(request))


def import_of(request: runs_pb2.StartImportRequest) -> tuple[str, Sequence[str], dict[str, Any], int]:
    """Prefix, labels, settings and priority of a StartImportRequest."""
    return request.prefix, request.labels, _free(request.settings), _priority(request)


def start_of_facts(request: runs_pb2.StartExtractFactsRequest) -> Start:
    """What a StartExtractFactsRequest asks."""
    asked = Request(source_ids=(request.source_id,))
    return Start("facts", asked, overrides=_free(request.settings), priority=_priority(request))


def _priority(
    request: runs_pb2.StartRunRequest
    | runs_pb2.StartCompileRequest
    | runs_pb2.StartImportRequest
    | runs_pb2.StartExtractFactsRequest,
) -> int:
    return request.priority if request.HasField("priority") else DEFAULT_PRIORITY


def _free(struct: Struct) -> dict[str, Any]:
    return dict(wire_json.to_python(struct))


def run_state(state: RunState) -> runs_pb2.RunState.ValueType:
    """The state on the wire."""
    return runs_pb2.RunState.Value(f"RUN_STATE_{state.name}")


def state_of(value: runs_pb2.RunState.ValueType) -> str:
    """The state's name, empty for the unset one."""
    return runs_pb2.RunState.Name(value).removeprefix("RUN_STATE_").lower() if value else ""


def run_message(run: Run) -> runs_pb2.Run:
    """A run on the wire."""
    message = runs_pb2.Run(
        run_id=run.run_id,
        tenant_id=run.tenant_id,
        pipeline_id=run.pipeline_id,
        pipeline_version=run.pipeline_version,
        state=run_state(run.state),
        title=run.request.title,
        artifact_id=run.artifact_id,
        revision_id=run.revision_id,
        requested_by=run.requested_by,
        settings_hash=run.settings_hash,
        settings_uri=run.settings_uri,
        attempt=run.attempt,
        steps_done=run.steps_done,
        steps_total=run.steps_total,
        progress_pct=run.progress_pct,
        error_code=run.error_code,
        error_message=run.error_message,
        restarted_from_run_id=run.restarted_from_run_id,
        correlation_id=run.correlation_id,
        warnings=[event_pb2.Notice(**warning) for warning in run.warnings],
        source_ids=run.request.source_ids,
        priority=run.priority,
        bundle_id=run.request.bundle_id,
        bundle_version=run.request.bundle_version,
    )
    if run.request.policy_name:
        asked = run.request
        link = policies_pb2.PolicyLink(name=asked.policy_name, version=asked.policy_version, sha256=asked.policy_sha256)
        message.policy.CopyFrom(link)
    for name in ("created_at", "started_at", "ended_at"):
        _set_time(message, name, getattr(run, name))
    if run.result is not None:
        message.result.CopyFrom(wire_json.from_python(event_pb2.RunCompleted, dict(run.result)))
    return message


def step_message(step: StepRecord) -> runs_pb2.Step:
    """A step on the wire."""
    message = runs_pb2.Step(
        step_id=step.step_id,
        step=step.step,
        node_id=step.node_id,
        attempt=step.attempt,
        state=runs_pb2.StepState.Value(f"STEP_STATE_{step.state.upper()}"),
        output_hash=step.output_hash,
        output_uri=step.output_uri,
        error_code=step.error_code,
        error_message=step.error_message,
        summary=step.summary,
    )
    message.metrics.update(dict(step.metrics))
    _set_time(message, "started_at", step.started_at)
    _set_time(message, "ended_at", step.ended_at)
    return message


def started_message(run: Run) -> runs_pb2.StartRunResponse:
    """A run that was started, on the wire."""
    return runs_pb2.StartRunResponse(
        run_id=run.run_id,
        artifact_id=run.artifact_id,
        state=run_state(run.state),
        pipeline_id=run.pipeline_id,
        pipeline_version=run.pipeline_version,
        reason=run.request.chosen_because,
    )


def _set_time(message: Any, name: str, at: datetime | None) -> None:
    if at is not None:
        getattr(message, name).CopyFrom(to_timestamp(at))
