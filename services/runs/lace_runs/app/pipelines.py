"""Pipelines: those that ship, those that a tenant registered, and registering one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lace_core.composing import Definition, compose, definition_hash
from lace_core.errors import LaceError, Reason
from lace_core.pipeline import PIPELINES, Pipeline
from lace_runs.app import audit
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.domain.pipelines import Registered


async def register(work: UnitOfWork, caller: Caller, definition: Definition, now: datetime) -> Registered:
    """The definition as a version of its id: the newest one where that is the same, else the next; the caller commits.

    Raises LaceError PIPELINE_INVALID, which names all that is wrong.
    """
    steps = compose(definition)
    digest = definition_hash(definition.description, steps)
    await work.pipelines.lock(caller.tenant_id, definition.pipeline_id)
    newest = await work.pipelines.find(caller.tenant_id, definition.pipeline_id)
    if newest is not None and newest.definition_hash == digest:
        return newest
    versions = newest.versions if newest else ()
    version = max(versions, default=0) + 1
    registered = Registered(
        tenant_id=caller.tenant_id,
        pipeline=Pipeline(definition.pipeline_id, version, definition.description, steps),
        definition_hash=digest,
        created_by=caller.principal_id,
        created_at=now,
        versions=(*versions, version),
    )
    await work.pipelines.add(caller.tenant_id, registered)
    details = {"version": version, "definition_hash": digest}
    work.send(audit.entry(caller, "pipeline.create", definition.pipeline_id, details, now))
    return registered


async def pipeline_of(work: UnitOfWork, tenant_id: str, pipeline_id: str, version: int = 0) -> Pipeline:
    """The pipeline of that id and version, the newest where 0; raises LaceError PIPELINE_UNKNOWN."""
    found = await show(work, tenant_id, pipeline_id, version)
    return found if isinstance(found, Pipeline) else found.pipeline


async def show(work: UnitOfWork, tenant_id: str, pipeline_id: str, version: int = 0) -> Pipeline | Registered:
    """The same with who registered it and when, where it does not ship."""
    shipped = PIPELINES.get(pipeline_id)
    if shipped is not None and version in (0, shipped.version):
        return shipped
    registered = await work.pipelines.find(tenant_id, pipeline_id, version) if shipped is None else None
    if registered is None:
        which = f"{pipeline_id} of version {version}" if version else pipeline_id
        raise LaceError(Reason.PIPELINE_UNKNOWN, f"No pipeline {which}; GET /v1/pipelines lists them.")
    return registered


async def pipelines(work: UnitOfWork, tenant_id: str) -> Sequence[Pipeline | Registered]:
    """All that can be started by name, those that ship first, each sorted by id."""
    shipped = [PIPELINES[key] for key in sorted(PIPELINES) if key != "noop10"]
    return [*shipped, *await work.pipelines.list(tenant_id)]
