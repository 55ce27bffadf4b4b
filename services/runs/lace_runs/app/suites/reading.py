"""Reading what came of tests."""

from __future__ import annotations

from lace_runs.app.artifacts import require_visible
from lace_runs.app.ports import Caller, OpenUnitOfWork
from lace_runs.domain.suites import DocumentTest


async def show(open_work: OpenUnitOfWork, caller: Caller, artifact_id: str, test_id: str) -> DocumentTest:
    """A test, which quotes the document: for who may see the revision. Raises ARTIFACT_, TEST_NOT_FOUND."""
    async with open_work(caller.tenant_id) as work:
        await require_visible(work, caller, artifact_id)
        found = await work.suites.test(caller.tenant_id, artifact_id, test_id)
        await require_visible(work, caller, artifact_id, found.revision_id)
        return found
