"""The gRPC services of ingest: decode, one use case, encode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from lace.ingest.v1 import ingest_pb2 as pb
from lace.ingest.v1 import ingest_pb2_grpc as services
from lace_core.canonical import canonical_json
from lace_core.errors import LaceError, Reason
from lace_ingest.api import convert
from lace_ingest.app import retrieval, sources
from lace_ingest.app.ports import Ingest, Mutation
from lace_ingest.domain.sources import Source
from lace_platform.paging import Cursor, PageTokens, page_size
from lace_platform.rpc import current_call

_SOURCES = "ListSources"
_UNITS = "ListUnits"
_LONGEST_HEARING_S = 10.0


class SourceServicer(services.SourceServiceServicer):
    """lace.ingest.v1.SourceService."""

    def __init__(self, ingest: Ingest, tokens: PageTokens) -> None:
        self._ingest = ingest
        self._tokens = tokens

    async def UploadSource(self, request_iterator: Any, context: Any) -> pb.Source:
        """Stores one document as it comes in."""
        try:
            return convert.source_to_wire(await self._upload(request_iterator))
        except LaceError:
            await _heard_out(request_iterator)
            raise

    async def _upload(self, requests: AsyncIterator[pb.UploadSourceRequest]) -> Source:
        caller = convert.caller_of(current_call())
        head = await _head(requests)
        labels = sorted(set(head.labels))

        def mutation_of(filename: str, sha256: str) -> Mutation | None:
            request = canonical_json({"filename": filename, "labels": labels, "sha256": sha256})
            return Mutation(f"UploadSource/{filename}", request) if current_call().idempotency_key else None

        return await sources.upload_source(self._ingest, caller, head.filename, labels, _chunks(requests), mutation_of)

    async def GetSource(self, request: pb.GetSourceRequest, context: Any) -> pb.Source:
        """A source."""
        caller = convert.caller_of(current_call())
        return convert.source_to_wire(await sources.get_source(self._ingest, caller, request.source_id))

    async def ListSources(self, request: pb.ListSourcesRequest, context: Any) -> pb.ListSourcesResponse:
        """A page of the tenant's sources, newest first."""
        caller = convert.caller_of(current_call())
        state = convert.state_of(request.state)
        size = page_size(request.page_size, default=50, maximum=500)
        arguments = {"tenant": caller.tenant_id, "state": state.value if state else ""}
        before = _moment(self._tokens.decode(_SOURCES, arguments, request.page_token))
        found = await sources.list_sources(self._ingest, caller, state, size + 1, before)
        page = found[:size]
        more = len(found) > size
        cursor = (page[-1].created_at.isoformat(), page[-1].source_id) if more else ()
        return pb.ListSourcesResponse(
            sources=[convert.source_to_wire(source) for source in page],
            next_page_token=self._tokens.encode(_SOURCES, arguments, cursor) if more else "",
        )

    async def ListUnits(self, request: pb.ListUnitsRequest, context: Any) -> pb.ListUnitsResponse:
        """A page of a source's units in reading order."""
        caller = convert.caller_of(current_call())
        size = page_size(request.page_size, default=100, maximum=1000)
        arguments = {"tenant": caller.tenant_id, "source": request.source_id}
        cursor = self._tokens.decode(_UNITS, arguments, request.page_token)
        after = int(str(cursor[0])) if cursor else -1
        found = await sources.list_units(self._ingest, caller, request.source_id, size + 1, after)
        page = found[:size]
        more = len(found) > size
        return pb.ListUnitsResponse(
            units=[convert.unit_to_wire(request.source_id, unit) for unit in page],
            next_page_token=self._tokens.encode(_UNITS, arguments, (page[-1].order,)) if more else "",
        )

    async def GetOutlines(self, request: pb.GetOutlinesRequest, context: Any) -> pb.GetOutlinesResponse:
        """What sources speak of."""
        caller = convert.caller_of(current_call())
        outlines = await sources.get_outlines(self._ingest, caller, list(request.source_ids))
        return pb.GetOutlinesResponse(outlines=[convert.outline_to_wire(outline) for outline in outlines])


class RetrievalServicer(services.RetrievalServiceServicer):
    """lace.ingest.v1.RetrievalService."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        """Answers many queries at once."""
        caller = convert.caller_of(current_call())
        queries = [convert.query_of(query) for query in request.queries]
        found = await retrieval.search(self._ingest, caller, queries, list(request.source_ids))
        return convert.found_to_wire(queries, found)


async def _head(requests: AsyncIterator[pb.UploadSourceRequest]) -> pb.UploadHead:
    async for request in requests:
        if request.WhichOneof("piece") == "head":
            return request.head
        break
    raise LaceError(Reason.INVALID_ARGUMENT, "An upload begins with its head.")


async def _chunks(requests: AsyncIterator[pb.UploadSourceRequest]) -> AsyncIterator[bytes]:
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


async def _heard_out(requests: AsyncIterator[pb.UploadSourceRequest]) -> None:
    """Lets a refused caller come to the end: a call that is reset while it still sends loses the words of its refusal
    and ends as INTERNAL. Not for ever: who sends on and on is cut off.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_LONGEST_HEARING_S):
            async for _ in requests:
                pass


def _moment(cursor: Cursor | None) -> tuple[datetime, str] | None:
    return (datetime.fromisoformat(str(cursor[0])), str(cursor[1])) if cursor else None
