"""lace.ingest.v1.SourceService: decode, one use case, encode."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from lace.ingest.v1 import ingest_pb2 as pb
from lace.ingest.v1 import ingest_pb2_grpc as services
from lace_core.canonical import canonical_json
from lace_ingest.api import convert
from lace_ingest.api.convert_vectors import progress_to_wire
from lace_ingest.api.convert_versions import extraction_to_wire, located_to_wire, quote_to_wire
from lace_ingest.api.upload_stream import chunks_of, head_of
from lace_ingest.app import extractions, sources, versions
from lace_ingest.app.ports import Caller, Ingest, Mutation
from lace_ingest.domain.sources import Source
from lace_platform.paging import Page, PageTokens
from lace_platform.rpc import current_call


class SourceServicer(services.SourceServiceServicer):
    """lace.ingest.v1.SourceService."""

    def __init__(self, ingest: Ingest, tokens: PageTokens) -> None:
        self._ingest = ingest
        self._tokens = tokens

    async def UploadSource(self, request_iterator: Any, context: Any) -> pb.Source:
        """Stores one document as it comes in."""
        return convert.source_to_wire(await self._upload(request_iterator))

    async def _upload(self, requests: AsyncIterator[pb.UploadSourceRequest]) -> Source:
        caller = convert.caller_of(current_call())
        head = await head_of(requests)
        labels = sorted(set(head.labels))
        more = {name: value for name, value in (("version_of", head.version_of), ("private", head.private)) if value}

        def mutation_of(filename: str, sha256: str) -> Mutation | None:
            asked = {"filename": filename, "labels": labels, "sha256": sha256, **more}
            request = canonical_json(asked)
            return Mutation(f"UploadSource/{filename}", request) if current_call().idempotency_key else None

        return await sources.upload_source(
            self._ingest, caller, head.filename, labels, chunks_of(requests), mutation_of,
            version_of=head.version_of, private=head.private,
        )  # fmt: skip

    async def GetSource(self, request: pb.GetSourceRequest, context: Any) -> pb.Source:
        """A source, and how far its vectors are."""
        caller = convert.caller_of(current_call())
        source = await sources.get_source(self._ingest, caller, request.source_id)
        wire = convert.source_to_wire(source)
        wire.vectors.extend(map(progress_to_wire, await sources.vector_progress(self._ingest, caller, source)))
        return wire

    async def ListSources(self, request: pb.ListSourcesRequest, context: Any) -> pb.ListSourcesResponse:
        """A page of the tenant's sources, newest first."""
        caller = convert.caller_of(current_call())
        state = convert.state_of(request.state)
        page = self._page("ListSources", caller, request, state=state.value if state else "")
        found = await sources.list_sources(self._ingest, caller, state, page.limit, page.moment)
        shown, token = page.cut(found, lambda source: (source.created_at, source.source_id))
        return pb.ListSourcesResponse(sources=map(convert.source_to_wire, shown), next_page_token=token)

    async def ListSourceVersions(
        self, request: pb.ListSourceVersionsRequest, context: Any
    ) -> pb.ListSourceVersionsResponse:
        """A page of a document's versions, newest first."""
        caller = convert.caller_of(current_call())
        page = self._page("ListSourceVersions", caller, request, source=request.source_id)
        before = page.number
        found = await versions.list_versions(self._ingest, caller, request.source_id, page.limit, before)
        shown, token = page.cut(found, lambda source: (source.version,))
        return pb.ListSourceVersionsResponse(sources=map(convert.source_to_wire, shown), next_page_token=token)

    async def ListExtractions(self, request: pb.ListExtractionsRequest, context: Any) -> pb.ListExtractionsResponse:
        """A page of a source's extractions, newest first."""
        caller = convert.caller_of(current_call())
        page = self._page("ListExtractions", caller, request, source=request.source_id)
        before = page.moment
        source, found = await extractions.list_extractions(self._ingest, caller, request.source_id, page.limit, before)
        shown, token = page.cut(found, lambda one: (one.created_at, one.extraction))
        wired = [extraction_to_wire(source, one) for one in shown]
        return pb.ListExtractionsResponse(extractions=wired, next_page_token=token)

    async def ListUnits(self, request: pb.ListUnitsRequest, context: Any) -> pb.ListUnitsResponse:
        """A page of a source's units in reading order."""
        caller = convert.caller_of(current_call())
        asked = {"source": request.source_id, **({"extraction": request.extraction} if request.extraction else {})}
        page = self._page("ListUnits", caller, request, default=100, maximum=1000, **asked)
        behind = page.number
        found = await extractions.list_units(
            self._ingest, caller, request.source_id, request.extraction, page.limit, -1 if behind is None else behind
        )
        shown, token = page.cut(found, lambda unit: (unit.order,))
        wired = [convert.unit_to_wire(request.source_id, unit) for unit in shown]
        return pb.ListUnitsResponse(units=wired, next_page_token=token)

    async def GetUnit(self, request: pb.GetUnitRequest, context: Any) -> pb.LocatedUnit:
        """A unit of any extraction with its source."""
        caller = convert.caller_of(current_call())
        return located_to_wire(await extractions.get_unit(self._ingest, caller, request.unit_id))

    async def GetQuote(self, request: pb.GetQuoteRequest, context: Any) -> pb.Quote:
        """The exact words of a span of a unit."""
        caller = convert.caller_of(current_call())
        quote = await extractions.get_quote(self._ingest, caller, request.unit_id, request.start, request.end)
        return quote_to_wire(quote, request.quote_hash)

    async def GetOutline(self, request: pb.GetOutlineRequest, context: Any) -> pb.SourceOutline:
        """What one source speaks of."""
        caller = convert.caller_of(current_call())
        return convert.outline_to_wire(await sources.get_outline(self._ingest, caller, request.source_id))

    async def GetOutlines(self, request: pb.GetOutlinesRequest, context: Any) -> pb.GetOutlinesResponse:
        """What sources speak of."""
        caller = convert.caller_of(current_call())
        outlines = await sources.get_outlines(self._ingest, caller, list(request.source_ids))
        return pb.GetOutlinesResponse(outlines=[convert.outline_to_wire(outline) for outline in outlines])

    def _page(
        self, route: str, caller: Caller, request: Any, *, default: int = 50, maximum: int = 500, **asked: str
    ) -> Page:
        arguments = {"tenant": caller.tenant_id, **asked}
        return self._tokens.page(route, arguments, request, default=default, maximum=maximum)
