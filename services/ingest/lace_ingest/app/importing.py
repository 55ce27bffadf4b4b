"""Registering what lies in the inbox for a run: a job that goes on where it was, however often it is begun."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from lace_core.errors import LaceError, Reason
from lace_core.inbox import check_prefix
from lace_ingest.app.intake import source_of
from lace_ingest.app.intake_ports import Inbox
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.app.sources import upload_source
from lace_ingest.domain.intake import (
    IMPORT_HANDLER,
    ImportedObject,
    ImportJob,
    ImportOutcome,
    ImportRecord,
    InboxObject,
    check_object,
    is_about_the_object,
    refused,
)

_AT_ONCE = 4
_NOTED_TOGETHER = 32


async def import_objects(ingest: Ingest, inbox: Inbox, job: ImportJob) -> None:
    """Makes a source of every object below the prefix and tells the waiting run; what cannot be one is an outcome.

    What was registered is noted as it goes, so that another delivery does not copy it again. Raises what is no fault
    of an object, so that the job is delivered again.
    """
    try:
        check_prefix(job.prefix)
        objects = await _listed(inbox, job)
        done = await _import(ingest, inbox, job, objects)
    except LaceError as error:
        if not error.reason.value.startswith("INBOX_"):
            raise
        await _finish(ingest, ImportOutcome(job, error_code=error.reason.value, error_message=error.message))
        return
    if done is not None:
        await _finish(ingest, ImportOutcome(job, tuple(done)))


async def _listed(inbox: Inbox, job: ImportJob) -> Sequence[InboxObject]:
    found = await inbox.objects(job.tenant_id, job.prefix, "", job.most + 1)
    below = f"begin with {job.prefix}" if job.prefix else "lie there"
    if not found:
        raise LaceError(Reason.INBOX_EMPTY, f"No objects of the inbox {below}; see GET /v1/sources:inbox.")
    if len(found) > job.most:
        raise LaceError(Reason.INBOX_LIMIT_EXCEEDED, f"More than {job.most} objects {below}; name a longer prefix.")
    return found


async def _import(
    ingest: Ingest, inbox: Inbox, job: ImportJob, objects: Sequence[InboxObject]
) -> list[ImportedObject] | None:
    """What became of each; None where the run was cancelled meanwhile."""
    done: list[ImportedObject] = []
    for start in range(0, len(objects), _NOTED_TOGETHER):
        some = objects[start : start + _NOTED_TOGETHER]
        async with ingest.units_of_work(job.tenant_id) as work:
            if await work.intake.is_cancelled(job.tenant_id, job.run_id):
                return None
            known = await work.intake.imported(job.tenant_id, [found.name for found in some])
        done += await _some(ingest, inbox, job, some, known)
    return done


async def _some(
    ingest: Ingest,
    inbox: Inbox,
    job: ImportJob,
    objects: Sequence[InboxObject],
    known: Mapping[str, ImportRecord],
) -> list[ImportedObject]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(found: InboxObject) -> ImportedObject:
        async with slots:
            return await _one(ingest, inbox, job, found, known.get(found.name))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(found)) for found in objects]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    done = [task.result() for task in tasks]
    fresh = [
        ImportRecord(found.name, found.mark, result.source_id)
        for found, result in zip(objects, done, strict=True)
        if result.source_id and result.source_id != source_of(found, known.get(found.name))
    ]
    if fresh:
        async with ingest.units_of_work(job.tenant_id) as work:
            await work.intake.note_imports(job.tenant_id, fresh, ingest.now())
            await work.commit()
    return done


async def _one(
    ingest: Ingest, inbox: Inbox, job: ImportJob, found: InboxObject, record: ImportRecord | None
) -> ImportedObject:
    there = source_of(found, record)
    if there and not job.labels:  # with labels it is given again, to have them added
        return ImportedObject(found.name, there)
    caller = Caller(job.tenant_id, job.requested_by, frozenset(job.labels))
    try:
        check_object(found, ingest.max_bytes)
        async with aclosing(inbox.content(job.tenant_id, found.name)) as content:
            source = await upload_source(ingest, caller, found.filename, job.labels, content, lambda *_: None)
    except LaceError as error:
        if not is_about_the_object(error):
            raise
        return refused(found.name, error)
    return ImportedObject(found.name, source.source_id)


async def _finish(ingest: Ingest, outcome: ImportOutcome) -> None:
    job = outcome.job
    async with ingest.units_of_work(job.tenant_id) as work:
        if await work.claim_for(IMPORT_HANDLER, job.tenant_id, job.event_id):
            await work.report(outcome)
            await work.commit()
