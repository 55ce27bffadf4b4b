"""Between the contract's batches and the gateway's own values; nothing else knows both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from google.protobuf import json_format

from lace.llm_gateway.v1 import templates_pb2 as wire
from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.api.convert_templates import GROUNDING_OF, GROUNDINGS, run_message
from lace_llm_gateway.app.batches.batching import BatchView
from lace_llm_gateway.app.batches.run_batch import BatchAsk
from lace_llm_gateway.domain.batches import Batch, BatchState, DriftPolicy, ExecutionMode, ModelLock, Progress
from lace_llm_gateway.domain.stored_templates import TemplateRun
from lace_proto.json import from_json, to_json

_STATES = {
    BatchState.QUEUED: wire.BATCH_STATE_QUEUED,
    BatchState.RUNNING: wire.BATCH_STATE_RUNNING,
    BatchState.PAUSING: wire.BATCH_STATE_PAUSING,
    BatchState.PAUSED: wire.BATCH_STATE_PAUSED,
    BatchState.COMPLETED: wire.BATCH_STATE_COMPLETED,
    BatchState.FAILED: wire.BATCH_STATE_FAILED,
    BatchState.CANCELLED: wire.BATCH_STATE_CANCELLED,
}
_POLICIES = {
    DriftPolicy.PAUSE: wire.DRIFT_POLICY_PAUSE,
    DriftPolicy.FAIL: wire.DRIFT_POLICY_FAIL,
    DriftPolicy.CONTINUE: wire.DRIFT_POLICY_CONTINUE,
}
_STATE_OF = {number: state for state, number in _STATES.items()}
_POLICY_OF = {number: policy for policy, number in _POLICIES.items()}


@dataclass(frozen=True)
class RequestedBatch:
    """What a message asks for: a batch or a single run, the other is empty."""

    tenant_id: str
    batch_id: str
    run_id: str


def ask_of(message: wire.RunBatchRequest) -> BatchAsk:
    """What a batch is asked with."""
    return BatchAsk(
        template_id=message.template_id,
        variables=json_format.MessageToDict(message.variables),
        locales=tuple(message.locales),
        modes=tuple(GROUNDING_OF[mode] for mode in message.modes),
        replicates=message.replicates or 1,
        drift_policy=_POLICY_OF.get(message.drift_policy, DriftPolicy.PAUSE),
    )


def state_of(message: wire.ListBatchesRequest) -> BatchState | None:
    """The state that is wanted; None for all."""
    return _STATE_OF.get(message.state)


def batch_message(view: BatchView) -> wire.Batch:
    """A batch as the contract shows it; the variables' values stay in the record."""
    batch = view.batch
    plain = ("batch_id", "template_id", "template_sha256", "locales", "replicates", "provider", "model", "total")
    told = ("error_code", "error_message", "created_by")
    message = wire.Batch(
        **{name: getattr(batch, name) for name in (*plain, *told)},
        **vars(view.progress),
        state=_STATES[batch.state],
        modes=[GROUNDINGS[mode] for mode in batch.modes],
        drift_policy=_POLICIES[batch.drift_policy],
        execution_mode=batch.execution_mode.value,
        locked_version=batch.lock.version if batch.lock else "",
        locked_fingerprint=batch.lock.fingerprint if batch.lock else "",
    )
    message.created_at.FromDatetime(batch.created_at)
    message.updated_at.FromDatetime(batch.updated_at)
    return message


def view_of(message: wire.Batch) -> BatchView:
    """The batch that was told of; the variables' values are not in it."""
    locked = bool(message.locked_version or message.locked_fingerprint)
    plain = ("batch_id", "template_id", "template_sha256", "replicates", "provider", "model")
    told = ("error_code", "error_message", "created_by")
    batch = Batch(
        tenant_id="",
        state=_STATE_OF[message.state],
        locales=tuple(message.locales),
        modes=tuple(GROUNDING_OF[mode] for mode in message.modes),
        drift_policy=_POLICY_OF[message.drift_policy],
        execution_mode=ExecutionMode(message.execution_mode),
        lock=ModelLock(message.locked_version, message.locked_fingerprint) if locked else None,
        created_at=message.created_at.ToDatetime(UTC),
        updated_at=message.updated_at.ToDatetime(UTC),
        **{name: getattr(message, name) for name in (*plain, *told)},
    )
    return BatchView(batch, Progress(**{name: getattr(message, name) for name in Progress.__dataclass_fields__}))


class BatchAnswers:
    """See app.batches.batching.Answers: the contract's own message."""

    def encode(self, view: BatchView) -> bytes:
        """Its bytes."""
        return batch_message(view).SerializeToString()

    def decode(self, kept: bytes) -> BatchView:
        """Out of its bytes."""
        return view_of(wire.Batch.FromString(kept))


def requested_payload(tenant_id: str, batch_id: str, dispatch: int, run_id: str) -> bytes:
    """The message that sends a batch, or a single run, on its way."""
    return to_json(wire.BatchRequested(batch_id=batch_id, tenant_id=tenant_id, dispatch=dispatch, run_id=run_id))


def requested_of(payload: bytes) -> RequestedBatch:
    """What a message asks for; raises LaceError INVALID_ARGUMENT, MALFORMED_JSON, UNKNOWN_FIELD."""
    message = from_json(wire.BatchRequested, payload)
    if bool(message.batch_id) == bool(message.run_id):
        details = [Detail("/batch_id", "and run_id: exactly one must be given")]
        raise LaceError(Reason.INVALID_ARGUMENT, "A message asks for a batch or for a run.", details=details)
    return RequestedBatch(message.tenant_id, message.batch_id, message.run_id)


def batch_recorded_payload(batch: Batch, progress: Progress) -> bytes:
    """A batch for who analyses."""
    recorded = wire.BatchRecorded(batch=batch_message(BatchView(batch, progress)), tenant_id=batch.tenant_id)
    return to_json(recorded)


def run_recorded_payload(run: TemplateRun) -> bytes:
    """A run for who analyses, without its output."""
    message = run_message(run)
    message.output = ""
    return to_json(wire.TemplateRunRecorded(run=message, tenant_id=run.tenant_id))
