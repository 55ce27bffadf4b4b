"""Documents, their revisions and changes between values and messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lace.runs.v1 import artifacts_pb2
from lace_core.actions import Action
from lace_core.apply import Change
from lace_core.diff import Diff, Difference
from lace_platform.bus import Envelope
from lace_proto import json as wire_json
from lace_proto.times import to_timestamp
from lace_runs.api.convert_ir import constraints_message, node_message, source_message
from lace_runs.app.artifacts import Patch, Shown, ShownNode, etag_of
from lace_runs.app.proposals import OnConflict
from lace_runs.app.rollback import Asked, Ordered, Plan
from lace_runs.app.verification import Inspection
from lace_runs.domain.artifacts import ArtifactRecord, Revision, WantedArtifacts
from lace_runs.domain.runs import Run

WHOLE = ("blocks", "evidence")
_MOST_DIFFERENCES = 2000
_LONGEST_TEXT = 2000
_MOST_DAMAGES = 1000
_ON_CONFLICT: Mapping[int, OnConflict] = {
    artifacts_pb2.CONFLICT_POLICY_UNSPECIFIED: "reject",
    artifacts_pb2.CONFLICT_POLICY_REJECT: "reject",
    artifacts_pb2.CONFLICT_POLICY_REBASE: "rebase",
    artifacts_pb2.CONFLICT_POLICY_OVERWRITE: "overwrite",
}


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
    message.sources.extend(map(source_message, shown.document.sources))
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
    message.created_at.CopyFrom(to_timestamp(record.created_at))
    message.updated_at.CopyFrom(to_timestamp(record.updated_at))
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
    message.created_at.CopyFrom(to_timestamp(revision.created_at))
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
