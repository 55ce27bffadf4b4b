"""Taking in documents: each is stored as it comes, small ones several at once; one run reads all that were accepted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from lace_core.canonical import canonical_json, sha256_hex
from lace_core.errors import LaceError, Reason
from lace_gateway.app.ports import Sources, StoredSource, Upload

S = TypeVar("S", bound=StoredSource)

# A request comes in document by document. One that fits in here is taken off it at once, so that the next can come
# while it is being stored; at no time are more than so many in memory.
SMALL_BYTES = 256 * 1024
AT_ONCE = 8


@dataclass(frozen=True)
class Rejected:
    """A document that was not taken, and why."""

    filename: str
    error: LaceError


@dataclass(frozen=True)
class Ingested(Generic[S]):
    """The run that reads the accepted documents, these, and the others."""

    run_id: str
    sources: Sequence[S]
    rejected: Sequence[Rejected]


async def ingest_sources(sources: Sources[S], uploads: AsyncIterator[Upload]) -> Ingested[S]:
    """Stores the documents and starts the run that reads them, in the order in which they came.

    A document that cannot be taken does not hold up the others. Raises LaceError: SOURCE_EMPTY where there are
    none, the first refusal where none was accepted, and whatever is not about one document.
    """
    outcomes = await _store_all(sources, uploads)
    accepted = [outcome for _, outcome in outcomes if not isinstance(outcome, Rejected)]
    rejected = [outcome for _, outcome in outcomes if isinstance(outcome, Rejected)]
    if not accepted:
        raise rejected[0].error if rejected else _nothing()
    source_ids = list(dict.fromkeys(source.source_id for source in accepted))
    run_id = await sources.start_reading(source_ids, _hash_of(outcomes))
    return Ingested(run_id, accepted, rejected)


async def _store_all(sources: Sources[S], uploads: AsyncIterator[Upload]) -> list[tuple[Upload, S | Rejected]]:
    """What became of each upload, in their order."""
    slots = asyncio.Semaphore(AT_ONCE)
    given: list[Upload] = []
    tasks: list[asyncio.Task[S | Rejected]] = []

    async def store(upload: Upload) -> S | Rejected:
        try:
            return await _store(sources, upload)
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            async for upload in uploads:
                await slots.acquire()
                taken, is_whole = await _taken_off(upload)
                if upload.version_of and tasks:
                    await asyncio.wait(tasks)  # it may be a version of what came before it
                given.append(upload)
                tasks.append(group.create_task(store(taken)))
                if upload.version_of or not is_whole:
                    await asyncio.wait(tasks[-1:])  # the rest of it is still to come out of the request
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return list(zip(given, (task.result() for task in tasks), strict=True))


async def _taken_off(upload: Upload) -> tuple[Upload, bool]:
    """The upload with its beginning in memory, and whether that is all of it."""
    held: list[bytes] = []
    size = 0
    async for piece in upload.content:
        held.append(piece)
        size += len(piece)
        if size > SMALL_BYTES:
            return replace(upload, content=_from(held, upload.content)), False
    return replace(upload, content=_from(held)), True


async def _from(held: Sequence[bytes], rest: AsyncIterator[bytes] | None = None) -> AsyncIterator[bytes]:
    for piece in held:
        yield piece
    if rest is not None:
        async for piece in rest:
            yield piece


async def _store(sources: Sources[S], upload: Upload) -> S | Rejected:
    try:
        return await sources.store(upload)
    except LaceError as error:
        if not _is_about_the_document(error):
            raise
        return Rejected(upload.filename, error)


def _hash_of(outcomes: Sequence[tuple[Upload, S | Rejected]]) -> str:
    """All that was asked for: under one key another upload, also of the same files with other labels, is another."""
    asked = [
        {
            "filename": upload.filename,
            "labels": sorted(set(upload.labels)),
            "version_of": upload.version_of,
            "private": upload.private,
            # An id is that of the bytes under their name.
            "came_to": outcome.error.reason.value if isinstance(outcome, Rejected) else outcome.source_id,
        }
        for upload, outcome in outcomes
    ]
    return sha256_hex(canonical_json(asked))


def _is_about_the_document(error: LaceError) -> bool:
    return error.reason.value.startswith("SOURCE_") or error.reason is Reason.INVALID_ARGUMENT


def _nothing() -> LaceError:
    return LaceError(Reason.SOURCE_EMPTY, "There is no document in this request; send each as a part named files.")
