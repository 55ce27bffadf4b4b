"""Between wire messages and values: the one place where both are known.

Values go through the REST JSON form of their message, so that the contract's own names are the only mapping.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from google.protobuf.struct_pb2 import Struct

from lace.common.v1 import event_pb2, ir_pb2
from lace.runs.v1 import artifacts_pb2, policies_pb2, runs_pb2
from lace_core import ir as model
from lace_core.actions import Action
from lace_core.apply import Change
from lace_core.composing import Definition, StepChoice
from lace_core.constraints import FIELDS
from lace_core.diff import Diff, Difference
from lace_core.pipeline import Pipeline
from lace_platform.bus import Envelope
from lace_proto import json as wire_json
from lace_proto.json_plain import is_plain
from lace_runs.app.artifacts import Patch, Shown, ShownNode, etag_of
from lace_runs.app.event_content import EventContent
from lace_runs.app.proposals import OnConflict
from lace_runs.app.rollback import Asked, Ordered, Plan
from lace_runs.app.runs import Start
from lace_runs.app.verification import Inspection
from lace_runs.domain.artifacts import ArtifactRecord, Revision, WantedArtifacts
from lace_runs.domain.events import Event
from lace_runs.domain.limits import step_limits
from lace_runs.domain.pipelines import Registered
from lace_runs.domain.runs import DEFAULT_PRIORITY, Request, Run, RunState, StepRecord

WHOLE = ("blocks", "evidence")
_MOST_DIFFERENCES = 2000
_LONGEST_TEXT = 2000
_MOST_DAMAGES = 1000

_SCOPES = {
    runs_pb2.RUN_SCOPE_UNSPECIFIED: "",
    runs_pb2.RUN_SCOPE_NODE: "node",
    runs_pb2.RUN_SCOPE_SUBTREE: "subtree",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAYLOADS_ARE_PLAIN = is_plain(event_pb2.EventPayload.DESCRIPTOR)
_REDACTION_LEVELS = {
    name.removeprefix("REDACTION_LEVEL_").lower(): value for name, value in event_pb2.RedactionLevel.items()
}


def _form(value: msgspec.Struct) -> dict[str, Any]:
    """A value as parsed JSON: lists where it has tuples."""
    form: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return form


# -- runs -----------------------------------------------------------------------------------------------------------


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


def event_message(event: Event) -> event_pb2.RunEvent:
    """An event on the wire; raises LaceError for a payload that no release of ours can have written."""
    payload = event.draft.payload
    if _PAYLOADS_ARE_PLAIN:
        with contextlib.suppress(TypeError, ValueError):
            return _event_message(event, payload)
    return _event_message(event, wire_json.from_python(event_pb2.EventPayload, dict(payload)))


def event_json(event: Event) -> bytes:
    """An event in its REST JSON form, as the bus carries it."""
    return wire_json.to_json(event_message(event))


def _event_message(event: Event, payload: Any) -> event_pb2.RunEvent:
    """`payload` is a message or what its constructor takes: events are read by the hundred thousand."""
    draft = event.draft
    since_epoch = draft.occurred_at - _EPOCH
    occurred_at: Any = {
        "seconds": since_epoch.days * 86_400 + since_epoch.seconds,
        "nanos": since_epoch.microseconds * 1000,
    }
    return event_pb2.RunEvent(
        event_id=event.event_id,
        event_type=draft.event_type,
        schema_version=event.schema_version,
        occurred_at=occurred_at,
        sequence=event.sequence,
        tenant_id=event.tenant_id,
        pipeline_id=event.pipeline_id,
        run_id=event.run_id,
        step_id=draft.step_id,
        attempt=draft.attempt,
        request_id=event.request_id,
        correlation_id=event.correlation_id,
        idempotency_key=event.idempotency_key,
        status=draft.status,
        progress_pct=event.progress_pct,
        payload_schema_version=draft.payload_schema_version,
        payload=payload,
        redaction_level=_REDACTION_LEVELS[draft.redaction_level],
        content_hash=draft.content_hash,
        content_uri=draft.content_uri,
        traceparent=event.traceparent,
    )


def event_content_message(content: EventContent) -> runs_pb2.EventContent:
    """An event's whole content on the wire."""
    draft = content.event.draft
    return runs_pb2.EventContent(
        event_id=content.event.event_id,
        event_type=draft.event_type,
        media_type=_media_type(content.data),
        content_hash=draft.content_hash,
        size_bytes=len(content.data),
        content=content.data.decode(),
    )


