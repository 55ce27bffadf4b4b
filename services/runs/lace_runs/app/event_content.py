"""The whole content of an event, for those who may read more than its payload shows."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.errors import LaceError, Reason
from lace_runs.app.ports import Audit, Caller, OpenUnitOfWork, Snapshots
from lace_runs.domain.events import Event, sequence_of


@dataclass(frozen=True)
class EventContent:
    """An event and the bytes that its content_hash is the SHA-256 of."""

    event: Event
    data: bytes


async def event_content(
    open_work: OpenUnitOfWork, snapshots: Snapshots, audit: Audit, caller: Caller, run_id: str, event_id: str
) -> EventContent:
    """The content as it was kept, compared with its hash; that it was read is on record before it is given.

    Raises LaceError RUN_NOT_FOUND, EVENT_NOT_FOUND, PERMISSION_DENIED for who does not hold the run's labels,
    EVENT_CONTENT_NOT_FOUND where the payload is all there is, BLOB_NOT_FOUND, BLOB_CORRUPT.
    """
    sequence = sequence_of(run_id, event_id) or 0
    async with open_work(caller.tenant_id) as work:
        run = await work.runs.get(caller.tenant_id, run_id)
        if missing := sorted(set(run.labels) - caller.labels):
            raise LaceError(Reason.PERMISSION_DENIED, f"This run needs the labels {', '.join(missing)}.")
        found = (await work.events.page(caller.tenant_id, run_id, max(0, sequence - 1), 1)).events
    if not found or found[0].sequence != sequence:
        raise LaceError(Reason.EVENT_NOT_FOUND, f"{run_id} has no event {event_id}.")
    draft = found[0].draft
    if not draft.content_uri:
        raise LaceError(Reason.EVENT_CONTENT_NOT_FOUND, f"The payload of {event_id} is all there is.")
    data = await snapshots.get(draft.content_uri, draft.content_hash)
    details = {"event_type": draft.event_type, "content_hash": draft.content_hash}
    await audit.record(caller, "event.content.read", f"runs/{run_id}/events/{event_id}", details)
    return EventContent(found[0], data)
