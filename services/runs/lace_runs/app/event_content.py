"""The whole content of an event, for those who may read more than its payload shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lace_core.errors import LaceError, Reason
from lace_runs.app.ports import Audit, Caller, OpenUnitOfWork, Snapshots
from lace_runs.domain.events import Event, sequence_of
from lace_runs.domain.runs import Run

_EXPIRING = ("pipeline.llm.prompt", "pipeline.llm.response")


@dataclass(frozen=True)
class EventContent:
    """An event and the bytes that its content_hash is the SHA-256 of."""

    event: Event
    data: bytes


async def event_content(
    open_work: OpenUnitOfWork,
    snapshots: Snapshots,
    audit: Audit,
    caller: Caller,
    run_id: str,
    event_id: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> EventContent:
    """The content as it was kept, compared with its hash; that it was read is on record before it is given.

    Raises LaceError RUN_NOT_FOUND, EVENT_NOT_FOUND, PERMISSION_DENIED for who does not hold the run's labels and those
    of the document that it wrote, EVENT_CONTENT_NOT_FOUND where the payload is all there is or the time of the content
    is over, BLOB_NOT_FOUND, BLOB_CORRUPT.
    """
    sequence = sequence_of(run_id, event_id) or 0
    async with open_work(caller.tenant_id) as work:
        run = await work.runs.get(caller.tenant_id, run_id)
        written = await work.artifacts.labels(caller.tenant_id, run.artifact_id, "") if run.artifact_id else ()
        if missing := sorted({*run.labels, *written} - caller.labels):
            raise LaceError(Reason.PERMISSION_DENIED, f"This run needs the labels {', '.join(missing)}.")
        found = (await work.events.page(caller.tenant_id, run_id, max(0, sequence - 1), 1)).events
    if not found or found[0].sequence != sequence:
        raise LaceError(Reason.EVENT_NOT_FOUND, f"{run_id} has no event {event_id}.")
    draft = found[0].draft
    if not draft.content_uri:
        raise LaceError(Reason.EVENT_CONTENT_NOT_FOUND, f"The payload of {event_id} is all there is.")
    try:
        data = await snapshots.get(draft.content_uri, draft.content_hash)
    except LaceError as error:
        raise _expired(run, found[0], now()) or error from None
    details = {"event_type": draft.event_type, "content_hash": draft.content_hash}
    await audit.record(caller, "event.content.read", f"runs/{run_id}/events/{event_id}", details)
    return EventContent(found[0], data)


def payload_days(run: Run) -> int:
    """How many days whole prompts and answers of the run are kept; 0 for ever."""
    return int(run.settings.get("llm.payload_days", 0))


def _expired(run: Run, event: Event, now: datetime) -> LaceError | None:
    """The error for content that is gone because its time is over; None where it should still be there."""
    until = event.draft.occurred_at + timedelta(days=payload_days(run))
    if not payload_days(run) or event.draft.event_type not in _EXPIRING or now < until:
        return None
    message = f"The content of {event.event_id} was kept until {until:%Y-%m-%d} (llm.payload_days) and is deleted."
    return LaceError(Reason.EVENT_CONTENT_NOT_FOUND, message)
