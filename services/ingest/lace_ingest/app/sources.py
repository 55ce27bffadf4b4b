"""Uploading, finding and listing sources and their units."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from lace_core.errors import LaceError, Reason
from lace_core.labels import owner_among, owner_label
from lace_ingest.app.ports import Caller, Ingest, Mutation, Received
from lace_ingest.app.vector_ports import Progress
from lace_ingest.app.versions import add_version, labels_for
from lace_ingest.domain.formats import SourceFormat, check_content, check_filename
from lace_ingest.domain.outlines import Outline
from lace_ingest.domain.sources import (
    Source,
    SourceState,
    may_see,
    new_source,
    raw_key,
    source_id_of,
    source_not_found,
)

MutationOf = Callable[[str, str], Mutation | None]
"""The request as it is remembered, made from the file name and the content's hash; None for a caller without a key."""


async def upload_source(
    ingest: Ingest,
    caller: Caller,
    filename: str,
    labels: Sequence[str],
    chunks: AsyncIterator[bytes],
    mutation_of: MutationOf,
    *,
    version_of: str = "",
    private: bool = False,
) -> Source:
    """A new source in state pending, or the one that the same file made before.

    `version_of` is a source of the document that it is the next version of; a private source is its giver's alone.
    The bytes are kept before the row: a failure between leaves a file that the next try finds in its place, and
    never a row without its file. Raises SOURCE_NAME_INVALID, SOURCE_FORMAT_UNSUPPORTED, SOURCE_TOO_LARGE,
    SOURCE_EMPTY, SOURCE_UNREADABLE for bytes that cannot be of the format that the name declares, SOURCE_NOT_FOUND,
    SOURCE_VERSION_CONFLICT, PERMISSION_DENIED for labels that the caller does not hold, IDEMPOTENCY_*.
    """
    source_format = check_filename(filename)
    if not may_see(labels, caller.labels):
        raise LaceError(Reason.PERMISSION_DENIED, "A source can only be given labels that you hold yourself.")
    if version_of:
        labels = await labels_for(ingest, caller, version_of, labels)
    if private:
        labels = [*labels, owner_label(caller.principal_id)]
    async with ingest.intake.receive(chunks, ingest.max_bytes) as received:
        if received is None:
            raise LaceError(Reason.SOURCE_TOO_LARGE, f"{filename} is larger than {_size(ingest.max_bytes)}.")
        if not received.size_bytes:
            raise LaceError(Reason.SOURCE_EMPTY, f"{filename} is empty.")
        check_content(filename, source_format, received.head)
        return await _keep(ingest, caller, filename, source_format, labels, received, mutation_of, version_of)


async def _keep(
    ingest: Ingest,
    caller: Caller,
    filename: str,
    source_format: SourceFormat,
    labels: Sequence[str],
    received: Received,
    mutation_of: MutationOf,
    version_of: str,
) -> Source:
    source_id = source_id_of(caller.tenant_id, received.sha256, filename, owner_among(labels))
    key = raw_key(caller.tenant_id, source_id, received.sha256, source_format)
    stored = await ingest.files.keep_raw(key, received, source_format.value)
    source = new_source(
        caller.tenant_id,
        filename,
        source_format,
        size_bytes=received.size_bytes,
        sha256=received.sha256,
        raw_uri=stored.uri,
        labels=labels,
        created_at=ingest.now(),
        created_by=caller.principal_id,
    )
    mutation = mutation_of(filename, received.sha256)
    async with ingest.units_of_work(caller.tenant_id) as work:

        async def add() -> Source:
            if version_of:
                return await add_version(work, caller, source, version_of)
            return await work.sources.add(caller.tenant_id, source)

        kept = await add() if mutation is None else await work.once(mutation, add, Source)
        await work.commit()
    return kept


def _size(count: int) -> str:
    return f"{count / (1 << 20):.4g} MiB"


async def get_source(ingest: Ingest, caller: Caller, source_id: str) -> Source:
    """A source. Raises SOURCE_NOT_FOUND."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        source = await work.sources.get(caller.tenant_id, source_id)
    if source is None or not may_see(source.labels, caller.labels):
        raise source_not_found(source_id)
    return source


async def vector_progress(ingest: Ingest, caller: Caller, source: Source) -> Sequence[Progress]:
    """How far the vectors of a source are that the caller may see, sorted by model."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        found = await work.vectors.progress(caller.tenant_id, [source.source_id])
    return found.get(source.source_id, ())


async def list_sources(
    ingest: Ingest,
    caller: Caller,
    state: SourceState | None,
    limit: int,
    before: tuple[datetime, str] | None,
) -> Sequence[Source]:
    """Sources that the caller may see, newest first."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        return await work.sources.newest(caller.tenant_id, caller.labels, state, limit, before)


async def get_outline(ingest: Ingest, caller: Caller, source_id: str) -> Outline:
    """What a source speaks of; no sections before it was read. Raises SOURCE_NOT_FOUND."""
    source = await get_source(ingest, caller, source_id)
    async with ingest.units_of_work(caller.tenant_id) as work:
        sections = await work.units.sections(caller.tenant_id, [source])
    return Outline(source, tuple(sections.get(source_id, ())))


async def get_outlines(ingest: Ingest, caller: Caller, source_ids: Sequence[str]) -> Sequence[Outline]:
    """What the ready ones among these sources (all where empty) speak of, sorted by file name."""
    async with ingest.units_of_work(caller.tenant_id) as work:
        sources = await work.sources.ready(caller.tenant_id, caller.labels, source_ids)
        sections = await work.units.sections(caller.tenant_id, sources)
    return [Outline(source, tuple(sections.get(source.source_id, ()))) for source in sources]
