"""What the service does on messages: register and read what a run asks for, and stop where it wants nothing more."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from lace.ingest.v1 import ingest_pb2 as pb
from lace.ingest.v1 import intake_pb2
from lace_core.errors import LaceError, Reason
from lace_core.settings import settings_of_json
from lace_ingest.app.importing import import_objects
from lace_ingest.app.intake import cancel_run, give_up
from lace_ingest.app.intake_ports import Inbox
from lace_ingest.app.ports import Ingest
from lace_ingest.app.reading import read_source
from lace_ingest.domain.intake import ImportJob
from lace_ingest.domain.jobs import ReadJob
from lace_platform.bus import Bus, Consumption, Envelope
from lace_platform.bus.envelope import DEAD_LETTER_SUFFIX
from lace_platform.telemetry import bind
from lace_proto import json as wire_json

REQUESTED = "source.ingest.requested"
IMPORT_REQUESTED = "source.import.requested"
CANCELLED = "source.ingest.cancelled"
GROUP = "ingest.read_source"
IMPORT_GROUP = "ingest.import_objects"
CANCEL_GROUP = "ingest.cancel_run"
GIVE_UP_GROUP = "ingest.give_up"
_MOST_OBJECTS = 1000

_log = structlog.get_logger(__name__)


async def consume(bus: Bus, ingest: Ingest, inbox: Inbox) -> Sequence[Consumption]:
    """Subscribe to what this service is asked to do, until the caller closes what it is given."""

    async def on_requested(envelope: Envelope) -> None:
        job = job_of(envelope)
        with bind(run_id=job.run_id, source_id=job.source_id):
            await read_source(ingest, job)

    async def on_import_requested(envelope: Envelope) -> None:
        job = import_job_of(envelope)
        with bind(run_id=job.run_id):
            await import_objects(ingest, inbox, job)

    async def on_cancelled(envelope: Envelope) -> None:
        cancelled = wire_json.from_json(intake_pb2.SourceIngestCancelled, envelope.payload)
        await cancel_run(ingest, envelope.tenant_id, cancelled.run_id)

    async def on_dead(envelope: Envelope) -> None:
        await _bury(ingest, envelope)

    dead = [topic + DEAD_LETTER_SUFFIX for topic in (REQUESTED, IMPORT_REQUESTED)]
    return [
        await bus.subscribe([REQUESTED], GROUP, on_requested),
        await bus.subscribe([IMPORT_REQUESTED], IMPORT_GROUP, on_import_requested),
        await bus.subscribe([CANCELLED], CANCEL_GROUP, on_cancelled),
        await bus.subscribe(dead, GIVE_UP_GROUP, on_dead),
    ]


async def _bury(ingest: Ingest, envelope: Envelope) -> None:
    """The run that waits is told that its job is dead; a letter in which no job can be read has none."""
    try:
        is_import = envelope.topic == IMPORT_REQUESTED + DEAD_LETTER_SUFFIX
        job = import_job_of(envelope) if is_import else job_of(envelope)
    except (LaceError, ValueError) as error:
        _log.warning("dead_job_unreadable", event_id=envelope.id, error=str(error))
        return
    code = envelope.headers.get("dead-letter-reason", Reason.INTERNAL.value)
    tried = envelope.headers.get("dead-letter-attempts", "")
    await give_up(ingest, job, code, f"Tried {tried or 'several'} times without success; quote the run.")


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


def import_job_of(envelope: Envelope) -> ImportJob:
    """The job in a message. Raises MALFORMED_JSON, UNKNOWN_FIELD, INVALID_ARGUMENT for what is none."""
    asked = wire_json.from_json(intake_pb2.SourceImportRequested, envelope.payload)
    most = settings_of_json(asked.settings_json).get("ingest.import_objects", _MOST_OBJECTS)
    return ImportJob(
        event_id=envelope.id,
        job_id=asked.job_id,
        run_id=asked.run_id,
        tenant_id=envelope.tenant_id,
        prefix=asked.prefix,
        labels=tuple(asked.labels),
        requested_by=asked.requested_by,
        most=int(str(most)),
    )
