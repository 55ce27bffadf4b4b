"""The messages that tell of a reading: to the run that waits for it, and to the record of provenance."""

from __future__ import annotations

from dataclasses import asdict

from opentelemetry import trace

from lace.ingest.v1 import ingest_pb2 as pb
from lace.ingest.v1 import intake_pb2 as intake_pb
from lace.provenance.v1 import provenance_pb2 as provenance
from lace_core.ids import derive
from lace_ingest.api.convert import source_to_wire
from lace_ingest.domain.intake import ImportOutcome, ReadFault
from lace_ingest.domain.jobs import HANDLER_VERSION, Readout
from lace_ingest.domain.sources import SourceState
from lace_platform.bus import Envelope
from lace_platform.ids import new_id
from lace_proto import json as wire_json
from lace_proto.times import to_timestamp

COMPLETED = "source.ingest.completed"
IMPORTED = "source.import.completed"
LOGGED = "provenance.logged"
_SCHEMA_VERSION = 1


def envelopes_of(news: Readout | ReadFault | ImportOutcome) -> list[Envelope]:
    """What tells of a job. The key is the job's own: the jobs of a run wait for one another nowhere on their way."""
    if isinstance(news, ImportOutcome):
        return [_imported(news)]
    if isinstance(news, ReadFault):
        return [_faulted(news)]
    return _read(news)


def _imported(outcome: ImportOutcome) -> Envelope:
    job = outcome.job
    completed = intake_pb.SourceImportCompleted(
        job_id=job.job_id,
        run_id=job.run_id,
        tenant_id=job.tenant_id,
        objects=[intake_pb.ImportedObject(**asdict(found)) for found in outcome.objects],
        error_code=outcome.error_code,
        error_message=outcome.error_message,
    )
    return Envelope(new_id("evt"), job.tenant_id, IMPORTED, job.job_id, wire_json.to_json(completed))


def _faulted(fault: ReadFault) -> Envelope:
    job = fault.job
    completed = pb.SourceIngestCompleted(
        job_id=job.job_id,
        run_id=job.run_id,
        tenant_id=job.tenant_id,
        source=None if fault.source is None else source_to_wire(fault.source),
        fault_code=fault.code,
        fault_message=fault.message,
    )
    return Envelope(new_id("evt"), job.tenant_id, COMPLETED, job.job_id, wire_json.to_json(completed))


def _read(readout: Readout) -> list[Envelope]:
    job = readout.job
    completed = pb.SourceIngestCompleted(
        job_id=job.job_id, run_id=job.run_id, tenant_id=job.tenant_id, source=source_to_wire(readout.source)
    )
    key = job.job_id or job.source_id
    return [
        Envelope(new_id("evt"), job.tenant_id, COMPLETED, key, wire_json.to_json(completed)),
        Envelope(new_id("evt"), job.tenant_id, LOGGED, key, wire_json.to_json(transformation_of(readout))),
    ]


def transformation_of(readout: Readout) -> provenance.TransformationLog:
    """How the units of a source came out of its bytes; its id derives from the message that asked for it."""
    job, source = readout.job, readout.source
    succeeded = source.state is SourceState.READY
    log = provenance.TransformationLog(
        id=derive("tlg", job.tenant_id, job.event_id, "read_source"),
        tenant_id=job.tenant_id,
        run_id=job.run_id,
        stage="extract",
        activity_name=f"extract:{source.source_id}",
        started_at=to_timestamp(readout.started_at),
        ended_at=to_timestamp(readout.ended_at),
        agent=f"ingest/{HANDLER_VERSION} {source.extraction}".strip(),
        on_behalf_of=source.created_by,
        inputs=[
            provenance.EntityRef(
                entity_id=source.source_id, content_hash=source.sha256, uri=source.raw_uri, kind="source"
            )
        ],
        lineage=provenance.Lineage(
            was_derived_from=[source.source_id],
            job_name="ingest.extract",
            status="complete" if succeeded else "fail",
        ),
        provenance=provenance.Provenance(sources=[source.source_id], collection_context=f"upload of {source.filename}"),
        pedigree=provenance.Pedigree(
            validation="not_applicable",
            risk_flags=[
                *(warning.message for warning in source.warnings),
                *([source.error_code] if source.error_code else []),
            ],
        ),
        security=provenance.Security(classification=_classification(source.labels), abac_labels=source.labels),
        retention=provenance.Retention(policy_id="default"),
        correlation_id=job.correlation_id,
        schema_version=_SCHEMA_VERSION,
    )
    if readout.units_uri:
        log.outputs.add(
            entity_id=derive("unt", source.source_id, source.extraction),
            content_hash=readout.units_hash,
            uri=readout.units_uri,
            kind="units",
        )
    _trace(log)
    return log


def _classification(labels: tuple[str, ...]) -> str:
    return "restricted" if labels else "unclassified"


def _trace(log: provenance.TransformationLog) -> None:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        log.trace_id = trace.format_trace_id(context.trace_id)
        log.span_id = trace.format_span_id(context.span_id)
