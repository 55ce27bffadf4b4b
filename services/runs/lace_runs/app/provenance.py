"""What a step leaves for provenance: what it used and made, under whose name, with which model.

Logs of one run leave together, as a segment: what all of them say is said once. Until then each is kept with its
step's row, so that whoever takes the run over can send it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lace_core.ids import derive
from lace_core.ir import Source
from lace_core.version import VERSION
from lace_runs.app.ports import Message, Span
from lace_runs.domain.runs import Run, StepRecord

TOPIC = "provenance.logged"
AGENT = f"lace-runs/{VERSION}"
_MOST = 32  # steps in a segment
_LONGEST_WAIT_S = 1.0
_UNCLASSIFIED = "unclassified"
_NOT_APPLICABLE = "not_applicable"
_PEDIGREE = {
    "confidence": "final_confidence",
    "validation": "validation",
    "evals": "evals",
    "risk_flags": "risk_flags",
}


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
    validation: str = _NOT_APPLICABLE

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

    def log(self, span: Span) -> dict[str, Any]:
        """What a log says beyond its step's row; empty members are left out."""
        said = {
            "trace": [span.trace_id, span.span_id, span.parent_span_id] if span.trace_id else None,
            "inputs": list(self.inputs.values()),
            "outputs": list(self.outputs.values()),
            "sources": sorted(self.sources),
            "labels": sorted(self.labels),
            "genai": _genai(self.calls) if self.calls else None,
            "evals": self.evals,
            "risk_flags": self.risk_flags,
            "confidence": self.confidence,
            "validation": self.validation if self.validation != _NOT_APPLICABLE else "",
        }
        return {name: value for name, value in said.items() if value}


def source_entity(source_id: str, sha256: str, uri: str) -> dict[str, str]:
    """A source as an entity."""
    return {"entity_id": source_id, "content_hash": sha256, "uri": uri, "kind": "source"}


def revision_entity(revision_id: str, sha256: str, uri: str) -> dict[str, str]:
    """A committed revision as an entity: the bytes of its snapshot."""
    return {"entity_id": revision_id, "content_hash": sha256, "uri": uri, "kind": "revision"}


def output_entity(run_id: str, step_id: str, sha256: str, uri: str) -> dict[str, str]:
    """A step's result as an entity; `uri` is empty where the checkpoint's row holds it."""
    return {
        "entity_id": derive("out", run_id, step_id),
        "content_hash": sha256,
        "uri": uri or f"runs://run_checkpoints/{run_id}/{step_id}",
        "kind": "step_output",
    }


def segment(run: Run, steps: Sequence[StepRecord], worker_id: str) -> Message:
    """The message that logs steps that are done, by this worker or, where it is not named, by an earlier one.

    Each log's id is derived, so that sending it again changes nothing.
    """
    logs = [_log(run, step) for step in steps]
    payload = {"common": _common(run, worker_id), "logs": logs}
    return Message(derive("seg", *(log["id"] for log in logs)), TOPIC, run.run_id, payload)


class UnsentLogs:
    """Logs of one run on their way out: kept until there are enough of them, or the first has waited long enough.

    `before` are steps that an earlier holder of the run had done, and perhaps not told of.
    """

    def __init__(self, run: Run, worker_id: str, before: Sequence[StepRecord]) -> None:
        self._run = run
        self._worker_id = worker_id
        self._before = list(before)
        self._own: list[StepRecord] = []
        self._since = time.monotonic()

    def are_due(self) -> bool:
        """Whether they should leave with the next boundary."""
        waited = time.monotonic() - self._since
        return bool(self._before) or len(self._own) >= _MOST - 1 or waited >= _LONGEST_WAIT_S

    def add(self, step: StepRecord) -> None:
        """A step that is done and committed."""
        self._own.append(step)

    def take(self) -> Taken:
        """All of them, to be sent with a boundary, or put back where that failed."""
        taken = Taken(self._before, self._own)
        self._before, self._own, self._since = [], [], time.monotonic()
        return taken

    def put_back(self, taken: Taken) -> None:
        """The boundary that would have sent them was refused."""
        self._before, self._own = [*taken.before, *self._before], [*taken.own, *self._own]

    def messages(self, taken: Taken, also: Sequence[StepRecord]) -> list[Message]:
        """The segments that send what was taken, and those steps also."""
        own = [*taken.own, *also]
        found = [segment(self._run, taken.before, "")] if taken.before else []
        return [*found, segment(self._run, own, self._worker_id)] if own else found


