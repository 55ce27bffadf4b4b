"""PublicationService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from lace.runs.v1 import publications_pb2 as wire
from lace.runs.v1 import publications_pb2_grpc as grpc_wire
from lace_platform.clock import utc_now
from lace_runs.api import convert_suites as convert
from lace_runs.api.edge import answered, caller, once
from lace_runs.api.suites import SuiteTools
from lace_runs.app.artifacts import require_visible
from lace_runs.app.ports import UnitOfWork
from lace_runs.app.publications import publishing

_PUBLISH = "/lace.runs.v1.PublicationService/PublishArtifact"
_WITHDRAW = "/lace.runs.v1.PublicationService/WithdrawPublication"


class PublicationServicer(grpc_wire.PublicationServiceServicer):
    """Revisions that are out."""

    def __init__(self, tools: SuiteTools) -> None:
        self._tools = tools
        self._open = tools.testers.open

    async def PublishArtifact(self, request: wire.PublishArtifactRequest, context: Any) -> wire.Publication:
        """Publishes a revision; what must pass is run before the transaction that publishes."""
        who = caller()
        if (kept := await answered(self._open, _PUBLISH, request, wire.Publication)) is not None:
            return kept
        tried = await publishing.attempt(self._tools.testers, who, convert.publish_of(request), utc_now())

        async def effect(work: UnitOfWork) -> wire.Publication:
            return convert.publication_message(await publishing.publish(work, who, tried, utc_now()))

        return await once(self._open, _PUBLISH, request, wire.Publication, effect)

    async def ListPublications(
        self, request: wire.ListPublicationsRequest, context: Any
    ) -> wire.ListPublicationsResponse:
        """Publications, newest first."""
        who, artifact_id = caller(), request.artifact_id
        scope = {"tenant_id": who.tenant_id, "artifact_id": artifact_id}
        page = self._tools.pages.page("publications", scope, request)
        async with self._open(who.tenant_id) as work:
            await require_visible(work, who, artifact_id)
            found = await work.publications.page(who.tenant_id, artifact_id, who.labels, page.moment, page.limit)
        shown, token = page.cut(found, lambda publication: (publication.published_at, publication.publication_id))
        return wire.ListPublicationsResponse(
            publications=map(convert.publication_message, shown), next_page_token=token
        )

    async def GetPublication(self, request: wire.GetPublicationRequest, context: Any) -> wire.Publication:
        """A publication."""
        who, artifact_id = caller(), request.artifact_id
        async with self._open(who.tenant_id) as work:
            await require_visible(work, who, artifact_id)
            found = await work.publications.get(who.tenant_id, artifact_id, request.publication_id)
            await require_visible(work, who, artifact_id, found.revision_id)
        return convert.publication_message(found)

    async def WithdrawPublication(self, request: wire.WithdrawPublicationRequest, context: Any) -> wire.Publication:
        """Withdraws a publication."""
        who = caller()

        async def effect(work: UnitOfWork) -> wire.Publication:
            found = await publishing.withdraw(
                work, who, request.artifact_id, request.publication_id, request.reason, utc_now()
            )
            return convert.publication_message(found)

        return await once(self._open, _WITHDRAW, request, wire.Publication, effect)
