"""lace.ingest.v1.IntakeService: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

from lace.ingest.v1 import intake_pb2 as pb
from lace.ingest.v1 import intake_pb2_grpc as services
from lace_ingest.api import convert
from lace_ingest.app import intake
from lace_ingest.app.intake_ports import Inbox
from lace_ingest.app.ports import Ingest
from lace_platform.paging import PageTokens
from lace_platform.rpc import current_call
from lace_proto.times import to_timestamp

_INBOX = "ListInbox"


class IntakeServicer(services.IntakeServiceServicer):
    """Documents by the hundred."""

    def __init__(self, ingest: Ingest, inbox: Inbox, tokens: PageTokens) -> None:
        self._ingest = ingest
        self._inbox = inbox
        self._tokens = tokens

    async def FindSources(self, request: pb.FindSourcesRequest, context: Any) -> pb.FindSourcesResponse:
        """Which of these files are there."""
        caller = convert.caller_of(current_call())
        files = [(file.filename, file.sha256) for file in request.files]
        found = await intake.find_sources(self._ingest, caller, files)
        return pb.FindSourcesResponse(sources=[convert.source_to_wire(source) for source in found])

    async def GetSources(self, request: pb.GetSourcesRequest, context: Any) -> pb.GetSourcesResponse:
        """Many sources at once."""
        caller = convert.caller_of(current_call())
        found = await intake.get_sources(self._ingest, caller, list(request.source_ids))
        return pb.GetSourcesResponse(sources=[convert.source_to_wire(source) for source in found])

    async def ListInbox(self, request: pb.ListInboxRequest, context: Any) -> pb.ListInboxResponse:
        """What lies in the tenant's inbox."""
        caller = convert.caller_of(current_call())
        arguments = {"tenant": caller.tenant_id, "prefix": request.prefix}
        page = self._tokens.page(_INBOX, arguments, request, default=100, maximum=1000)
        found = await intake.list_inbox(self._ingest, self._inbox, caller, request.prefix, page.name, page.limit)
        shown, token = page.cut(found, lambda entry: (entry[0].name,))
        objects = [
            pb.InboxObject(
                name=one.name,
                size_bytes=one.size_bytes,
                modified_at=to_timestamp(one.modified_at),
                source_id=source_id,
            )
            for one, source_id in shown
        ]
        return pb.ListInboxResponse(objects=objects, next_page_token=token)
