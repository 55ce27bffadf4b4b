"""Versions of documents: giving the next one, and listing them."""

from __future__ import annotations

from collections.abc import Sequence

from lace_ingest.app.ports import Caller, Ingest, UnitOfWork
from lace_ingest.domain.sources import Source, may_see, source_not_found
from lace_ingest.domain.versions import labels_of_version, next_version, require_held, require_same_document


async def labels_for(ingest: Ingest, caller: Caller, version_of: str, given: Sequence[str]) -> Sequence[str]:
    """The labels of the next version of a document. Raises SOURCE_NOT_FOUND, PERMISSION_DENIED."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        newest = await _newest(work, caller, version_of)
    require_held(newest, caller.labels)
    return labels_of_version(given, newest)


async def add_version(work: UnitOfWork, caller: Caller, source: Source, version_of: str) -> Source:
    """The source as the next version of a document, or as the version that it is already; the caller commits.

    Raises SOURCE_NOT_FOUND, SOURCE_VERSION_CONFLICT, PERMISSION_DENIED.
    """
    newest = await _newest(work, caller, version_of)
    if await work.sources.get(caller.tenant_id, source.source_id) is None:
        source = next_version(source, newest, caller.labels)
    kept = await work.sources.add(caller.tenant_id, source)
    require_same_document(kept, newest.series_id)
    return kept


async def list_versions(
    ingest: Ingest, caller: Caller, source_id: str, limit: int, before: int | None
) -> Sequence[Source]:
    """Versions of the document that a source belongs to, newest first. Raises SOURCE_NOT_FOUND."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        source = await _seen(work, caller, source_id)
        return await work.series.versions(caller.tenant_id, caller.labels, source.series_id, limit, before)


async def _newest(work: UnitOfWork, caller: Caller, source_id: str) -> Source:
    """The newest version of a document; nobody else adds one before the end of the unit of work."""
    named = await _seen(work, caller, source_id)
    newest = await work.series.hold(caller.tenant_id, named.series_id)
    return newest or named


async def _seen(work: UnitOfWork, caller: Caller, source_id: str) -> Source:
    source = await work.sources.get(caller.tenant_id, source_id)
    if source is None or not may_see(source.labels, caller.labels):
        raise source_not_found(source_id)
    return source
