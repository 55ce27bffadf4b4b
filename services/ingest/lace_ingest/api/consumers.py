"""What the service does on messages: read a source when a run asks for it."""

from __future__ import annotations

from lace.ingest.v1 import ingest_pb2 as pb
from lace_core.settings import settings_of_json
from lace_ingest.app.ports import Ingest
from lace_ingest.app.reading import read_source
from lace_ingest.domain.jobs import ReadJob
from lace_platform.bus import Bus, Consumption, Envelope
from lace_platform.telemetry import bind
from lace_proto import json as wire_json

REQUESTED = "source.ingest.requested"
GROUP = "ingest.read_source"


async def consume(bus: Bus, ingest: Ingest) -> Consumption:
    """Subscribe to what this service is asked to do, until the caller closes what it is given."""

    async def on_requested(envelope: Envelope) -> None:
        job = job_of(envelope)
        with bind(run_id=job.run_id, source_id=job.source_id):
            await read_source(ingest, job)

    return await bus.subscribe([REQUESTED], GROUP, on_requested)


def job_of(envelope: Envelope) -> ReadJob:
    """The job in a message. Raises MALFORMED_JSON, UNKNOWN_FIELD, INVALID_ARGUMENT for what is none."""
    asked = wire_json.from_json(pb.SourceIngestRequested, envelope.payload)
    return ReadJob(
        event_id=envelope.id,
        job_id=asked.job_id,
        run_id=asked.run_id,
        tenant_id=envelope.tenant_id,
        source_id=asked.source_id,
        settings=settings_of_json(asked.settings_json),
        correlation_id=envelope.headers.get("correlation_id", ""),
    )
