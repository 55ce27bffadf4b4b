"""ReviewService: decode, one use case, encode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from lace.runs.v1 import reviews_pb2 as wire
from lace.runs.v1 import reviews_pb2_grpc as grpc_wire
from lace_platform.clock import utc_now
from lace_platform.paging import PageTokens
from lace_runs.api import convert_reviews as convert
from lace_runs.api.edge import caller, once
from lace_runs.app.artifacts import keep_snapshot
from lace_runs.app.ports import OpenUnitOfWork, Snapshots, UnitOfWork
from lace_runs.app.reviews import deciding, reading
from lace_runs.app.source_ports import Sources
from lace_runs.domain.reviews import ReviewItem

_SERVICE = "/lace.runs.v1.ReviewService/"


@dataclass(frozen=True)
class ReviewTools:
    """What the servicer needs of the outside."""

    open: OpenUnitOfWork
    sources: Sources
    snapshots: Snapshots
    pages: PageTokens


class ReviewServicer(grpc_wire.ReviewServiceServicer):
    """What could not be decided, and deciding it."""

    def __init__(self, tools: ReviewTools) -> None:
        self._tools = tools

    async def ListReviewItems(self, request: wire.ListReviewItemsRequest, context: Any) -> wire.ListReviewItemsResponse:
        """Review items, newest first."""
        who = caller()
        wanted = convert.wanted_of(request, who.labels)
        named = [wanted.artifact_id, wanted.state, wanted.run_id, wanted.verdict, wanted.assignee, wanted.paragraph_id]
        scope = {"tenant_id": who.tenant_id, "wanted": named}
        page = self._tools.pages.page("reviews", scope, request)
        async with self._tools.open(who.tenant_id) as work:
            found = await work.reviews.page(who.tenant_id, wanted, page.moment, page.limit)
        shown, token = page.cut(found, lambda item: (item.created_at, item.review_item_id))
        return wire.ListReviewItemsResponse(items=map(convert.item_message, shown), next_page_token=token)

    async def GetReviewItem(self, request: wire.GetReviewItemRequest, context: Any) -> wire.ReviewItem:
        """An item with its evidence in the text around it."""
        tools = self._tools
        return convert.shown_message(await reading.show(tools.open, tools.sources, caller(), request.review_item_id))

    async def AcceptReviewItem(self, request: wire.AcceptReviewItemRequest, context: Any) -> wire.ReviewItem:
        """Puts the sentence in."""
        who, asked, sources = caller(), convert.accept_of(request), self._tools.sources

        async def decide(work: UnitOfWork) -> ReviewItem:
            return await deciding.accept(work, sources, who, asked, utc_now())

        return await self._decided("AcceptReviewItem", request, decide, writes=True)

    async def RejectReviewItem(self, request: wire.RejectReviewItemRequest, context: Any) -> wire.ReviewItem:
        """Leaves the sentence out."""
        who, asked = caller(), convert.reject_of(request)

        async def decide(work: UnitOfWork) -> ReviewItem:
            return await deciding.reject(work, who, asked, utc_now())

        return await self._decided("RejectReviewItem", request, decide)

    async def RewriteReviewItem(self, request: wire.RewriteReviewItemRequest, context: Any) -> wire.ReviewItem:
        """Puts another wording in."""
        who, asked, sources = caller(), convert.rewrite_of(request), self._tools.sources

        async def decide(work: UnitOfWork) -> ReviewItem:
            return await deciding.rewrite(work, sources, who, asked, utc_now())

        return await self._decided("RewriteReviewItem", request, decide, writes=True)

    async def AssignReviewItem(self, request: wire.AssignReviewItemRequest, context: Any) -> wire.ReviewItem:
        """Says who is to decide."""
        who, asked = caller(), convert.assign_of(request)

        async def decide(work: UnitOfWork) -> ReviewItem:
            return await deciding.assign(work, who, asked, utc_now())

        return await self._decided("AssignReviewItem", request, decide)

    async def _decided(
        self,
        method: str,
        request: Message,
        decide: Callable[[UnitOfWork], Awaitable[ReviewItem]],
        *,
        writes: bool = False,
    ) -> wire.ReviewItem:
        """The item after a decision; of one that wrote the document the snapshot is kept as well."""

        async def effect(work: UnitOfWork) -> wire.ReviewItem:
            return convert.item_message(await decide(work))

        tools = self._tools
        answer = await once(tools.open, _SERVICE + method, request, wire.ReviewItem, effect)
        if writes and not answer.paragraph_id:
            await keep_snapshot(tools.open, tools.snapshots, caller().tenant_id, answer.artifact_id)
        return answer
