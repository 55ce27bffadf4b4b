"""The pieces of an upload on the wire: its head, then chunks, then the mark of its end."""

from __future__ import annotations

from collections.abc import AsyncIterator

from lace.ingest.v1 import ingest_pb2 as pb
from lace_core.errors import LaceError, Reason


async def head_of(requests: AsyncIterator[pb.UploadSourceRequest]) -> pb.UploadHead:
    """The first piece. Raises INVALID_ARGUMENT where it is none that names the file."""
    async for request in requests:
        if request.WhichOneof("piece") == "head":
            return request.head
        break
    raise LaceError(Reason.INVALID_ARGUMENT, "An upload begins with its head.")


async def chunks_of(requests: AsyncIterator[pb.UploadSourceRequest]) -> AsyncIterator[bytes]:
    """The bytes, to the mark of their end: a caller that goes away ends the stream as one that has sent all does."""
    size_bytes = 0
    async for request in requests:
        piece = request.WhichOneof("piece")
        if piece == "end" and request.end.size_bytes == size_bytes:
            return
        if piece != "chunk":
            raise LaceError(Reason.INVALID_ARGUMENT, "After its head an upload holds chunks, then its end.")
        size_bytes += len(request.chunk)
        yield request.chunk
    raise LaceError(Reason.INVALID_ARGUMENT, "The upload broke off before its end.")
