"""Asking after many documents: which are there, which lie in the inbox; and giving up what nobody wants any more."""

from __future__ import annotations

from collections.abc import Sequence

from lace_core.inbox import check_prefix
from lace_core.labels import owner_label
from lace_ingest.app.intake_ports import Inbox
from lace_ingest.app.ports import Caller, Ingest
from lace_ingest.domain.intake import (
    GIVE_UP_HANDLER,
    ImportJob,
    ImportOutcome,
    ImportRecord,
    InboxObject,
    ReadFault,
)
from lace_ingest.domain.jobs import ReadJob
from lace_ingest.domain.sources import Source, source_id_of


async def get_sources(ingest: Ingest, caller: Caller, source_ids: Sequence[str]) -> Sequence[Source]:
    """These sources as far as they are there and the caller may see them, in the order of the ids."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        return await work.intake.many(caller.tenant_id, caller.labels, source_ids)


async def find_sources(ingest: Ingest, caller: Caller, files: Sequence[tuple[str, str]]) -> Sequence[Source]:
    """The sources that files are, given by name and SHA-256: those of all, and the caller's own private ones."""
    owner = owner_label(caller.principal_id)
    ids = [source_id_of(caller.tenant_id, sha256, filename, own) for filename, sha256 in files for own in ("", owner)]
    return await get_sources(ingest, caller, list(dict.fromkeys(ids)))


async def list_inbox(
    ingest: Ingest, inbox: Inbox, caller: Caller, prefix: str, after: str, limit: int
) -> Sequence[tuple[InboxObject, str]]:
    """Objects of the tenant's inbox, each with the source that it is as it lies there, empty where it is none.

    Raises INBOX_PREFIX_INVALID.
    """
    found = await inbox.objects(caller.tenant_id, check_prefix(prefix), after, limit)
    async with ingest.units_of_work(caller.tenant_id) as work:
        known = await work.intake.imported(caller.tenant_id, [one.name for one in found])
    return [(one, source_of(one, known.get(one.name))) for one in found]


def source_of(found: InboxObject, record: ImportRecord | None) -> str:
    """The source that an object is by what is known of it; empty where it is another one by now."""
    return record.source_id if record is not None and record.mark == found.mark else ""


async def cancel_run(ingest: Ingest, tenant_id: str, run_id: str) -> None:
    """Jobs of the run that have not begun are never begun; what is being read is read to its end, which does no harm:
    the source is then ready, as its giver wanted.
    """
    async with ingest.units_of_work(tenant_id) as work:
        await work.intake.cancel(tenant_id, run_id, ingest.now())
        await work.commit()


async def give_up(ingest: Ingest, job: ReadJob | ImportJob, code: str, message: str) -> None:
    """Tells the waiting run that a job came to nothing for no fault of its documents; once."""
    async with ingest.units_of_work(job.tenant_id) as work:
        if not await work.claim_for(GIVE_UP_HANDLER, job.tenant_id, job.event_id):
            return
        if isinstance(job, ImportJob):
            await work.report(ImportOutcome(job, error_code=code, error_message=message))
        else:
            source = await work.sources.get(job.tenant_id, job.source_id)
            await work.report(ReadFault(job, source, code, message))
        await work.commit()
