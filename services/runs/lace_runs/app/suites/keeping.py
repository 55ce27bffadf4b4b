"""Keeping suites as versions, and finding them."""

from __future__ import annotations

from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.suites.suite import parse
from lace_runs.app import audit
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.suites import SuiteVersion


async def keep(work: UnitOfWork, caller: Caller, text: str, now: datetime) -> SuiteVersion:
    """The text as a version of its suite: the newest one where that is the same, else the next; the caller commits.

    Raises LaceError SUITE_RULE_UNKNOWN, SUITE_INVALID.
    """
    read = parse(text)
    name = read.suite.name
    await work.suites.lock(caller.tenant_id, name)
    newest = await work.suites.find(caller.tenant_id, name)
    if newest is not None and newest.sha256 == read.sha256:
        return newest
    versions = newest.versions if newest else ()
    version = max(versions, default=0) + 1
    suite = SuiteVersion(
        tenant_id=caller.tenant_id,
        name=name,
        version=version,
        sha256=read.sha256,
        text=read.text,
        description=read.suite.description,
        check_count=len(read.suite.checks),
        created_by=caller.principal_id,
        created_at=now,
        versions=(*versions, version),
    )
    await work.suites.add(caller.tenant_id, suite)
    details = {"version": version, "sha256": read.sha256}
    work.send(audit.entry(caller, "suite.create", name, details, now))
    return suite


async def show(work: UnitOfWork, tenant_id: str, name: str, version: int = 0) -> SuiteVersion:
    """A version of a suite, the newest where 0; raises LaceError SUITE_NOT_FOUND."""
    found = await work.suites.find(tenant_id, name, version)
    if found is None:
        which = f"{name} of version {version}" if version else name
        raise LaceError(Reason.SUITE_NOT_FOUND, f"No suite {which}; GET /v1/suites lists them.")
    return found