def _media_type(data: bytes) -> str:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except msgspec.DecodeError:
        return "text/plain"
    return "application/json"


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


def definition_of(request: runs_pb2.CreatePipelineRequest) -> Definition:
    """What a CreatePipelineRequest registers."""
    return Definition(
        pipeline_id=request.pipeline_id,
        description=request.description,
        base=request.base,
        without=tuple(request.without),
        steps=tuple(StepChoice(step.step, step.timeout_s, step.max_attempts) for step in request.steps),
    )


def pipeline_message(found: Pipeline | Registered, settings: Mapping[str, Any]) -> runs_pb2.Pipeline:
    """A pipeline on the wire, with the limits that these settings give its steps and runs."""
    pipeline = found if isinstance(found, Pipeline) else found.pipeline
    limits = {step.name: step_limits(step, settings) for step in pipeline.steps}
    message = runs_pb2.Pipeline(
        pipeline_id=pipeline.pipeline_id,
        version=pipeline.version,
        description=pipeline.description,
        available=True,
        steps=[
            runs_pb2.PipelineStep(
                step=step.name,
                per_node=step.per == "node",
                mode=step.mode,
                calls_model=step.calls_model,
                input_type=", ".join(kind.replace("|", " or ") for kind in step.takes),
                output_type=step.gives,
                timeout_s=int(limits[step.name].timeout_s),
                max_attempts=limits[step.name].attempts,
                version=step.version,
            )
            for step in pipeline.steps
        ],
        versions=[pipeline.version],
        deadline_s=settings["runs.deadline_s"],
    )
    if isinstance(found, Registered):
        message.custom, message.created_by = True, found.created_by
        message.versions[:] = found.versions
        _set_time(message, "created_at", found.created_at)
    return message


def _set_time(message: Any, name: str, at: datetime | None) -> None:
    if at is not None:
        getattr(message, name).FromDatetime(at.astimezone(UTC).replace(tzinfo=None))


# -- the intermediate representation ----------------------------------------------------------------------------------


def node_message(node: model.Node, depth: int, inline: Collection[str]) -> ir_pb2.Node:
    """A node on the wire, with its blocks and evidence where these are asked for."""
    form = _form(node)
    form["parent_id"] = form["parent_id"] or ""
    form["constraints"] = _constraints_form(form["constraints"])
    form["blocks"] = [_block_form(block) for block in form["blocks"]] if "blocks" in inline else []
    form["evidence"] = form["evidence"] if "evidence" in inline else []
    form["depth"] = depth
    return wire_json.from_python(ir_pb2.Node, form)


def constraints_message(constraints: model.Constraints) -> ir_pb2.Constraints:
    """Constraints on the wire."""
    return wire_json.from_python(ir_pb2.Constraints, _constraints_form(_form(constraints)))


def _constraints_form(form: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in form.items() if value is not None}
    if terms := found.get("glossary"):
        found |= {"glossary": [entry["term"] for entry in terms], "glossary_terms": terms}
    return found


def _block_form(block: dict[str, Any]) -> dict[str, Any]:
    kind = block.pop("type")
    return {"block_id": block.pop("block_id"), kind: block}


def action_of(message: ir_pb2.Action, default_key: str) -> Action:
    """An action as apply takes it; raises ValueError (msgspec.ValidationError) where it does not fit."""
    action: Action = msgspec.convert(action_form(message, default_key), Action)
    return action


def action_form(message: ir_pb2.Action, default_key: str) -> dict[str, Any]:
    """An action as the JSON of proposals has it; raises ValueError where it has not one kind."""
    form = wire_json.to_python(message)
    key = form.pop("idempotency_key", "") or default_key
    if len(form) != 1:
        raise ValueError("an action has one kind")
    kind, values = form.popitem()
    if kind == "insert_node":
        values["parent_id"] = values["parent_id"] or None
    if "constraints" in values:
        values["constraints"] = _constraints_of(values["constraints"])
    if "block" in values:
        values["block"] = _block_of(values["block"])
    return {"action": kind, "key": key, **values}