@dataclass(frozen=True)
class Taken:
    """Steps whose logs are being sent: those of an earlier holder of the run, and this one's."""

    before: list[StepRecord] = field(default_factory=list)
    own: list[StepRecord] = field(default_factory=list)


def _common(run: Run, worker_id: str) -> dict[str, Any]:
    """What holds for every log of the run."""
    asked = run.request
    common: dict[str, Any] = {
        "tenant_id": run.tenant_id,
        "run_id": run.run_id,
        "agent": f"{AGENT} {worker_id}".rstrip(),
        "on_behalf_of": run.requested_by,
        "lineage": {"status": "complete"},
        "provenance": {"collection_context": "sources given by the tenant"},
        "pedigree": {"validation": _NOT_APPLICABLE},
        "security": {"classification": max(run.labels, default=_UNCLASSIFIED)},
        "retention": {"policy_id": str(run.settings.get("provenance.retention_policy", ""))},
        "correlation_id": run.correlation_id,
        "schema_version": 1,
    }
    inputs = []
    if run.settings_uri:
        settings_id = f"set_{run.settings_hash[:26]}"
        entity = {"content_hash": run.settings_hash, "uri": run.settings_uri, "kind": "settings"}
        inputs.append({"entity_id": settings_id, **entity})
    if asked.bundle_id:
        uri = f"ingest://bundles/{asked.bundle_id}/versions/{asked.bundle_version}"
        entity = {"content_hash": asked.bundle_hash, "uri": uri, "kind": "bundle"}
        inputs.append({"entity_id": asked.bundle_id, **entity})
    if asked.policy_name:
        name = f"{asked.policy_name}@{asked.policy_version}"
        uri = f"runs://policies/{asked.policy_name}/versions/{asked.policy_version}"
        inputs.append({"entity_id": name, "content_hash": asked.policy_sha256, "uri": uri, "kind": "policy"})
    if inputs:
        common["inputs"] = inputs
    return common


def _log(run: Run, step: StepRecord) -> dict[str, Any]:
    """What one step's log says of its own."""
    said = step.log or {}
    ended_at = step.ended_at or step.started_at
    log: dict[str, Any] = {
        "id": derive("tlg", run.run_id, step.step_id, str(step.attempt)),
        "stage": step.step,
        "activity_name": step.step_id,
        "started_at": step.started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "outputs": [
            *said.get("outputs", ()),
            output_entity(run.run_id, step.step_id, step.output_hash, step.output_uri),
        ],
        "lineage": {"job_name": f"{run.pipeline_id}.{step.step}"},
    }
    if "trace" in said:
        log["trace_id"], log["span_id"], log["parent_span_id"] = said["trace"]
    if "inputs" in said:
        log["inputs"] = said["inputs"]
    if "sources" in said:
        log["provenance"] = {"sources": said["sources"]}
    if labels := sorted({*said.get("labels", ()), *run.labels}):
        log["security"] = {"classification": max(labels), "abac_labels": labels}
    if pedigree := {_PEDIGREE[name]: said[name] for name in _PEDIGREE if name in said}:
        log["pedigree"] = pedigree
    if "genai" in said:
        log["genai"] = said["genai"]
    return log


_PARAMETERS = ("temperature_milli", "template_id", "template_version", "template_hash")


def _genai(calls: list[Mapping[str, Any]]) -> dict[str, Any]:
    last = calls[-1]
    usage = {
        name: sum(int(call[name]) for call in calls) for name in ("input_tokens", "output_tokens", "cost_micro_usd")
    }
    return {
        "model_id": last["answered_model"] or last["requested_model"],
        "model_provider": last["provider"],
        "model_version": last["fingerprint"],
        "parameters": {name: last[name] for name in _PARAMETERS if name in last},
        "usage": usage,
        "call_ids": [call["call_id"] for call in calls],
        "contents": [{"call_id": call["call_id"], **call["content"]} for call in calls if "content" in call],
    }
