"""lace.ingest.v1.DiffService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from lace.ingest.v1 import diffs_pb2 as pb
from lace.ingest.v1 import diffs_pb2_grpc as services
from lace_core.errors import Detail, LaceError, Reason
from lace_ingest.api import convert_diffs as convert
from lace_ingest.api.convert import caller_of
from lace_ingest.app.diffs import bundles, comparing, impact
from lace_ingest.app.diffs.ports import Diffs
from lace_ingest.app.diffs.versions import Pair, pair_of
from lace_ingest.app.ports import Ingest
from lace_ingest.domain.diffs.changes import Level
from lace_platform.paging import PageTokens, Scalar, page_size
from lace_platform.rpc import current_call


class DiffServicer(services.DiffServiceServicer):
    """lace.ingest.v1.DiffService."""

    def __init__(self, ingest: Ingest, diffs: Diffs, tokens: PageTokens) -> None:
        self._ingest = ingest
        self._diffs = diffs
        self._tokens = tokens

    async def DiffSources(self, request: pb.DiffSourcesRequest, context: Any) -> pb.DiffSourcesResponse:
        """What is different between two sources, as close as is asked for."""
        pair = await pair_of(self._diffs, caller_of(current_call()), request.source_id, request.against)
        match convert.level_of(request.level):
            case Level.DOCUMENT:
                return await self._documents(pair, request)
            case Level.EXTRACTION:
                return await self._units(pair, request)
            case Level.IMPACT:
                return await self._impact(pair, request)
        return await self._summary(pair)

    async def DiffBundles(self, request: pb.DiffBundlesRequest, context: Any) -> pb.DiffBundlesResponse:
        """What is different between two versions of a bundle, source by source."""
        caller, versions = caller_of(current_call()), convert.versions_of(request)
        page = _Place(self._tokens, "DiffBundles", caller.tenant_id, request.bundle_id, *versions, request.unchanged)
        size = page_size(request.page_size, default=20, maximum=100)
        found = await bundles.compare_bundles(
            self._ingest, self._diffs, caller, request.bundle_id, versions,
            unchanged=request.unchanged, start=page.number(request.page_token), size=size,
        )  # fmt: skip
        return convert.bundles_to_wire(found, page.token(found.following))

    async def AssessImpact(self, request: pb.AssessImpactRequest, context: Any) -> pb.AssessImpactResponse:
        """How citations stand where their source has been replaced."""
        caller, cited = caller_of(current_call()), convert.from_of(request)
        if bool(cited) == bool(request.artifact_id):
            message = "Name either the source that is cited (from) or the document (artifact_id)."
            raise LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail("/from", message)])
        named = (cited, request.to, request.artifact_id, request.unchanged)
        page = _Place(self._tokens, "AssessImpact", caller.tenant_id, *named)
        size = page_size(request.page_size, default=100, maximum=500)
        asked = impact.Asked(size, page.text(request.page_token), request.unchanged)
        if cited:
            found = await impact.assess_source(self._diffs, caller, cited, request.to, asked)
        else:
            found = await impact.assess_artifact(self._diffs, caller, request.artifact_id, asked)
        return convert.assessed_to_wire(found, page.token(found.next_token or None))

    async def _summary(self, pair: Pair) -> pb.DiffSourcesResponse:
        answer = convert.sources_to_wire(pair)
        counted = await comparing.count_changes(self._diffs, pair)
        answer.summary.CopyFrom(convert.summary_to_wire(*counted, await impact.count_impact(self._diffs, pair)))
        return answer

    async def _documents(self, pair: Pair, request: pb.DiffSourcesRequest) -> pb.DiffSourcesResponse:
        page, size = self._page(pair, request)
        start = page.number(request.page_token)
        counts, found = await comparing.diff_documents(self._diffs, pair, request.context, start, size)
        answer = convert.sources_to_wire(pair)
        answer.summary.CopyFrom(convert.summary_to_wire(counts))
        answer.passages.extend(map(convert.passage_to_wire, found.entries))
        answer.next_page_token = page.token(found.following)
        return answer

    async def _units(self, pair: Pair, request: pb.DiffSourcesRequest) -> pb.DiffSourcesResponse:
        page, size = self._page(pair, request)
        start = page.number(request.page_token)
        counts, found = await comparing.diff_units(
            self._diffs, pair, unchanged=request.unchanged, start=start, size=size
        )
        answer = convert.sources_to_wire(pair)
        answer.summary.CopyFrom(convert.summary_to_wire(units=counts))
        answer.units.extend(convert.unit_change_to_wire(pair, shown) for shown in found.entries)
        answer.next_page_token = page.token(found.following)
        return answer

    async def _impact(self, pair: Pair, request: pb.DiffSourcesRequest) -> pb.DiffSourcesResponse:
        page, size = self._page(pair, request)
        asked = impact.Asked(min(size, 500), page.text(request.page_token), request.unchanged)
        found = await impact.assess_pair(self._diffs, pair, asked)
        answer = convert.sources_to_wire(pair)
        answer.citations.extend(map(convert.impact_to_wire, found.impacts))
        answer.next_page_token = page.token(found.next_token or None)
        return answer

    def _page(self, pair: Pair, request: pb.DiffSourcesRequest) -> tuple[_Place, int]:
        asked = (request.level, request.context, request.unchanged)
        page = _Place(self._tokens, "DiffSources", *pair.key, *asked)
        return page, page_size(request.page_size, default=100, maximum=1000)


class _Place:
    """Where pages of one list begin: at the number of an entry, or at the token of another list."""

    def __init__(self, tokens: PageTokens, route: str, *asked: Scalar) -> None:
        self._tokens = tokens
        self._route = route
        self._asked = {"asked": list(asked)}

    def number(self, token: str) -> int:
        """Raises PAGE_TOKEN_INVALID."""
        cursor = self._tokens.decode(self._route, self._asked, token)
        return int(str(cursor[0])) if cursor else 0

    def text(self, token: str) -> str:
        """Raises PAGE_TOKEN_INVALID."""
        cursor = self._tokens.decode(self._route, self._asked, token)
        return str(cursor[0]) if cursor else ""

    def token(self, following: int | str | None) -> str:
        """Empty where nothing follows."""
        return "" if following is None else self._tokens.encode(self._route, self._asked, (following,))
