"""Reading a source for a run: the one job of this service."""

from __future__ import annotations

from lace_core.errors import LaceError, Reason
from lace_ingest.app.ports import Ingest
from lace_ingest.domain.documents import ExtractedDocument
from lace_ingest.domain.extractions import extraction_of
from lace_ingest.domain.jobs import ReadJob, Readout, settles
from lace_ingest.domain.limits import ExtractionLimits, limits_of
from lace_ingest.domain.sources import Source, SourceState, as_failed, as_read, source_not_found, units_key


async def read_source(ingest: Ingest, job: ReadJob) -> None:
    """Reads the source and tells the waiting run what came of it; a document that cannot be read is an outcome.

    The reading runs outside of any transaction; one transaction then holds its whole effect. Raises what is no
    fault of the document, so that the job is delivered again.
    """
    async with ingest.turns.turn(job.tenant_id, job.source_id):
        await _read_in_turn(ingest, job)


async def _read_in_turn(ingest: Ingest, job: ReadJob) -> None:
    started_at = ingest.now()
    async with ingest.units_of_work(job.tenant_id) as work:
        if await work.intake.is_cancelled(job.tenant_id, job.run_id):
            return  # nobody waits for it
        source = await work.sources.get(job.tenant_id, job.source_id)
    if source is None:
        raise source_not_found(job.source_id)
    limits = limits_of(job.settings)
    if source.state is SourceState.READY and source.extraction == ingest.reader.extraction(source.format, limits):
        await _finish(ingest, Readout(job, source, started_at, ingest.now()), source)
        return
    try:
        document = await _read(ingest, source, limits)
    except LaceError as error:
        if not settles(error.reason):
            raise
        failed = as_failed(source, error, job.run_id)
        # What was read once under other settings stays readable; only this run hears of the failure.
        kept = source if source.state is SourceState.READY else failed
        await _finish(ingest, Readout(job, failed, started_at, ingest.now()), kept)
        return
    stored = await ingest.files.keep_units(lambda found: units_key(job.tenant_id, source, found), document)
    ready = as_read(source, document, job.run_id)
    await _finish(ingest, Readout(job, ready, started_at, ingest.now(), stored.uri, stored.sha256), ready, document)


async def _read(ingest: Ingest, source: Source, limits: ExtractionLimits) -> ExtractedDocument:
    if source.size_bytes > limits.max_bytes:
        raise LaceError(Reason.SOURCE_TOO_LARGE, f"{source.filename} is larger than {limits.max_bytes} bytes.")
    if source.size_bytes == 0:
        raise LaceError(Reason.SOURCE_EMPTY, f"{source.filename} is empty.")
    async with ingest.files.raw(source) as raw:
        return await ingest.reader.read(source, raw, limits)


async def _finish(ingest: Ingest, readout: Readout, kept: Source, document: ExtractedDocument | None = None) -> None:
    """The whole effect of a job in one transaction: units, the source as it is kept, and the news of it."""
    tenant_id = readout.job.tenant_id
    async with ingest.units_of_work(tenant_id) as work:
        if not await work.claim(readout.job):
            return
        if document is not None:
            await work.units.add(tenant_id, kept, document.units)
            await work.extractions.add(tenant_id, extraction_of(kept, readout.ended_at))
        await work.sources.settle(tenant_id, kept)
        await work.report(readout)
        await work.commit()
