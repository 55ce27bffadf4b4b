"""A run's beginning and end as OpenLineage run events, for consumers outside of LACE."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lace_core.version import VERSION
from lace_runs.domain.events import Event

START_TOPIC = "openlineage.start"
COMPLETE_TOPIC = "openlineage.complete"
NAMESPACE = "lace"
PRODUCER = f"urn:lace:runs:{VERSION}"
_SPEC = "https://openlineage.io/spec"
_STARTED = "pipeline.run.started"
_ENDS = {"pipeline.run.completed": "COMPLETE", "pipeline.run.failed": "FAIL", "pipeline.run.cancelled": "ABORT"}
# Those of the events above; others say nothing to OpenLineage.
TYPES = frozenset({_STARTED, *_ENDS})


@dataclass(frozen=True)
class Datasets:
    """What a run reads and writes, and where its start was told: 0 while it was not.

    `bundle_id` is empty where the sources did not come from a bundle.
    """

    source_ids: Sequence[str]
    artifact_id: str
    revision_id: str
    first_started: int
    bundle_id: str = ""
    bundle_version: int = 0


def run_events(event: Event, datasets: Datasets) -> list[tuple[str, Mapping[str, Any]]]:
    """What there is to tell of an event: (topic, OpenLineage RunEvent), one START and one end for every run.

    A run that ends before a worker began it has its START told with its end, as each end needs one.
    """
    kind = event.draft.event_type
    told = []
    if event.sequence == datasets.first_started or (kind in _ENDS and not datasets.first_started):
        told.append((START_TOPIC, _run_event("START", event, datasets)))
    if kind in _ENDS:
        told.append((COMPLETE_TOPIC, _run_event(_ENDS[kind], event, datasets)))
    return told


def _run_event(kind: str, event: Event, datasets: Datasets) -> Mapping[str, Any]:
    tenant = f"tenants/{event.tenant_id}"
    run: dict[str, Any] = {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:lace:{event.run_id}"))}
    facets: dict[str, Any] = {"lace_run": _facet("#/$defs/RunFacet", run_id=event.run_id, tenant_id=event.tenant_id)}
    if kind == "FAIL":
        message = event.draft.payload["run_failed"]["message"]
        url = f"{_SPEC}/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet"
        facets["errorMessage"] = _facet(url, message=message, programmingLanguage="Python")
    inputs = [_dataset(f"{tenant}/sources/{source_id}") for source_id in datasets.source_ids]
    if datasets.bundle_id:
        inputs.append(_dataset(f"{tenant}/bundles/{datasets.bundle_id}", str(datasets.bundle_version)))
    outputs = []
    if datasets.artifact_id:
        outputs.append(_dataset(f"{tenant}/artifacts/{datasets.artifact_id}", datasets.revision_id))
    return {
        "eventType": kind,
        "eventTime": event.draft.occurred_at.isoformat(),
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {**run, "facets": facets},
        "job": {"namespace": NAMESPACE, "name": event.pipeline_id},
        "inputs": inputs,
        "outputs": outputs,
    }


def _dataset(name: str, version: str = "") -> dict[str, Any]:
    dataset: dict[str, Any] = {"namespace": NAMESPACE, "name": name}
    if version:
        url = f"{_SPEC}/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
        dataset["facets"] = {"version": _facet(url, datasetVersion=version)}
    return dataset


def _facet(schema: str, **fields: str) -> dict[str, str]:
    url = schema if schema.startswith("https:") else f"{_SPEC}/2-0-2/OpenLineage.json{schema}"
    return {"_producer": PRODUCER, "_schemaURL": url, **fields}
