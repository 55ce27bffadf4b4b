"""Who cites given sources, units or documents' sources."""

from __future__ import annotations

from collections.abc import Sequence

from lace_core.errors import Detail, LaceError, Reason
from lace_runs.app.artifacts import require_visible
from lace_runs.app.ports import Caller, OpenUnitOfWork
from lace_runs.domain.citations import Citation, Cursor, Wanted


async def list_citations(
    open_work: OpenUnitOfWork, caller: Caller, wanted: Wanted, after: Cursor | None, limit: int
) -> Sequence[Citation]:
    """Citations in order, those behind the cursor.

    Raises INVALID_ARGUMENT where nothing is named, ARTIFACT_NOT_FOUND.
    """
    if not wanted.is_anything:
        message = "Name what is cited (source_id, unit_id) or the document (artifact_id)."
        raise LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail("/source_id", message)])
    async with open_work(caller.tenant_id) as work:
        if wanted.artifact_id:
            await require_visible(work, caller, wanted.artifact_id)
        return await work.citations.page(caller.tenant_id, wanted, after, limit)