def _constraints_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """On the wire an empty list inherits; here what inherits is left out."""
    found = {key: value for key, value in form.items() if key not in FIELDS or value != []}
    terms, names = found.pop("glossary_terms", []), found.pop("glossary", [])
    if terms and names and names != [entry["term"] for entry in terms]:
        raise ValueError("glossary and glossary_terms name other terms; give glossary_terms alone")
    if terms or names:
        found["glossary"] = terms or [{"term": name} for name in names]
    return found


def _block_of(form: dict[str, Any]) -> dict[str, Any]:
    block_id = form.pop("block_id", "")
    if len(form) != 1:
        raise ValueError("a block has one kind")
    kind, values = form.popitem()
    block = {"type": kind, "block_id": block_id, **values}
    for part, ident in (("sentences", "sentence_id"), ("items", "item_id"), ("rows", "row_id")):
        for item in block.get(part, ()):
            item.setdefault(ident, "")
    return block


# -- artifacts -----------------------------------------------------------------------------------------------------


def artifact_message(shown: Shown, inline: Collection[str] = ()) -> artifacts_pb2.Artifact:
    """A document on the wire, its nodes with no more than what is asked for."""
    message = record_message(shown.record)
    if shown.revision is not None:
        message.title, message.language = shown.document.title, shown.document.language
        message.revision_id = shown.revision.revision_id
        message.ir_hash = shown.revision.ir_hash
        message.content_hash = shown.revision.content_hash
        message.ir_uri = shown.revision.ir_uri
    message.nodes.extend(node_message(node, depth, inline) for depth, node in shown.document.walk())
    message.sources.extend(wire_json.from_python(ir_pb2.SourceRef, _form(source)) for source in shown.document.sources)
    return message


def record_message(record: ArtifactRecord) -> artifacts_pb2.Artifact:
    """A document's row on the wire."""
    message = artifacts_pb2.Artifact(
        artifact_id=record.artifact_id,
        title=record.title,
        language=record.language,
        revision_id=record.head_revision_id,
        etag=etag_of(record),
        created_by=record.created_by,
    )
    _set_time(message, "created_at", record.created_at)
    _set_time(message, "updated_at", record.updated_at)
    return message


def revision_message(revision: Revision) -> artifacts_pb2.Revision:
    """A revision on the wire."""
    message = artifacts_pb2.Revision(
        revision_id=revision.revision_id,
        parent_revision_id=revision.parent_revision_id,
        status=artifacts_pb2.RevisionStatus.Value(f"REVISION_STATUS_{revision.status.upper()}"),
        ir_schema_version=revision.ir_schema_version,
        ir_hash=revision.ir_hash,
        content_hash=revision.content_hash,
        ir_uri=revision.ir_uri,
        run_id=revision.run_id,
        created_by=revision.created_by,
        second_parent_revision_id=revision.second_parent_revision_id,
        message=revision.message,
    )
    _set_time(message, "created_at", revision.created_at)
    return message


def shown_node_message(shown: ShownNode) -> artifacts_pb2.GetNodeResponse:
    """A section on the wire."""
    return artifacts_pb2.GetNodeResponse(
        node=node_message(shown.node, shown.depth, WHOLE),
        resolved_constraints=constraints_message(shown.constraints),
        constraint_trace=dict(shown.trace),
        child_ids=shown.child_ids,
        revision_id=shown.revision_id,
    )


_ON_CONFLICT: Mapping[int, OnConflict] = {
    artifacts_pb2.CONFLICT_POLICY_UNSPECIFIED: "reject",
    artifacts_pb2.CONFLICT_POLICY_REJECT: "reject",
    artifacts_pb2.CONFLICT_POLICY_REBASE: "rebase",
    artifacts_pb2.CONFLICT_POLICY_OVERWRITE: "overwrite",
}


