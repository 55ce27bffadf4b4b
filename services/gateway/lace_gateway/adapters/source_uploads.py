"""Documents to the ingest service as they come in, and the run that reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import grpc

from lace.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from lace.runs.v1 import runs_pb2, runs_pb2_grpc
from lace_core.errors import LaceError, Reason
from lace_gateway.app.ports import Upload
from lace_platform.rpc import acting_as, current_call

_PIPELINE = "ingest"
_CHUNK_BYTES = 256 * 1024
_CHUNKS_UNDER_WAY = 4
_LONGEST_S = 3600.0


class RpcSources:
    """See lace_gateway.app.ports.Sources; acts for the call under way."""

    def __init__(self, ingest: grpc.aio.Channel, runs: grpc.aio.Channel, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._sources = ingest_pb2_grpc.SourceServiceStub(ingest)
        self._runs = runs_pb2_grpc.RunServiceStub(runs)

    async def store(self, upload: Upload) -> ingest_pb2.Source:
        """See Sources.store. The same file gives the same source, so that this needs no idempotency key."""
        pieces: asyncio.Queue[ingest_pb2.UploadSourceRequest | None] = asyncio.Queue(_CHUNKS_UNDER_WAY)
        head = ingest_pb2.UploadHead(
            filename=upload.filename, labels=upload.labels, version_of=upload.version_of, private=upload.private
        )
        pieces.put_nowait(ingest_pb2.UploadSourceRequest(head=head))
        with acting_as(replace(current_call(), idempotency_key=None)):
            call = asyncio.create_task(self._upload(pieces), name="upload-source")
        try:
            async for piece in _pieces(_bounded(upload, self._max_bytes)):
                if not await _put(pieces, piece, call):
                    break  # refused before its end: the call says why
            return await call
        finally:
            await _end(call)

    async def start_reading(self, source_ids: Sequence[str], intake_hash: str) -> str:
        """See Sources.start_reading."""
        request = runs_pb2.StartRunRequest(pipeline_id=_PIPELINE, source_ids=source_ids, intake_hash=intake_hash)
        return (await self._runs.StartRun(request)).run_id

    async def _upload(self, pieces: asyncio.Queue[ingest_pb2.UploadSourceRequest | None]) -> ingest_pb2.Source:
        return await self._sources.UploadSource(_drained(pieces), timeout=_LONGEST_S)


async def _drained(
    pieces: asyncio.Queue[ingest_pb2.UploadSourceRequest | None],
) -> AsyncIterator[ingest_pb2.UploadSourceRequest]:
    while (piece := await pieces.get()) is not None:
        yield piece


async def _put(
    pieces: asyncio.Queue[ingest_pb2.UploadSourceRequest | None],
    piece: ingest_pb2.UploadSourceRequest | None,
    call: asyncio.Task[ingest_pb2.Source],
) -> bool:
    """Waits for room; False when the call has ended and takes no more."""
    if not call.done() and not pieces.full():
        pieces.put_nowait(piece)
        return True
    putting = asyncio.create_task(pieces.put(piece))
    await asyncio.wait({putting, call}, return_when=asyncio.FIRST_COMPLETED)
    if call.done():
        await _end(putting)
        return False
    return True


async def _pieces(content: AsyncIterator[bytes]) -> AsyncIterator[ingest_pb2.UploadSourceRequest | None]:
    """Chunks and the end. The end is said, since a call that is cut off ends like one that has sent all."""
    size_bytes = 0
    async for chunk in _coalesced(content):
        size_bytes += len(chunk)
        yield ingest_pb2.UploadSourceRequest(chunk=chunk)
    yield ingest_pb2.UploadSourceRequest(end=ingest_pb2.UploadEnd(size_bytes=size_bytes))
    yield None


async def _bounded(upload: Upload, max_bytes: int) -> AsyncIterator[bytes]:
    """The content up to the limit. Ingest has the same one, but hears out whoever sends: nothing in vain goes there.

    Raises LaceError SOURCE_TOO_LARGE.
    """
    size_bytes = 0
    async for piece in upload.content:
        size_bytes += len(piece)
        if size_bytes > max_bytes:
            raise LaceError(Reason.SOURCE_TOO_LARGE, f"{upload.filename} is larger than {max_bytes / 2**20:g} MiB.")
        yield piece


async def _coalesced(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in fewer pieces: a streamed message costs the same, small or large."""
    held = bytearray()
    async for piece in content:
        held += piece
        while len(held) >= _CHUNK_BYTES:
            yield bytes(held[:_CHUNK_BYTES])
            del held[:_CHUNK_BYTES]
    if held:
        yield bytes(held)


async def _end(task: asyncio.Task[ingest_pb2.Source] | asyncio.Task[None]) -> None:
    """Cancels what still runs, and takes note of its failure, which nobody else may be there for."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
