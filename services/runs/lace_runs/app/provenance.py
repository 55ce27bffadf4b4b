"""What a step leaves for provenance: what it used and made, under whose name, with which model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lace_core.ids import derive
from lace_core.ir import Source
from lace_runs.app.ports import Message

if TYPE_CHECKING:
    from lace_runs.app.execution import StepScope

TOPIC = "provenance.logged"
AGENT = "lace-runs/0.1.0"
_UNCLASSIFIED = "unclassified"


@dataclass
class Lineage:
    """Collected while a step works. Entities are lace.provenance.v1.EntityRef in REST JSON form."""

    inputs: dict[str, Mapping[str, str]] = field(default_factory=dict)
    outputs: dict[str, Mapping[str, str]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    evals: dict[str, Any] = field(default_factory=dict)
    risk_flags: list[str] = field(default_factory=list)
    confidence: str = ""
    validation: str = "not_applicable"

    def used(self, entity: Mapping[str, str]) -> None:
        """Something went in."""
        self.inputs[entity["entity_id"]] = entity

    def made(self, entity: Mapping[str, str]) -> None:
        """Something came out."""
        self.outputs[entity["entity_id"]] = entity

    def read(self, sources: Iterable[Source]) -> None:
        """Sources themselves went in."""
        for source in sources:
            self.used(source_entity(source.source_id, source.version, f"ingest://sources/{source.source_id}"))
            self.rests_on([source])

    def rests_on(self, sources: Iterable[Source]) -> None:
        """What went in comes from these sources; who may not read them may not read of this either."""
        for source in sources:
            self.sources.add(source.source_id)
            self.labels.update(source.labels)


def source_entity(source_id: str, sha256: str, uri: str) -> dict[str, str]:
    """A source as an entity."""
    return {"entity_id": source_id, "content_hash": sha256, "uri": uri, "kind": "source"}


def revision_entity(revision_id: str, sha256: str, uri: str) -> dict[str, str]:
    """A committed revision as an entity: the bytes of its snapshot."""
    return {"entity_id": revision_id, "content_hash": sha256, "uri": uri, "kind": "revision"}


def transformation_log(scope: StepScope, ended_at: datetime, worker_id: str) -> Message:
    """The message that logs a step that is done; sending it again changes nothing, as its id is derived."""
    run, lineage = scope.run, scope.lineage
    log_id = derive("tlg", run.run_id, scope.step_id, str(scope.attempt), str(run.attempt))
    settings = {
        "entity_id": f"set_{run.settings_hash[:26]}",
        "content_hash": run.settings_hash,
        "uri": run.settings_uri,
        "kind": "settings",
    }
    if run.settings_uri:
        lineage.used(settings)
    payload: dict[str, Any] = {
        "id": log_id,
        "tenant_id": run.tenant_id,
        "run_id": run.run_id,
        "stage": scope.step.name,
        "activity_name": scope.step_id,
        "started_at": scope.started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "agent": f"{AGENT} {worker_id}",
        "on_behalf_of": run.requested_by,
        "trace_id": scope.span.trace_id,
        "span_id": scope.span.span_id,
        "parent_span_id": scope.span.parent_span_id,
        "inputs": list(lineage.inputs.values()),
        "outputs": list(lineage.outputs.values()),
        "lineage": {
            "was_derived_from": sorted(lineage.inputs),
            "job_name": f"{run.pipeline_id}.{scope.step.name}",
            "status": "complete",
        },
        "provenance": {"sources": sorted(lineage.sources), "collection_context": "sources given by the tenant"},
        "pedigree": {
            "final_confidence": lineage.confidence,
            "validation": lineage.validation,
            "evals": lineage.evals,
            "risk_flags": lineage.risk_flags,
        },
        "security": {
            "classification": max(lineage.labels | set(run.labels), default=_UNCLASSIFIED),
            "abac_labels": sorted(lineage.labels | set(run.labels)),
        },
        "retention": {"policy_id": str(run.settings.get("provenance.retention_policy", ""))},
        "correlation_id": run.correlation_id,
        "schema_version": 1,
    }
    if lineage.calls:
        payload["genai"] = _genai(lineage.calls)
    return Message(log_id, TOPIC, run.run_id, payload)


def _genai(calls: list[Mapping[str, Any]]) -> dict[str, Any]:
    last = calls[-1]
    usage = {
        name: sum(int(call[name]) for call in calls) for name in ("input_tokens", "output_tokens", "cost_micro_usd")
    }
    return {
        "model_id": last["answered_model"] or last["requested_model"],
        "model_provider": last["provider"],
        "model_version": last["fingerprint"],
        "parameters": {"temperature_milli": last["temperature_milli"], "template_hash": last["template_hash"]},
        "usage": usage,
        "call_ids": [call["call_id"] for call in calls],
    }