def patch_of(request: artifacts_pb2.PatchArtifactRequest, actions: tuple[Action, ...]) -> Patch:
    """What a PatchArtifactRequest of these actions asks."""
    return Patch(
        artifact_id=request.artifact_id,
        actions=actions,
        base_revision_id=request.base_revision_id,
        etag=request.etag,
        on_conflict=_ON_CONFLICT[request.conflict_policy],
        branch=request.branch,
        message=request.message,
    )


def patched_message(shown: Shown, changes: Sequence[Change]) -> artifacts_pb2.PatchArtifactResponse:
    """What came of a change, on the wire."""
    message = artifact_message(shown)
    return artifacts_pb2.PatchArtifactResponse(artifact=message, changes=change_messages(changes), etag=message.etag)


def merge_patch_of(request: artifacts_pb2.MergePatchArtifactRequest) -> Patch:
    """What a MergePatchArtifactRequest asks, but for the patch itself."""
    return Patch(request.artifact_id, (), etag=request.etag, branch=request.branch, message=request.message)


def wanted_artifacts_of(request: artifacts_pb2.ListArtifactsRequest) -> WantedArtifacts:
    """Which documents a ListArtifactsRequest asks for."""
    return WantedArtifacts(title=request.title, created_by=request.created_by, source_id=request.source_id)


def change_messages(changes: Sequence[Change]) -> list[artifacts_pb2.ChangeEvent]:
    """Changes on the wire."""
    return [artifacts_pb2.ChangeEvent(**vars(change)) for change in changes]


def rollback_of(request: artifacts_pb2.RollbackArtifactRequest) -> Asked:
    """What a RollbackArtifactRequest asks."""
    return Asked(request.artifact_id, request.revision_id, request.reason, request.etag)


def rollback_order_of(envelope: Envelope) -> Ordered:
    """What a message on rollback.requested asks; raises LaceError MALFORMED_JSON, UNKNOWN_FIELD, INVALID_ARGUMENT."""
    message = wire_json.from_json(artifacts_pb2.RollbackRequested, envelope.payload)
    asked = Asked(message.artifact_id, message.revision_id, message.reason, head_revision_id=message.head_revision_id)
    correlation_id = envelope.headers.get("correlation_id", envelope.id)
    return Ordered(envelope.id, envelope.tenant_id, message.requested_by, message.run_id, correlation_id, asked)


def rollback_message(plan: Plan, run: Run | None) -> artifacts_pb2.RollbackArtifactResponse:
    """The run that was started, or that there is nothing to do."""
    return artifacts_pb2.RollbackArtifactResponse(
        run_id=run.run_id if run else "",
        revision_id=plan.target.revision_id,
        head_revision_id=plan.head.revision_id,
        unchanged=plan.unchanged,
    )


def preview_message(plan: Plan, found: Diff) -> artifacts_pb2.RollbackArtifactResponse:
    """What a rollback would change."""
    message = rollback_message(plan, None)
    message.diff.CopyFrom(diff_message(found))
    # What the revisions are stored with: the comparison is of both in the newest schema.
    message.diff.before_ir_hash, message.diff.after_ir_hash = plan.head.ir_hash, plan.target.ir_hash
    return message


def diff_message(found: Diff) -> artifacts_pb2.DocumentDiff:
    """Differences on the wire: the first of many, and long texts cut."""
    return artifacts_pb2.DocumentDiff(
        before_ir_hash=found.before_hash,
        after_ir_hash=found.after_hash,
        differences=[_difference_message(difference) for difference in found.differences[:_MOST_DIFFERENCES]],
        total=len(found.differences),
        counts=found.counts(),
    )


def _difference_message(difference: Difference) -> artifacts_pb2.Difference:
    values = vars(difference)
    texts = {name: values[name][:_LONGEST_TEXT] for name in ("before_text", "after_text")}
    return artifacts_pb2.Difference(**{**values, **texts})


def damage_messages(inspection: Inspection) -> list[artifacts_pb2.Damage]:
    """What an inspection found, the first of it."""
    return [artifacts_pb2.Damage(**vars(damage)) for damage in inspection.damages[:_MOST_DAMAGES]]
