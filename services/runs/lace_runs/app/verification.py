"""Looking for damage: hashes are computed again, files are looked for; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_runs.app.ports import OpenUnitOfWork, Snapshots
from lace_runs.app.results import read_result
from lace_runs.domain.artifacts import Revision

_PAGE = 100
_UPGRADE = "Upgrade the services to the version that wrote it."
_RESTORE = "Restore the database from a backup; other revisions are not touched by this."
_SNAPSHOT = "Compile the revision: its snapshot is then written again from the database."
_RESULT = "A run that goes on makes it again; a finished one lacks it for a restart from behind that step alone."


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was stored, by the stable code of what meets it, and what to do about it."""

    code: str
    subject: str
    message: str
    remedy: str


@dataclass
class Inspection:
    """How many things were compared with their hashes, and what did not match."""

    checked: int = 0
    damages: list[Damage] = field(default_factory=list)

    def found(self, error: LaceError, subject: str, remedy: str) -> None:
        """Note what a reader of the subject would meet; a store that is away is no damage, and is raised."""
        if error.retryable and error.reason is not Reason.SCHEMA_TOO_NEW:
            raise error
        told = _UPGRADE if error.reason is Reason.SCHEMA_TOO_NEW else remedy
        self.damages.append(Damage(error.reason.value, subject, error.message, told))


async def verify_artifact(
    open_work: OpenUnitOfWork, snapshots: Snapshots, tenant_id: str, artifact_id: str, revision_id: str = ""
) -> Inspection:
    """The committed revisions of a document, or one: their content, and their snapshots' bytes.

    Raises LaceError ARTIFACT_, REVISION_NOT_FOUND.
    """
    inspection = Inspection()
    async with open_work(tenant_id) as work:
        record = await work.artifacts.get(tenant_id, artifact_id)
        if revision_id:
            revisions = [await work.artifacts.revision(tenant_id, artifact_id, revision_id)]
        else:
            revisions = await _revisions(open_work, tenant_id, artifact_id)
    known = {revision.revision_id for revision in revisions}
    if not revision_id and record.head_revision_id and record.head_revision_id not in known:
        lost = LaceError(Reason.IR_CORRUPT, f"The head {record.head_revision_id} is not a committed revision.")
        inspection.found(lost, record.head_revision_id, _RESTORE)
    for revision in revisions:
        await _verify_revision(open_work, snapshots, revision, inspection)
    return inspection


async def _revisions(open_work: OpenUnitOfWork, tenant_id: str, artifact_id: str) -> list[Revision]:
    found: list[Revision] = []
    before: tuple[datetime, str] | None = None
    while True:
        async with open_work(tenant_id) as work:
            page = await work.artifacts.revisions(tenant_id, artifact_id, before, _PAGE)
        found.extend(revision for revision in page if revision.status == "committed")
        if len(page) < _PAGE:
            return found
        before = (page[-1].created_at, page[-1].revision_id)


async def _verify_revision(
    open_work: OpenUnitOfWork, snapshots: Snapshots, revision: Revision, inspection: Inspection
) -> None:
    ident = revision.revision_id
    try:
        inspection.checked += 1
        async with open_work(revision.tenant_id) as work:
            stored = await work.artifacts.stored(revision.tenant_id, revision.artifact_id, ident)
    except LaceError as error:
        inspection.found(error, ident, _RESTORE)
        return
    if stored.content_hash() != revision.content_hash:
        wrong = LaceError(Reason.IR_CORRUPT, f"{ident} does not match its content hash.")
        inspection.found(wrong, ident, _RESTORE)
    try:
        inspection.checked += 1
        await snapshots.get(revision.ir_uri, sha256_hex(stored.data()))
    except LaceError as error:
        inspection.found(error, revision.ir_uri, _SNAPSHOT)


async def verify_run(open_work: OpenUnitOfWork, snapshots: Snapshots, tenant_id: str, run_id: str) -> Inspection:
    """The results of a run's steps, in the row or in a file. Raises LaceError RUN_NOT_FOUND, SCHEMA_TOO_NEW."""
    inspection = Inspection()
    async with open_work(tenant_id) as work:
        await work.runs.get(tenant_id, run_id)
        checkpoints = await work.runs.checkpoints(tenant_id, run_id)
    for step_id, checkpoint in sorted(checkpoints.items()):
        inspection.checked += 1
        try:
            await read_result(checkpoint, snapshots)
        except LaceError as error:
            inspection.found(error, step_id, _RESULT)
    return inspection
