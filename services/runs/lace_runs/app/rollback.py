"""Asking for an earlier revision: what it would change, and the run that brings it back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from lace_core.diff import Diff, diff
from lace_core.errors import LaceError, Reason
from lace_core.ids import derive
from lace_runs.app import audit
from lace_runs.app.artifacts import etag_of
from lace_runs.app.ports import Acting, Caller, Delivered, Message, OpenUnitOfWork, Resolved, Settings, UnitOfWork
from lace_runs.app.runs import GRANT, Start, start_run
from lace_runs.domain.artifacts import Revision
from lace_runs.domain.runs import Request, Run, RunState

PIPELINE = "rollback"
TOPIC = "rollback.requested"
HANDLER = "runs.start_rollback"
_VERSION = 1
_LOCK_S = 10
_RESOLVE_S = 10.0


@dataclass(frozen=True)
class Asked:
    """A revision to bring back. `etag` and `head_revision_id` are empty where any head will do."""

    artifact_id: str
    revision_id: str
    reason: str = ""
    etag: str = ""
    head_revision_id: str = ""


@dataclass(frozen=True)
class Plan:
    """What a rollback would come to: the head, and the revision that takes its place."""

    head: Revision
    target: Revision

    @property
    def unchanged(self) -> bool:
        """Whether the head has the target's content already."""
        return self.head.ir_hash == self.target.ir_hash


async def plan(work: UnitOfWork, tenant_id: str, asked: Asked) -> Plan:
    """The two revisions; raises LaceError ARTIFACT_, REVISION_NOT_FOUND, ARTIFACT_EMPTY, ETAG_MISMATCH,
    REVISION_CONFLICT.
    """
    record = await work.artifacts.get(tenant_id, asked.artifact_id)
    head_id = record.head_revision_id
    if not head_id:
        raise LaceError(Reason.ARTIFACT_EMPTY, f"{asked.artifact_id} has no committed revision yet.")
    if asked.etag and asked.etag != etag_of(record):
        raise LaceError(Reason.ETAG_MISMATCH, "The document changed since you read it; read it again.")
    target = await work.artifacts.revision(tenant_id, asked.artifact_id, asked.revision_id)
    if target.status != "committed":
        message = f"{asked.revision_id} was never committed; only what was committed can come back."
        raise LaceError(Reason.REVISION_NOT_FOUND, message)
    found = Plan(await work.artifacts.revision(tenant_id, asked.artifact_id, head_id), target)
    if asked.head_revision_id and asked.head_revision_id != head_id and not found.unchanged:
        raise LaceError(Reason.REVISION_CONFLICT, f"The head is {head_id}, not {asked.head_revision_id} any more.")
    return found


async def preview(open_work: OpenUnitOfWork, tenant_id: str, asked: Asked) -> tuple[Plan, Diff]:
    """What would change; nothing is written."""
    async with open_work(tenant_id) as work:
        found = await plan(work, tenant_id, asked)
        before = await work.artifacts.document(tenant_id, asked.artifact_id, found.head.revision_id)
        after = await work.artifacts.document(tenant_id, asked.artifact_id, found.target.revision_id)
    return found, await asyncio.to_thread(diff, before, after)


def start_of(asked: Asked) -> Start:
    """The run that does it."""
    request = Request(
        revision_id=asked.revision_id, head_revision_id=asked.head_revision_id, reason=asked.reason, targets=()
    )
    return Start(PIPELINE, request, asked.artifact_id)


async def start(
    work: UnitOfWork, caller: Caller, asked: Asked, resolved: Resolved, now: datetime
) -> tuple[Plan, Run | None]:
    """Add the run that takes the place of this very head, None where nothing is to be done; the caller commits.

    The document is locked for the run until a worker has it. Raises what `plan` raises, and ARTIFACT_LOCKED.
    """
    found = await plan(work, caller.tenant_id, asked)
    if found.unchanged:
        return found, None
    pinned = Asked(asked.artifact_id, asked.revision_id, asked.reason, head_revision_id=found.head.revision_id)
    run = await start_run(work, caller, start_of(pinned), resolved, now)
    await work.artifacts.lock(caller.tenant_id, asked.artifact_id, run.run_id, _LOCK_S)
    work.send(_requested(run))
    details = {"revision_id": asked.revision_id, "head_revision_id": found.head.revision_id, "reason": asked.reason}
    work.send(audit.entry(caller, "artifact.rollback", asked.artifact_id, {**details, "run_id": run.run_id}, now))
    return found, run


@dataclass(frozen=True)
class Ordered:
    """A rollback that a message asks for, in a principal's name; `run_id` is empty where no run was made for it yet."""

    event_id: str
    tenant_id: str
    requested_by: str
    run_id: str
    correlation_id: str
    asked: Asked


@dataclass(frozen=True)
class Orders:
    """What it takes to answer such messages."""

    open: OpenUnitOfWork
    settings: Settings
    acting: Acting


async def start_ordered(using: Orders, delivered: Delivered, order: Ordered, now: datetime) -> None:
    """Start the run that a message asks for, once; what is wrong with the order, the run will tell.

    Control decides whether the principal may write: raises LaceError PRINCIPAL_NOT_FOUND, PERMISSION_DENIED.
    """
    if await _is_settled(using.open, delivered, order):
        return
    caller = Caller(
        tenant_id=order.tenant_id,
        principal_id=order.requested_by,
        roles=frozenset(),
        scopes=frozenset(GRANT),
        labels=frozenset(),
        request_id=order.event_id,
        correlation_id=order.correlation_id,
        idempotency_key=order.event_id,
        traceparent="",
    )
    async with using.acting(_provisional(caller, now), _RESOLVE_S):
        resolved = await using.settings.resolve({})
    async with using.open(order.tenant_id) as work:
        if await work.is_first_delivery(delivered, HANDLER, _VERSION):
            await start_run(work, caller, start_of(order.asked), resolved, now)
            await work.commit()


async def _is_settled(open_work: OpenUnitOfWork, delivered: Delivered, order: Ordered) -> bool:
    """Whether the message was handled before, or tells of a run that is there already."""
    async with open_work(order.tenant_id) as work:
        if not await work.is_first_delivery(delivered, HANDLER, _VERSION):
            return True
        if not order.run_id:
            return False
        try:
            await work.runs.get(order.tenant_id, order.run_id)
        except LaceError as error:
            if error.reason is Reason.RUN_NOT_FOUND:
                return False
            raise
        await work.commit()
    return True


def _provisional(caller: Caller, now: datetime) -> Run:
    """In whose name the settings are asked for, before there is a run."""
    return Run(
        tenant_id=caller.tenant_id,
        run_id=derive("run", caller.tenant_id, PIPELINE, caller.principal_id, caller.idempotency_key),
        pipeline_id=PIPELINE,
        pipeline_version=1,
        state=RunState.QUEUED,
        request=Request(),
        artifact_id="",
        requested_by=caller.principal_id,
        settings={},
        settings_hash="",
        settings_uri="",
        scopes=GRANT,
        labels=(),
        request_id=caller.request_id,
        correlation_id=caller.correlation_id,
        idempotency_key=caller.idempotency_key,
        traceparent="",
        created_at=now,
    )


def _requested(run: Run) -> Message:
    """Told to whom it may concern; to this service it says nothing new."""
    payload = {
        "run_id": run.run_id,
        "artifact_id": run.artifact_id,
        "revision_id": run.request.revision_id,
        "head_revision_id": run.request.head_revision_id,
        "reason": run.request.reason,
        "requested_by": run.requested_by,
    }
    return Message(derive("msg", run.run_id, TOPIC), TOPIC, run.run_id, payload)
